"""``tp depth book``: the ladder as people and programs see it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.depth.frames import CONTRACT, Event, ask, bid, clear, event_frame
from trading_platform.home import create_home
from trading_platform.lake import FooterFields, LocalLake, Outcome
from trading_platform.lake.contracts import DEPTH_EVENTS
from trading_platform.sessions import calendar_for

from .conftest import call

DAY = date(2026, 3, 10)
EVENTS = (
    bid(90, 1, end=True),
    clear(after_us=1_000_000),
    bid(99, 5, 2),
    bid(98, 7, 3),
    ask(101, 4, 1),
    ask(103, 6, 2, end=True),
    bid(102, 9, 4, after_us=10_000_000, end=True),
    clear(after_us=10_000_000, end=True),
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return _home(tmp_path, EVENTS)


def _home(folder: Path, events: tuple[Event, ...], *, synthetic: bool = False) -> Path:
    created = create_home(folder / "home", sierra_dir=None)
    frame = event_frame(events)
    with LocalLake(created.lake_dir).begin(DEPTH_EVENTS, "MNQ", DAY) as writer:
        writer.append(frame.select(DEPTH_EVENTS.arrow_schema.names).to_arrow())
        session = calendar_for("CME_EQUITY").session(DAY).resolved()
        writer.commit(FooterFields("f" * 64, "1", Outcome.WRITE, session, synthetic=synthetic))
    return created.path


def test_t6_the_ladder_shows_asks_above_bids_with_cumulative_quantity(home: Path) -> None:
    called = call("depth", "book", "MNQ", "--at", "2026-03-10T14:00:02.5Z", home=home)
    assert called.code == 0, called.err
    lines = [line.split("│")[1:-1] for line in called.out.splitlines() if "│" in line]
    assert [[cell.strip() for cell in line] for line in lines] == [
        ["ask", "25.75", "6", "2", "10"],
        ["ask", "25.25", "4", "1", "4"],
        ["bid", "24.75", "5", "2", "5"],
        ["bid", "24.5", "7", "3", "12"],
    ]
    assert f"MNQ ({CONTRACT}) at 2026-03-10 14:00:02.500000Z" in called.out
    assert "last change 2026-03-10 14:00:01.000000Z (1,500 ms before)" in called.out
    assert "snapshot of 2026-03-10 14:00:01.000000Z and 5 events" in called.out
    assert "crossed" not in called.err
    assert "SYNTHETIC" not in called.err


def test_u2_the_symbol_may_be_written_in_other_capitals(home: Path) -> None:
    called = call("depth", "book", "mnq", "--at", "2026-03-10T14:00:02.5Z", "--json", home=home)
    assert called.code == 0, called.err
    assert (called.json["symbol"], called.json["events_replayed"]) == ("MNQ", 5)


def test_t6_json_holds_the_same_book(home: Path) -> None:
    called = call("depth", "book", "MNQ", "--at", "2026-03-10T08:00:02.5-06:00", "--levels", "1", "--json", home=home)
    assert called.code == 0, called.err
    assert called.json == {
        "symbol": "MNQ",
        "contract": CONTRACT,
        "trade_date": "2026-03-10",
        "at": "2026-03-10T14:00:02.500000+00:00",
        "synthetic": False,
        "reason": None,
        "snapshot_at": "2026-03-10T14:00:01+00:00",
        "last_batch_at": "2026-03-10T14:00:01+00:00",
        "age_ms": 1_500,
        "events_replayed": 5,
        "crossed": False,
        "bid_levels": 2,
        "ask_levels": 2,
        "bids": [{"price": 24.75, "quantity": 5, "num_orders": 2, "cumulative": 5}],
        "asks": [{"price": 25.25, "quantity": 4, "num_orders": 1, "cumulative": 4}],
    }


def test_t6_a_crossed_book_is_shown_with_a_warning(home: Path) -> None:
    called = call("depth", "book", "MNQ", "--at", "2026-03-10T14:00:11Z", home=home)
    assert called.code == 0
    assert "crossed: bid 25.5 is above ask 25.25" in called.err


def test_t6_an_empty_book_says_so(home: Path) -> None:
    called = call("depth", "book", "MNQ", "--at", "2026-03-10T15:00:00Z", home=home)
    assert called.code == 0
    assert "the book is empty" in called.out


def test_t6_an_unknown_book_gives_the_reason(home: Path) -> None:
    called = call("depth", "book", "MNQ", "--at", "2026-03-10T14:00:00.5Z", home=home)
    assert called.code == 0
    assert "no book: no snapshot has ended before this moment" in called.out
    document = call("depth", "book", "MNQ", "--at", "2026-03-10T14:00:00.5Z", "--json", home=home).json
    assert (document["bids"], document["asks"], document["crossed"]) == (None, None, None)
    assert document["reason"].startswith("no snapshot has ended before this moment")


def test_t6_generated_events_are_labelled_synthetic(tmp_path: Path) -> None:
    home = _home(tmp_path, EVENTS, synthetic=True)
    called = call("depth", "book", "MNQ", "--at", "2026-03-10T14:00:02Z", home=home)
    assert "SYNTHETIC DATA" in called.err
    assert call("depth", "book", "MNQ", "--at", "2026-03-10T14:00:02Z", "--json", home=home).json["synthetic"] is True


def test_t6_a_moment_without_a_time_zone_is_refused(home: Path) -> None:
    called = call("depth", "book", "MNQ", "--at", "2026-03-10T14:30:00", home=home)
    assert called.error is not None
    assert (called.code, called.error.code) == (2, "E143")
    assert called.error.next_command == "tp depth book MNQ --at 2026-03-10T14:30:00Z"


def test_t6_a_text_that_is_no_time_is_wrong_usage(home: Path) -> None:
    called = call("depth", "book", "MNQ", "--at", "noon", home=home)
    assert called.code == 2
    assert "2026-03-10T14:30:00Z" in called.err


def test_t6_a_day_that_is_not_stored_names_the_backfill(home: Path) -> None:
    called = call("depth", "book", "MNQ", "--at", "2026-03-11T14:30:00Z", home=home)
    assert called.error is not None
    assert (called.code, called.error.code) == (1, "E507")
    assert called.error.next_command == "tp backfill MNQ/depth_events --from 2026-03-11 --to 2026-03-11"
