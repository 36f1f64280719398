"""Pictures are short enough to be shown inline and say what they show (P8)."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.lake.building import Preview
from trading_platform.pictures import MARKDOWN_LIMIT, price_and_volume

SVG = "{http://www.w3.org/2000/svg}"


def svg_of(markdown: str) -> ET.Element:
    prefix = "![day](data:image/svg+xml,"
    assert markdown.startswith(prefix)
    assert markdown.endswith(")")
    encoded = markdown[len(prefix) : -1]
    assert not set(encoded) & set(' ()<>"#')
    return ET.fromstring(unquote(encoded))


def preview(price: list[float], volume: list[int]) -> Preview:
    return Preview(0, 1_000_000, np.array(price, np.float64), np.array(volume, np.int64))


def test_p8_line_starts_at_first_price_and_area_follows_volume() -> None:
    svg = svg_of(price_and_volume(preview([100.0, 102.0, np.nan, 101.0], [5, 10, 0, 5]), alt="day", synthetic=False))
    area, line = svg.findall(f"{SVG}path")
    assert area.attrib["d"] == "M62,160l0-17,9-17,9,34,9-17V160"
    assert line.attrib["d"] == "M62,117l9-99,18,50"
    assert [text.text for text in svg.findall(f"{SVG}text")] == ["102", "100"]


def test_p8_synthetic_data_is_named_in_the_picture() -> None:
    svg = svg_of(price_and_volume(preview([1.0], [1]), alt="day", synthetic=True))
    assert "SYNTHETIC DATA" in [text.text for text in svg.findall(f"{SVG}text")]


def test_p8_day_without_trades_has_no_line() -> None:
    svg = svg_of(price_and_volume(preview([np.nan, np.nan], [0, 0]), alt="day", synthetic=False))
    assert len(svg.findall(f"{SVG}path")) == 1
    assert svg.findall(f"{SVG}text") == []


@given(
    st.lists(st.tuples(st.floats(1e-5, 1e6) | st.just(float("nan")), st.integers(0, 2**31)), min_size=1, max_size=240)
)
def test_p8_every_picture_is_short_enough_to_be_shown(points: list[tuple[float, int]]) -> None:
    markdown = price_and_volume(preview([p for p, _ in points], [v for _, v in points]), alt="day", synthetic=True)
    svg_of(markdown)
    assert len(markdown) < MARKDOWN_LIMIT


@pytest.mark.parametrize("count", [1, 51, 52, 53, 120])
def test_p8_worst_case_zigzag_is_short_enough(count: int) -> None:
    zigzag = preview(
        [100_000.25 if i % 2 else 99_999.75 for i in range(count)], [10**9 if i % 2 else 0 for i in range(count)]
    )
    title = "MNQ bars_1s 2025-03-11"
    assert len(price_and_volume(zigzag, alt=title, synthetic=True)) < MARKDOWN_LIMIT
