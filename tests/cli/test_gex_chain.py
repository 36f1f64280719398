"""``tp gex chain``: one file of an option chain, for people and programs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from trading_platform.simulation import SIMULATED_UNDERLYINGS, simulate_chain, write_chain_file

from .conftest import call

OBSERVED_AT = datetime(2025, 3, 10, 14, 30, tzinfo=UTC)
SPOT = 5_700.25


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    underlying = SIMULATED_UNDERLYINGS["SPX"]
    contracts = simulate_chain(underlying, SPOT, OBSERVED_AT, seed=3)
    return write_chain_file(tmp_path_factory.mktemp("chains") / "spx.csv", contracts, underlying, SPOT, OBSERVED_AT)


def test_g3_the_document_says_what_the_chain_says(file: Path) -> None:
    called = call("gex", "chain", file, "--json")
    assert called.code == 0, called.err
    document = called.json
    assert (document["file"], document["symbol"], document["spot"]) == ("spx.csv", "SPX", SPOT)
    assert (document["observed_at"], document["synthetic"]) == ("2025-03-10T14:30:00+00:00", True)
    assert document["rows_in"] == document["rows_live"] > 400
    assert document["own"]["gex_call_usd_per_1pct"] > 0 > document["own"]["gex_put_usd_per_1pct"]
    # The generator prices with the volatilities it prints, so both sets of greeks agree but for the forward.
    assert abs(document["vendor_gap_pct"]["call"]) < 5
    assert sum(entry["gex_call_usd_per_1pct"] for entry in document["by_expiry"]) == pytest.approx(
        document["own"]["gex_call_usd_per_1pct"]
    )
    derived, own = document["derived"], document["own"]
    assert derived["gex_normalised_musd_per_1pct_per_point"] == own["gex_net_usd_per_1pct"] / 1e6 / SPOT
    assert derived["nearest_wall"] in {own["call_wall_band"], own["put_wall_band"]}
    assert derived["dist_to_flip_points"] == SPOT - own["zero_gamma"]
    assert derived["ramp_lower_strike"] <= SPOT < derived["ramp_upper_strike"]
    assert 0 < derived["compression_score"] < 100
    assert document["by_expiry"][0]["expiry"] == "2025-03-10"
    same_day = document["by_expiry"][0]["gex_call_usd_per_1pct"]
    assert document["zero_dte"]["gex_call_usd_per_1pct"] == pytest.approx(same_day, rel=1e-12)


def test_g5_another_moment_leaves_settled_series_out(file: Path) -> None:
    document = call("gex", "chain", file, "--json", "--asof", "2025-03-10T16:00:00-04:00").json
    assert document["asof"] == "2025-03-10T20:00:00+00:00"
    assert document["rows_settled"] == document["rows_in"] - document["rows_live"] > 0
    assert document["dropped"]["settled"] == 2 * document["rows_settled"]
    assert document["by_expiry"][0]["expiry"] == "2025-03-11"


def test_g3_people_see_tables_and_that_data_are_synthetic(file: Path) -> None:
    called = call("gex", "chain", file, "--strikes")
    assert called.code == 0, called.err
    assert "SYNTHETIC" in called.err
    for text in (
        "SPX 2025-03-10T14:30:00+00:00, spot 5,700.25",
        "zero_gamma",
        "max pain",
        "calls open",
        "rows of the file (one strike and expiry, both sides): ",
        "lines (one contract, a call or a put): ",
        "lines left out of the own sums:",
        "spot minus wall",
        "0 to 100, descriptive",
    ):
        assert text in called.out


def test_g6_a_picture_is_drawn_where_it_is_asked_for(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "profile.png"
    called = call("gex", "chain", file, "--plot", target, "--json")
    assert (called.code, called.json["plot"]) == (0, str(target))
    assert target.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("moment", ["yesterday", "2025-03-10T16:00:00"])
def test_u2_a_moment_without_zone_or_sense_is_wrong_usage(file: Path, moment: str) -> None:
    called = call("gex", "chain", file, "--asof", moment)
    assert (called.code, called.out) == (2, "")


def test_g3_a_file_that_is_no_chain_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "notes.csv"
    other.write_text("a,b\n1,2\n", encoding="utf-8")
    called = call("gex", "chain", other)
    assert (called.code, called.error.code) == (3, "E242")


@pytest.mark.parametrize(("name", "what"), [("nofile.csv", "no such file"), (".", "is a folder")])
def test_g3_a_path_without_a_file_is_told_as_one_e241(tmp_path: Path, name: str, what: str) -> None:
    called = call("gex", "chain", tmp_path / name)
    assert (called.code, called.error.code, called.error.next_command) == (3, "E241", "tp gex chain --help")
    assert what in called.error.what
    assert "the others go on" not in called.err


def test_g5_a_moment_after_every_settlement_leaves_nothing(file: Path) -> None:
    called = call("gex", "chain", file, "--asof", "2030-01-01T00:00:00Z")
    assert (called.code, called.error.code) == (3, "E482")
    assert called.error.next_command == f"tp gex chain {file}"


def test_g6_a_picture_that_cannot_be_written_says_how_to_draw_another(file: Path, tmp_path: Path) -> None:
    called = call("gex", "chain", file, "--plot", tmp_path / "nowhere" / "profile.png")
    assert (called.code, called.error.code) == (3, "E487")
    assert called.error.next_command == f"tp gex chain {file} --plot profile.png"


def test_g3_the_band_of_near_walls_can_be_chosen(file: Path) -> None:
    usual = call("gex", "chain", file, "--json").json
    assert usual["band"] == {"width_pct": 3.0, "max_dte_days": None}
    narrow = call("gex", "chain", file, "--json", "--band", "0.5", "--max-dte", "0").json
    assert narrow["band"] == {"width_pct": 0.5, "max_dte_days": 0}
    assert abs(narrow["own"]["call_wall_band"] - SPOT) <= 0.005 * SPOT
    assert narrow["own"]["call_wall_band_usd_per_1pct"] < usual["own"]["call_wall_band_usd_per_1pct"]
    assert narrow["own"]["call_wall"] == usual["own"]["call_wall"]
    assert (call("gex", "chain", file, "--band", "-1").code, call("gex", "chain", file, "--max-dte", "-1").code) == (
        2,
        2,
    )


def test_g3_the_document_says_where_its_inputs_are_from(file: Path) -> None:
    document = call("gex", "chain", file, "--json").json
    assert (document["spot_source"], document["oi_asof"], document["file_name_date"]) == ("chain", None, None)


def test_u2_a_moment_beyond_the_calendar_is_refused_with_its_number(file: Path) -> None:
    called = call("gex", "chain", file, "--asof", "9999-12-31T23:59:59-12:00")
    assert (called.code, called.error.code) == (3, "E489")
    assert called.error.next_command == f"tp gex chain {file}"


@pytest.mark.parametrize("name", ["", "profile", "profile.txt"], ids=["folder", "no suffix", "other suffix"])
def test_g6_a_picture_needs_a_file_name_with_a_known_suffix(file: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "pictures.png"
    folder.mkdir()
    called = call("gex", "chain", file, "--plot", folder / name)
    assert (called.code, called.error.code) == (3, "E487")
    assert (list(folder.iterdir()), list(tmp_path.glob("*.png"))) == ([], [folder])


def test_g3_the_table_says_why_zero_gamma_of_the_source_is_the_own_one(file: Path) -> None:
    called = call("gex", "chain", file)
    assert "zero gamma of vendor is that of own" in called.out
    assert "re-priced with the volatilities of the source" in called.out
