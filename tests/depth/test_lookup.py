"""The book at any moment: the same as replaying everything, and a reason where there is none."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from trading_platform.depth import Book, book_at, replay
from trading_platform.depth.events_reader import EventFile
from trading_platform.errors import ConfigurationError, LakeError, QualityError
from trading_platform.lake import Outcome

from . import frames
from .conftest import DAY
from .frames import START_US, ask, bid, clear

START = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START_US)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_t6_book_at_any_moment_equals_the_whole_replay(store_events, calendar, busy_day: pl.DataFrame) -> None:
    lake = store_events(busy_day)
    assert book_at(lake, "MNQ", at(0.0013), calendar).book is None
    for moment in (at(0.9), at(89.95), at(90.1), at(377.7), at(4_000.0)):
        *_, last = replay(busy_day.filter(pl.col("ts") <= moment))
        found = book_at(lake, "MNQ", moment, calendar)
        assert (found.book.bids, found.book.asks) == (last.book.bids, last.book.asks), moment
        assert found.snapshot_at <= found.last_batch_at == last.ts <= moment
        assert (found.contract, found.reason, found.trade_date) == (frames.CONTRACT, None, DAY)


def test_t6_only_the_row_groups_between_snapshot_and_moment_are_read(
    store_events, calendar, busy_day: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = store_events(busy_day)
    read: set[int] = set()
    original = EventFile.arrays

    def watched(self: EventFile, group: int, columns: tuple[str, ...]) -> dict[str, object]:
        if "price" in columns:
            read.add(group)
        return original(self, group, columns)

    monkeypatch.setattr(EventFile, "arrays", watched)
    book_at(lake, "MNQ", at(399.9), calendar)
    assert read == {0, 1}
    read.clear()
    book_at(lake, "MNQ", at(100.0), calendar)
    assert read == {0}


def test_t6_moments_around_segments_and_unfinished_batches(store_events, calendar) -> None:
    events = [
        bid(90, 1, end=True),
        clear(after_us=1_000_000),
        bid(99, 5, 2),
        ask(101, 4, 3, end=True),
        bid(100, 7, after_us=1_000_000),
        bid(98, 7, after_us=1_000_000, segment=1, end=True),
        clear(after_us=1_000_000, segment=1),
        ask(102, 2, end=True, segment=1),
        clear(after_us=1_000_000, segment=1, end=True),
    ]
    lake = store_events(events, synthetic=True)
    found = {
        second: book_at(lake, "MNQ", at(second), calendar) for second in (-0.000001, 0, 0.999999, 1, 2, 3, 3.5, 4, 5)
    }
    assert {second: one.book for second, one in found.items()} == {
        -0.000001: None,
        0: None,
        0.999999: None,
        1: Book({24.75: (5, 2)}, {25.25: (4, 3)}),
        2: Book({24.75: (5, 2)}, {25.25: (4, 3)}),
        3: None,
        3.5: None,
        4: Book({}, {25.5: (2, 1)}),
        5: Book(),
    }
    assert found[-0.000001].reason == "the events of 2026-03-10 begin later, at 2026-03-10 14:00:00 UTC"
    assert "no snapshot has ended before this moment" in found[3].reason
    assert (found[2].age_ms, found[2].snapshot_at, found[2].events_replayed) == (1_000, at(1), 3)
    assert found[0].age_ms is None
    # a lone clear is a snapshot of its own
    assert (found[5].snapshot_at, found[5].events_replayed) == (at(5), 1)
    assert all(one.synthetic for one in found.values())


def test_t6_an_instant_in_any_zone_is_the_same_moment(store_events, calendar) -> None:
    from zoneinfo import ZoneInfo

    lake = store_events([clear(), bid(99, 5, end=True)])
    chicago = book_at(lake, "MNQ", START.astimezone(ZoneInfo("America/Chicago")), calendar)
    assert chicago == book_at(lake, "MNQ", START, calendar)
    assert chicago.instant.tzinfo is UTC


def test_t6_an_instant_without_a_zone_is_refused_e143(lake, calendar) -> None:
    with pytest.raises(ConfigurationError) as caught:
        book_at(lake, "MNQ", datetime(2026, 3, 10, 14, 30), calendar)  # noqa: DTZ001 the point of the test
    assert caught.value.code == "E143"
    assert caught.value.next_command == "tp depth book MNQ --at 2026-03-10T14:30:00Z"


def test_t6_a_day_that_is_not_stored_is_refused_with_the_command_that_helps(lake, calendar) -> None:
    with pytest.raises(LakeError) as caught:
        book_at(lake, "MNQ", START, calendar)
    assert caught.value.code == "E507"
    assert caught.value.next_command == "tp backfill MNQ/depth_events --from 2026-03-10 --to 2026-03-10"


def test_t6_an_empty_day_says_why_there_is_no_book(store_events, calendar) -> None:
    lake = store_events(None, outcome=Outcome.EMPTY, reason="the source holds no rows for this session")
    found = book_at(lake, "MNQ", START, calendar)
    assert (found.book, found.contract) == (None, None)
    assert found.reason == "2026-03-10 has no events: the source holds no rows for this session"


def test_t6_sunday_evening_belongs_to_monday(store_events, calendar) -> None:
    monday = date(2026, 3, 9)
    evening = datetime(2026, 3, 8, 23, 0, tzinfo=UTC)
    frame = frames.event_frame([clear(), bid(99, 5, end=True)], start_us=int(evening.timestamp()) * 1_000_000)
    found = book_at(store_events(frame, monday), "MNQ", evening, calendar)
    assert (found.trade_date, found.book) == (monday, Book({24.75: (5, 1)}))


def test_t6_a_file_of_two_contracts_is_refused_e436(store_events, builder_of) -> None:
    frame = frames.event_frame([clear(), bid(99, 5, end=True)])
    two = frame.with_columns(contract=pl.Series(["MNQH26", "MNQM26"], dtype=pl.Categorical))
    with (
        pytest.raises(QualityError) as caught,
        EventFile(store_events(two).path("depth_events", "MNQ", DAY), "k", "r") as f,
    ):
        f.contract_symbol()
    assert caught.value.code == "E436"


def test_t6_a_damaged_file_is_an_error_with_a_number_e505(store_events, calendar) -> None:
    lake = store_events([clear(), bid(99, 5, end=True)])
    path = lake.path("depth_events", "MNQ", DAY)
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.write_bytes(content)
    with pytest.raises(LakeError) as caught:
        book_at(lake, "MNQ", START, calendar)
    assert caught.value.code == "E505"
