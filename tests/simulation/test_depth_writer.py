"""Simulated ``.depth`` files: their bytes, and that the book in them is one."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from trading_platform.instruments import Contract, Registry, RollTable
from trading_platform.simulation import (
    DEMO_DEPTH_DATES,
    DepthOptions,
    SimulatedMarket,
    append_depth,
    depth_benchmark_files,
    depth_chunks,
    depth_header,
    depth_path,
    write_demo_archive,
    write_depth,
    write_depth_day,
)

ESH25 = Contract.parse("ESH25")
SUNDAY, MONDAY = date(2025, 3, 9), date(2025, 3, 10)
OFFSET_US = 25_569 * 86_400_000_000
CLEAR, DELETES, BIDS = 1, (6, 7), (2, 4, 6)
Event = tuple[int, int, int, int, float, int, int]


@pytest.fixture(scope="module")
def market(registry: Registry) -> SimulatedMarket:
    return SimulatedMarket(11, registry.get("ES"), 5_850.0)


def events_of(path: Path) -> list[Event]:
    """Read a file by its format table, without the reader and without the writer's dtype."""
    content = path.read_bytes()
    assert struct.unpack_from("<4sIII", content) == (b"SCDD", 64, 24, 1)
    return list(struct.iter_unpack("<qBBHfII", content[64:]))


def written(
    folder: Path, market: SimulatedMarket, day: date, options: DepthOptions, events: int = 2_000
) -> list[Event]:
    file = write_depth_day(folder, market, ESH25, day, events=events, options=options)
    assert file is not None
    found = events_of(file.path)
    assert (len(found), file.path.stat().st_size) == (file.rows, file.size_bytes)
    return found


def books(events: list[Event]) -> Iterator[tuple[Event, list[Event], dict[int, dict[float, int]], int]]:
    """Yield at each end of batch: its last event, the batch, both sides, and deletes of absent levels so far."""
    book: dict[int, dict[float, int]] = {0: {}, 1: {}}
    batch: list[Event] = []
    absent = 0
    for event in events:
        _, command, flags, _, price, quantity, _ = event
        batch.append(event)
        if command == CLEAR:
            book = {0: {}, 1: {}}
        elif command in DELETES:
            absent += book[command % 2].pop(price, None) is None
        else:
            book[command % 2][price] = quantity
        if flags & 1:
            yield event, batch, book, absent
            batch = []
    assert batch == []


def test_t6_header_and_record_are_laid_out_as_in_the_format(tmp_path: Path, market: SimulatedMarket) -> None:
    assert depth_header() == b"SCDD" + bytes.fromhex(
        "40000000 18000000 01000000"
    ) + b"SYNTHETIC trading-platform".ljust(48, b"\0")
    assert depth_header(synthetic=False)[16:] == bytes(48)
    events = written(tmp_path, market, MONDAY, DepthOptions())
    assert {event[6] for event in events} == {0}
    assert {event[1] for event in events} == set(range(1, 8))
    # ESH25_FUT_CME files hold prices x 100 on a grid of 25.
    assert all(event[4] % 25 == 0 and 500_000 < event[4] < 700_000 for event in events if event[1] != CLEAR)


def test_t6_times_stay_inside_trading_hours_of_the_utc_day(tmp_path: Path, market: SimulatedMarket) -> None:
    hours = {SUNDAY: ("22:00", "24:00"), MONDAY: ("00:00", "24:00")}
    for day, (first, last) in hours.items():
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000 + OFFSET_US
        times = np.array([event[0] for event in written(tmp_path, market, day, DepthOptions())]) - midnight
        assert (np.diff(times) >= 0).all()
        assert times[0] == int(first[:2]) * 3_600_000_000
        assert times[-1] < int(last[:2]) * 3_600_000_000
        closed = (times >= 21 * 3_600_000_000) & (times < 22 * 3_600_000_000)
        assert not closed.any()
    assert write_depth_day(tmp_path, market, ESH25, date(2025, 3, 8), events=100) is None


@pytest.mark.parametrize("levels", [1, 5, 40])
def test_t6_snapshots_equal_the_book_that_the_events_have_led_to(
    tmp_path: Path, market: SimulatedMarket, levels: int
) -> None:
    events = written(tmp_path, market, MONDAY, DepthOptions(levels=levels))
    before: dict[int, dict[float, int]] = {}
    snapshots = 0
    for _, batch, book, absent in books(events):
        assert absent == 0
        assert (len(book[0]), len(book[1])) == (levels, levels)
        assert max(book[0]) < min(book[1])
        assert min(book[0].values()) > 0
        if batch[0][1] == CLEAR:
            prices = [event[4] for event in batch[1:]]
            assert prices[:levels] == sorted(prices[:levels], reverse=True)
            assert prices[levels:] == sorted(prices[levels:])
            # Trading stops between 21:00 and 22:00 UTC, and the book after it is a new one.
            hour = (batch[0][0] - OFFSET_US) // 3_600_000_000 % 24
            assert before == {} or hour == 22 or before == book
            snapshots += 1
        before = {side: dict(known) for side, known in book.items()}
    assert 130 < snapshots < 150  # about every ten minutes in 23 hours


