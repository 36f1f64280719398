"""What people see: lines in a terminal, a page, a picture (P12)."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.coverage.board import Board
from trading_platform.coverage.html import page, write_page
from trading_platform.coverage.judge import Judgement
from trading_platform.coverage.picture import summary_picture
from trading_platform.coverage.states import GRAVITY, State
from trading_platform.coverage.text import lines_of
from trading_platform.errors import LakeError
from trading_platform.pictures import MARKDOWN_LIMIT

from .boards import board_of, series

MONDAY, FRIDAY = date(2025, 3, 10), date(2025, 3, 21)
GONE = Judgement(State.MISSING, "materialized, but its file is gone")


def text_of(board: Board, width: int) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines_of(board, width)]


@pytest.fixture
def two_weeks() -> Board:
    cells = {
        (0, date(2025, 3, 12)): GONE,
        (0, date(2025, 3, 13)): GONE,
        (0, date(2025, 3, 17)): Judgement(State.CLOSED, "Holiday"),
        (0, date(2025, 3, 21)): Judgement(State.NOT_DUE),
        (1, date(2025, 3, 12)): GONE,
        (1, date(2025, 3, 13)): GONE,
    }
    board = board_of(MONDAY, FRIDAY, cells, rows=(series(), series("ES"), series("ES", "depth_events")))
    board.codes[2] = GRAVITY.index(State.NOT_EXPECTED)
    board.nothing_yet.add(2)
    return board


def test_p12_one_line_per_row_with_weeks_apart(two_weeks: Board) -> None:
    assert text_of(two_weeks, 80) == [
        "M missing   ■ complete   · closed   _ not_due",
        "one cell = one day",
        "           Mar",
        "MNQ/ticks  ■■MM■ ·■■■_  2 M  6 ■  1 ·  1 _",
        "ES/ticks   ■■MM■ ■■■■■  2 M  8 ■",
        "nothing yet: ES/depth_events",
    ]


@pytest.mark.parametrize(("width", "unit"), [(170, "week"), (70, "month"), (40, "year")])
def test_p12_long_ranges_are_shown_by_their_gravest_day(width: int, unit: str) -> None:
    board = board_of(date(2024, 1, 1), date(2025, 12, 31), {(0, date(2024, 6, 12)): GONE})
    lines = text_of(board, width)
    assert lines[1] == f"one cell = one {unit}, its gravest day"
    assert max(len(line) for line in lines) <= width
    cells = lines[-1].removeprefix("MNQ/ticks").split("  1 M")[0]
    assert cells.count("M") == 1


def test_p12_neighbours_with_one_reason_are_one_group_across_rows(two_weeks: Board) -> None:
    group = two_weeks.reasons_in_order()[0]
    assert (group.names, group.dates, group.reason) == (
        "MNQ/ticks ES/ticks",
        "2025-03-12 to 2025-03-13 (2 days)",
        "materialized, but its file is gone",
    )
    assert group.next_command == "tp backfill MNQ/ticks ES/ticks --from 2025-03-12 --to 2025-03-13"


def test_p12_groups_reach_over_closed_days_and_over_reasons_that_name_their_day() -> None:
    days = [date(2025, 3, 13), date(2025, 3, 14), date(2025, 3, 18)]
    cells = {(0, day): Judgement(State.MISSING, f"ERROR: E214 no records of {day}") for day in days}
    cells[0, date(2025, 3, 17)] = Judgement(State.CLOSED)
    (group,) = board_of(MONDAY, FRIDAY, cells).reasons_in_order()
    assert (group.first, group.last, group.days) == (days[0], days[-1], 3)


def test_p12_reasons_with_the_same_words_are_one_group_whatever_the_numbers_and_contracts() -> None:
    days = [date(2025, 3, day) for day in (12, 13, 14)]
    cells = {
        (row, day): Judgement(State.MISSING, f"no market depth of {symbol}{code}25: looked for {symbol}.{day}.depth")
        for row, symbol in enumerate(("MNQ", "ES"))
        for day, code in zip(days, "HHM", strict=True)
    }
    (mnq, es) = board_of(MONDAY, FRIDAY, cells, rows=(series(), series("ES"))).reasons_in_order()
    assert (mnq.days, es.days) == (3, 3)
    assert mnq.why == "first: no market depth of MNQH25: looked for MNQ.2025-03-12.depth"


def test_p12_next_command_makes_first_what_days_wait_for() -> None:
    reason = "never made, ES/ticks of that day is not stored"
    rows = (series("ES", "bars_1s"), series("ES", "bars_1m"))
    board = board_of(MONDAY, FRIDAY, {(row, MONDAY): Judgement(State.MISSING, reason) for row in (0, 1)}, rows=rows)
    board.wait_for(reason, ["ES/ticks"])
    (group,) = board.reasons_in_order()
    assert (group.why, group.names) == (reason, "ES/bars_1s ES/bars_1m")
    expected = "tp backfill ES/ticks ES/bars_1s ES/bars_1m --from 2025-03-10 --to 2025-03-10"
    assert group.next_command == expected


def test_p12_page_needs_nothing_else_and_escapes_reasons(two_weeks: Board) -> None:
    two_weeks.put(0, 0, Judgement(State.MISSING, 'a <b> & "c"'))
    two_weeks.is_synthetic = True
    text = page(two_weeks)
    assert "a &lt;b&gt; &amp; &quot;c&quot;" in text
    assert "SYNTHETIC DATA" in text
    assert "Nothing yet:</span> ES/depth_events" in text
    for outside in ("http://", "https://", "<script", "<link", "<img", "@import", "url("):
        assert outside not in text
    assert text.count("<title>MNQ/ticks 2025-03-12 to 2025-03-13, 2 days: missing") == 1


def test_p12_page_of_ten_years_stays_small() -> None:
    first, last = date(2015, 1, 1), date(2024, 12, 31)
    rows = tuple(series(symbol) for symbol in ("ES", "MNQ", "NQ"))
    text = page(board_of(first, last, {(1, date(2020, 6, 12)): GONE}, rows=rows))
    assert len(text) < 20_000
    assert text.count("<span>2020</span>") == 3


def test_p12_page_that_cannot_be_written_is_e545(two_weeks: Board, tmp_path: Path) -> None:
    target = tmp_path / "file" / "board.html"
    target.parent.write_text("a file where a folder should be")
    with pytest.raises(LakeError) as caught:
        write_page(two_weeks, target)
    assert caught.value.code == "E545"
    write_page(two_weeks, tmp_path / "new" / "board.html")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["board.html"]


def svg_of(markdown: str) -> ET.Element:
    prefix = "![coverage](data:image/svg+xml,"
    assert markdown.startswith(prefix)
    encoded = markdown[len(prefix) : -1]
    assert not set(encoded) & set(' ()<>"#')
    return ET.fromstring(unquote(encoded))


def test_p12_picture_draws_missing_days_over_complete_ones(two_weeks: Board) -> None:
    svg = svg_of(summary_picture(two_weeks, alt="coverage").markdown)
    paths = {path.attrib["stroke"]: path.attrib["d"] for path in svg.iter("{http://www.w3.org/2000/svg}path")}
    assert paths["teal"] == "M16,1h27M16,3h30"  # nothing is drawn on the day that is not due
    assert paths["red"] == "M22,1h6M22,3h6"
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["MNQ/ticks", "ES/ticks", "2025-03-10 - 2025-03-21"]


@pytest.mark.parametrize(("rows", "labels"), [(7, "S000/ticks"), (8, "A"), (26, "A"), (27, "")])
def test_p12_lines_of_the_picture_are_named_or_lettered(rows: int, labels: str) -> None:
    names = tuple(series(f"S{number:03d}") for number in range(rows))
    picture = summary_picture(board_of(MONDAY, FRIDAY, {}, rows=names), alt="coverage")
    assert (len(picture.labels), picture.labels[0]) == (rows, labels)
    assert dict(picture.line_of) == {row: row for row in range(rows)}
    texts = list(svg_of(picture.markdown).iter("{http://www.w3.org/2000/svg}text"))
    if labels == "A":
        assert texts[0].text == "".join(picture.labels)
        assert texts[0].attrib["y"] == ",".join(str(2 * row + 1) for row in range(rows))


def test_p12_blank_rows_of_the_picture_are_not_drawn() -> None:
    board = board_of(MONDAY, FRIDAY, {}, rows=(series(), series("ES")))
    board.codes[1] = GRAVITY.index(State.NOT_EXPECTED)
    paths = list(svg_of(summary_picture(board, alt="coverage").markdown).iter("{http://www.w3.org/2000/svg}path"))
    assert [path.attrib["d"] for path in paths] == ["M16,1h30"]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 120),
    st.integers(0, 2_600),
    st.lists(st.sampled_from(GRAVITY), min_size=1, max_size=400),
    st.booleans(),
)
def test_p12_every_picture_is_short_enough_to_be_shown(
    rows: int,
    days: int,
    states: list[State],
    is_synthetic: bool,  # noqa: FBT001
) -> None:
    last = date.fromordinal(MONDAY.toordinal() + days)
    names = tuple(series(f"S{number:03d}", "depth_metrics") for number in range(rows))
    board = Board(names, [MONDAY, *_weekdays_after(MONDAY, last)], board_of(MONDAY, MONDAY, {}).made_at)
    board.codes.flat[:] = [GRAVITY.index(states[i % len(states)]) for i in range(board.codes.size)]
    board.is_synthetic = is_synthetic
    picture = summary_picture(board, alt="coverage").markdown
    svg_of(picture)
    assert len(picture) < MARKDOWN_LIMIT


def _weekdays_after(first: date, last: date) -> list[date]:
    from trading_platform.sessions import weekdays_between

    return weekdays_between(first, last)[1:]
