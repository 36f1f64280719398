"""What people and programs see: the JSON document, small pictures, the large one (G3, G6)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.errors import QualityError
from trading_platform.gex import compute_levels
from trading_platform.gex.pictures import BARS, profile_picture, profile_points
from trading_platform.gex.plot import plot_profile, profile_figure
from trading_platform.gex.report import as_json
from trading_platform.pictures import MARKDOWN_LIMIT

from .frames import call, chain, put, settled

LINES = (call(100, 10), put(100, 12), call(105, 6), put(95, 9), settled(call(100, 500)), call(110, 3, iv=0.0))
SVG = "{http://www.w3.org/2000/svg}"


def test_g3_the_document_has_the_promised_names() -> None:
    levels = compute_levels(chain(LINES))
    document = as_json(levels, symbol="SPX", source="cboe")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert {"symbol", "observed_at", "spot", "rows_in", "rows_live", "dropped", "own", "vendor"} <= set(document)
    assert {"max_pain", "dex_usd", "vex_usd_per_vol_point", "chex_usd_per_day", "by_expiry"} <= set(document)
    for block in (document["own"], document["vendor"]):
        assert {
            "gex_call_usd_per_1pct", "gex_put_usd_per_1pct", "gex_net_usd_per_1pct", "zero_gamma", "zero_gamma_crossings",
            "call_wall", "put_wall", "net_max_strike", "net_min_strike", "abs_gamma_strike",
        } <= set(block)  # fmt: skip
        assert block["gex_net_usd_per_1pct"] == block["gex_call_usd_per_1pct"] + block["gex_put_usd_per_1pct"]
    assert document["observed_at"] == "2025-03-10T14:30:00+00:00"
    assert document["dropped"] == {"settled": 1, "duplicated": 0, "iv_zero": 1, "open_interest_unknown": 0}
    assert document["max_pain"] == [{"expiry": "2025-03-21", "settle_style": "PM", "strike": 100.0}]
    assert (document["greeks_source"], document["clock"], document["sign_convention"]) == ("own", "act365", "naive")
    assert set(document["derived"]) == {
        "gex_normalised_musd_per_1pct_per_point", "ramp_lower_strike", "ramp_upper_strike", "gex_ramp_musd_per_1pct_per_point",
        "nearest_wall", "nearest_wall_side", "dist_to_nearest_wall_points", "dist_to_nearest_wall_pct", "dist_to_flip_points",
        "dist_to_flip_pct", "compression_score",
    }  # fmt: skip
    assert len(document["profile"]) == 60
    assert "by_strike" not in document


def test_g3_sums_over_expiries_and_strikes_are_the_totals() -> None:
    levels = compute_levels(
        chain([*LINES, call(101, 7, expiry=date(2025, 4, 17)), put(97, 2, expiry=date(2025, 4, 17))])
    )
    document = as_json(levels, symbol="SPX", source="cboe", strikes=True)
    for entries in (document["by_expiry"], document["by_strike"]):
        for block, prefix in (("own", ""), ("vendor", "vendor_")):
            for side in ("gex_call_usd_per_1pct", "gex_put_usd_per_1pct"):
                assert sum(entry[prefix + side] or 0.0 for entry in entries) == pytest.approx(
                    document[block][side], rel=1e-12
                )
        assert sum(entry["oi_put"] for entry in entries) == document["open_interest"]["put"]


def test_g3_a_source_without_greeks_shows_no_vendor_block() -> None:
    levels = compute_levels(chain([call(100, vendor_gamma=None, vendor_delta=None)]))
    document = as_json(levels, symbol="SPX", source="databento")
    assert (document["vendor"], document["dex_usd"], document["forward"]) == (None, None, None)
    assert document["by_expiry"][0]["vendor_gex_call_usd_per_1pct"] is None


def svg_of(markdown: str) -> ET.Element:
    prefix = "![day](data:image/svg+xml,"
    assert markdown.startswith(prefix)
    encoded = markdown[len(prefix) : -1]
    assert not set(encoded) & set(' ()<>"#')
    return ET.fromstring(unquote(encoded))


def test_g6_the_profile_shows_bars_spot_zero_gamma_and_walls() -> None:
    levels = compute_levels(chain([call(100, 10), put(100, 12), call(104, 6), put(97, 9), call(120, 50)]))
    points = profile_points(levels)
    assert (points["call_wall"], points["put_wall"], points["zero_gamma"]) == (100.0, 100.0, levels.flip.zero_gamma)
    # 36 bars over 95 to 105: strike 100 opens the nineteenth, 120 lies beyond the edge.
    assert np.flatnonzero(points["call"]).tolist() == [18, 32]
    assert np.flatnonzero(points["put"]).tolist() == [7, 18]
    assert (points["call"][18], points["put"][18]) == (round(1000 * 10 / 12), -1000)
    assert points["unit_usd_per_1pct"] * 1000 == pytest.approx(-levels.own.walls.put_wall.usd_per_1pct)
    svg = svg_of(
        profile_picture({**points, "call": [0] * 18 + [10] + [0] * 17, "put": [0] * 36}, alt="day", synthetic=False)
    )
    bars, *marks = svg.findall(f"{SVG}path")
    assert bars.attrib["d"] == "M0,95h234v-60h13v60h221V95z"
    assert {mark.attrib["stroke"] for mark in marks} == {"black", "orange", "green", "red"}
    assert marks[0].attrib["d"] == "M234,30V160"
    assert any("spot 100" in (text.text or "") for text in svg.findall(f"{SVG}text"))


def test_g6_a_larger_wall_far_from_spot_does_not_hide_the_near_ones() -> None:
    levels = compute_levels(chain([call(102, 5), put(98, 5), call(104, 900), put(96, 900)]))
    points = profile_points(levels)
    assert (levels.own.walls.call_wall.strike, levels.own.walls.put_wall.strike) == (104.0, 96.0)
    assert (points["call_wall"], points["put_wall"]) == (102.0, 98.0)


def test_g6_synthetic_data_is_named_in_the_picture() -> None:
    points = profile_points(compute_levels(chain(LINES)))
    texts = [text.text for text in svg_of(profile_picture(points, alt="day", synthetic=True)).findall(f"{SVG}text")]
    assert "SYNTHETIC DATA" in texts


@given(
    st.lists(st.integers(0, 99_999), min_size=BARS, max_size=BARS),
    st.lists(st.integers(-99_999, 0), min_size=BARS, max_size=BARS),
    st.none() | st.floats(95, 105),
    st.booleans(),
)
def test_g6_every_picture_is_short_enough_to_be_shown(calls, puts, zero, synthetic) -> None:
    points = {
        "spot": 29_267.25, "zero_gamma": None if zero is None else zero * 292, "call_wall": 29_300.0, "put_wall": 28_900.0,
        "low": 27_803.9, "step": 81.3, "call": calls, "put": puts,
    }  # fmt: skip
    markdown = profile_picture(points, alt="NQ_NDX gex_profile 2025-03-10", synthetic=synthetic)
    assert len(markdown) < MARKDOWN_LIMIT


def test_g6_the_large_picture_is_a_png(tmp_path: Path) -> None:
    path = tmp_path / "profile.png"
    plot_profile(compute_levels(chain(LINES)), path, symbol="SPX", synthetic=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_g6_the_drawn_curve_has_no_corners_and_its_marks_are_named_once() -> None:
    levels = compute_levels(chain([call(104), put(96), call(100, 2), put(99, 1)]))
    figure = profile_figure(levels, symbol="SPX", synthetic=False)
    above, below = figure.axes
    curve = below.lines[0]
    drawn, net = np.asarray(curve.get_xdata()), np.asarray(curve.get_ydata())
    assert (drawn[0], drawn[-1]) == (pytest.approx(90), pytest.approx(110))
    assert np.diff(drawn) == pytest.approx(0.05)
    # The same curve as the stored profile, which has 60 levels still.
    inside = np.abs(levels.profile_levels - 100) < 10
    stored = levels.profile_net[inside] / 1e9
    assert np.interp(levels.profile_levels[inside], drawn, net) == pytest.approx(
        stored, abs=1e-4 * np.abs(stored).max()
    )
    assert len(levels.profile_levels) == 60
    names = [text.get_text() for text in above.get_legend().get_texts()]
    zero = f"zero gamma {levels.flip.zero_gamma:,.2f}"
    assert sorted(names) == sorted(["calls", "puts", "spot 100.00", zero, "call wall 104.00", "put wall 96.00"])
    assert below.get_legend() is None


@pytest.mark.parametrize("name", ["nowhere/profile.png", "profile.words"])
def test_g6_a_picture_that_cannot_be_written_is_refused_with_its_number(tmp_path: Path, name: str) -> None:
    with pytest.raises(QualityError) as refused:
        plot_profile(compute_levels(chain(LINES)), tmp_path / name, symbol="SPX")
    assert refused.value.code == "E487"