def test_t6_options_make_the_odd_days(tmp_path: Path, market: SimulatedMarket) -> None:
    plain = written(tmp_path, market, MONDAY, DepthOptions(levels=5))
    late = written(tmp_path, market, MONDAY, DepthOptions(levels=5, first_snapshot=False))
    assert plain[0][1] == CLEAR
    assert plain[11:] == late
    lone = written(tmp_path, market, MONDAY, DepthOptions(levels=5, lone_clear=True))
    empty = [batch for _, batch, book, _ in books(lone) if not book[0] and not book[1]]
    assert [len(batch) for batch in empty] == [1]  # at the close; the evening's session goes on to the next file
    crossed = written(tmp_path, market, MONDAY, DepthOptions(levels=5, crossed_pre_open=True))
    times = [event[0] for event, _, book, _ in books(crossed) if max(book[0]) >= min(book[1])]
    assert len(times) > 100
    hours = [(time - OFFSET_US) / 3_600_000_000 % 24 for time in (min(times), max(times))]
    assert 21.7 < hours[0] < hours[1] < 22.0
    absent = written(tmp_path, market, MONDAY, DepthOptions(levels=5, absent_deletes=2))
    assert [count for *_, count in books(absent)][-1] > 100


def test_t6_same_seed_same_bytes_and_an_identical_file_is_left_alone(tmp_path: Path, market: SimulatedMarket) -> None:
    first = write_depth_day(tmp_path, market, ESH25, MONDAY, events=1_000)
    assert first is not None
    status, digest = first.path.stat(), hashlib.sha256(first.path.read_bytes()).digest()
    second = write_depth_day(tmp_path, market, ESH25, MONDAY, events=1_000)
    assert second == first
    assert (first.path.stat().st_mtime_ns, first.path.stat().st_ino) == (status.st_mtime_ns, status.st_ino)
    chunks = list(depth_chunks(market, ESH25, MONDAY, events=1_000))
    live = tmp_path / "live.depth"
    sizes = [size for chunk in chunks for size in append_depth(live, chunk, step_bytes=1_001)]
    assert hashlib.sha256(live.read_bytes()).digest() == digest
    assert sum((size - 64) % 24 != 0 for size in sizes) > len(sizes) / 4


def test_t6_other_layouts_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="24 bytes"):
        write_depth(tmp_path / "a.depth", [np.zeros(3, np.dtype([("dt", "<i8")]))])
    assert list(tmp_path.iterdir()) == []


def test_u1_demo_has_depth_of_both_instruments_for_three_trade_dates(
    tmp_path: Path, registry: Registry, rolls: RollTable
) -> None:
    archive = write_demo_archive(
        tmp_path, registry, rolls, trade_dates=[MONDAY], depth_dates=DEMO_DEPTH_DATES, ticks_per_full_day=500
    )
    names = [file.path.relative_to(tmp_path).as_posix() for file in archive.depth_files]
    assert names == [
        f"MarketDepthData/{contract}_FUT_CME.2025-03-{day:02}.depth"
        for contract in ("ESH25", "MNQH25")
        for day in (9, 10, 11, 12)
    ]
    assert all(file.path.stat().st_size == file.size_bytes for file in archive.depth_files)
    assert 200_000 < archive.depth_rows < 600_000
    last = events_of(archive.depth_files[3].path)[-1][0] - OFFSET_US
    assert datetime.fromtimestamp(last / 1e6, UTC) < datetime(
        2025, 3, 12, 21, tzinfo=UTC
    )  # no part of a fourth trade date


def test_t6_benchmark_files_hold_one_trade_date(tmp_path: Path, registry: Registry) -> None:
    market = SimulatedMarket(1, registry.get("MNQ"), 24_500.0)
    contract = Contract.parse("MNQZ25")
    files = depth_benchmark_files(tmp_path, market, contract, date(2025, 9, 23), events=20_000)
    assert [file.path for file in files] == [
        depth_path(tmp_path, contract, "CME", day) for day in (date(2025, 9, 22), date(2025, 9, 23))
    ]
    events = events_of(files[1].path)
    assert sum(event[1] == CLEAR for event in events) > 100
    assert len(events) == files[1].rows
