"""From written ``.depth`` files over stored events to measures and books: the whole way, against the oracle."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from trading_platform.clock import FixedClock
from trading_platform.depth import DepthMetricsBuilder, book_at, replay
from trading_platform.instruments import Contract, load_registry, load_roll_table
from trading_platform.lake import LocalLake, Outcome, build_day
from trading_platform.sessions import calendar_for
from trading_platform.sierra.depth import DepthArchive, DepthEventsBuilder
from trading_platform.simulation import DepthOptions, SimulatedMarket, write_depth_day

from .model import model_day

SUNDAY, MONDAY = date(2025, 3, 16), date(2025, 3, 17)
HARD = DepthOptions(levels=12, first_snapshot=False, lone_clear=True, crossed_pre_open=True, absent_deletes=7)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    """Return a lake with events and measures of a Monday whose book is crossed on Sunday before the opening."""
    folder, registry = tmp_path_factory.mktemp("simulated"), load_registry()
    instrument, clock = registry.get("MNQ"), FixedClock(datetime(2025, 4, 1, tzinfo=UTC))
    calendar, rolls = calendar_for(instrument.calendar), load_roll_table(registry, None)
    market, contract = SimulatedMarket(3, instrument, 20_000.0), rolls.front("MNQ", MONDAY)
    for day in (SUNDAY, MONDAY):
        write_depth_day(folder, market, contract, day, events=12_000, options=HARD, trade_dates=[MONDAY])
    found = LocalLake(folder / "lake")
    events = DepthEventsBuilder(instrument, found, DepthArchive(folder, registry), rolls, calendar, clock)
    for builder in (events, DepthMetricsBuilder(instrument, found, calendar, clock)):
        result = build_day(builder, MONDAY, found)
        assert (result.outcome, result.error, result.synthetic) == (Outcome.WRITE, None, True)
    return found


def test_t6_stored_measures_of_written_files_equal_the_dictionary_model(lake: LocalLake) -> None:
    model = model_day(lake.read("depth_events", "MNQ", MONDAY))
    stored = lake.read("depth_metrics", "MNQ", MONDAY)
    assert stored["ts"].dt.epoch("s").to_list() == [row["second"] for row in model.rows]
    for name in ("updates", "snapshot_rows", "batches", "age_ms"):
        assert stored[name].to_list() == [row[name] for row in model.rows], name
    # most seconds of this thin market repeat the one before
    some, expected = stored.gather_every(5), model.rows[::5]
    names = {"bid_depth": "bid_depth_10_ticks", "ask_depth": "ask_depth_10_ticks"}
    for name in (
        "bid",
        "ask",
        "spread",
        "mid",
        "bid_quantity",
        "ask_quantity",
        "bid_depth",
        "ask_depth",
        "imbalance_10",
    ):
        wanted = [None if row[name] is None else float(row[name]) for row in expected]
        assert some[names.get(name, name)].cast(float).to_list() == wanted, name
    facts = lake.footer("depth_metrics", "MNQ", MONDAY).facts
    assert facts["deletes_of_absent"] == model.deletes_of_absent > 0
    assert facts["segments"] == 2
    assert facts["crossed_seconds_outside"] > 0
    # without a snapshot at the opening the crossed book lasts into trading, until events or the next snapshot replace it
    assert 0 < facts["crossed_seconds_in_session"] < 700
    assert facts["seconds_unknown"] > 0


def test_t6_books_of_written_files_at_any_moment_equal_the_whole_replay(lake: LocalLake) -> None:
    calendar = calendar_for("CME_EQUITY")
    states = [
        (state.ts, state.book and state.book.copy()) for state in replay(lake.read("depth_events", "MNQ", MONDAY))
    ]
    assert {state is None for _, state in states} == {True, False}
    # several batches may end in one microsecond: the last of them holds
    last = dict(states)
    for ts in list(last)[:: max(1, len(last) // 40)]:
        found, wanted = book_at(lake, "MNQ", ts, calendar), last[ts]
        if wanted is None:
            assert found.book is None
        else:
            assert (found.book.bids, found.book.asks) == (wanted.bids, wanted.asks), ts
            assert found.last_batch_at == ts


def test_t6_a_lone_clear_at_the_close_leaves_an_empty_known_book(lake: LocalLake) -> None:
    last = lake.read("depth_metrics", "MNQ", MONDAY).row(-1, named=True)
    assert (last["bid"], last["ask"], last["bid_depth_10_ticks"], last["spread"]) == (None, None, None, None)
    assert last["age_ms"] is not None
    found = book_at(lake, "MNQ", datetime(2025, 3, 17, 21, 30, tzinfo=UTC), calendar_for("CME_EQUITY"))
    assert (found.book.bids, found.book.asks, found.contract) == ({}, {}, str(Contract.parse("MNQM25")))
    assert Path(lake.root).is_dir()
