"""Levels of chains: whose they are, and how long each one serves."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from trading_platform.enrichment import AttachPolicy, GexOfDay, chain_underlying_of, enrich_bars
from trading_platform.enrichment.chain_levels import ChainsOfDay
from trading_platform.instruments import Registry, load_registry
from trading_platform.lake import Outcome, build_day
from trading_platform.lake.contracts import BARS_1S, ENRICHED_BARS, GEX_LEVELS, GEX_SNAPSHOTS

from . import frames
from .conftest import MONDAY, TUESDAY
from .frames import at


def levels(*observed: str) -> pl.DataFrame:
    count = range(len(observed))
    return pl.DataFrame(
        {
            "ts": frames.times([at(one) for one in observed]),
            "chain_zero_gamma": [5_000.0 + i for i in count],
            "chain_call_wall": [5_100.0 + i for i in count],
            "chain_put_wall": pl.Series([None] * len(observed), dtype=pl.Float64),
        }
    )


@pytest.fixture
def chains_of(calendar, underlying, chain_underlying):
    """Return a function that gives the chain columns at instants of a trade date."""

    def make(known: pl.DataFrame, day: date = TUESDAY, *, latency_ms: int = 0) -> dict[str, tuple[object, ...]]:
        nothing = frames.both_days(GEX_SNAPSHOTS.empty())
        gex = GexOfDay(underlying, nothing, ChainsOfDay(chain_underlying, known))
        frame = enrich_bars(BARS_1S.empty(), gex, calendar.session(day), AttachPolicy(chain_latency_ms=latency_ms))
        ENRICHED_BARS.validate(frame)
        columns = frame.select("ts", "chain_zero_gamma", "chain_age_ms", "chain_gap", "is_end_of_day_chain").rows()
        return {row[0].isoformat()[:19]: row[1:] for row in columns}

    return make


def test_b3_a_polled_chain_serves_twice_its_cadence_and_exactly_that(chains_of) -> None:
    found = chains_of(levels("2025-03-11T14:00:00"))
    assert found["2025-03-11T13:59:59"] == (None, None, True, False)
    assert found["2025-03-11T14:00:00"] == (5_000.0, 0, False, False)
    assert found["2025-03-11T14:10:00"] == (5_000.0, 600_000, False, False)
    assert found["2025-03-11T14:10:01"] == (None, 601_000, True, False)


def test_b3_no_second_sees_a_chain_that_was_made_after_it(chains_of) -> None:
    made = datetime.fromisoformat("2025-03-11T14:30:45")
    stamp = made.replace(second=0)  # a saved table says 14:30
    found = chains_of(levels(stamp.isoformat()), latency_ms=AttachPolicy().chain_latency_ms)
    seen = [second for second, row in found.items() if row[0] is not None]
    assert all(datetime.fromisoformat(second) >= made for second in seen)
    assert (seen[0], seen[-1]) == ("2025-03-11T14:31:00", "2025-03-11T14:41:00")
    # The age counts from the stamp, the time of service from when it is known.
    assert found["2025-03-11T14:31:00"][1] == 60_000


def test_b3_until_a_chain_is_known_the_one_before_it_serves(chains_of) -> None:
    found = chains_of(levels("2025-03-11T14:00:00", "2025-03-11T14:05:00"), latency_ms=60_000)
    assert [found[f"2025-03-11T{time}"][0] for time in ("14:05:59", "14:06:00")] == [5_000.0, 5_001.0]


def test_b3_one_look_may_fail_without_a_gap_whatever_the_latency(chains_of) -> None:
    found = chains_of(levels("2025-03-11T14:00:00", "2025-03-11T14:10:00"), latency_ms=60_000)
    assert not any(gap for second, (_, _, gap, _) in found.items() if "T14:01" <= second[10:] < "T14:21")


def test_b3_latency_of_chains_is_part_of_the_fingerprint_of_bars_only(
    store, bars_builder, alignment_builder, lake
) -> None:
    store("bars_1s", frames.bars([at("2025-03-11T14:00:00")], [20_000.0]), TUESDAY)
    assert build_day(bars_builder(with_chains=True), TUESDAY, lake).error is None
    assert build_day(bars_builder(with_chains=True), TUESDAY, lake).outcome is Outcome.SKIP
    assert build_day(bars_builder(with_chains=True, chain_latency_ms=0), TUESDAY, lake).outcome is Outcome.WRITE
    assert "chain_latency_ms" not in alignment_builder().plan(TUESDAY).resolved


def test_b3_an_end_of_day_chain_serves_the_next_session_until_its_close_and_is_flagged(chains_of) -> None:
    found = chains_of(levels("2025-03-10T20:30:00"))
    assert found["2025-03-10T22:00:00"] == (5_000.0, 5_400_000, False, True)
    assert found["2025-03-11T20:00:00"][2:] == (False, True)
    assert found["2025-03-11T20:00:01"] == (None, 84_601_000, True, True)


def test_b3_a_chain_from_before_mondays_open_serves_monday_only(chains_of) -> None:
    early = levels("2025-03-10T11:00:00")
    assert chains_of(early, MONDAY)["2025-03-10T19:59:59"][2:] == (False, True)
    assert chains_of(early)["2025-03-10T22:00:00"][2:] == (True, True)


def test_b3_a_later_chain_takes_over_and_a_null_wall_stays_null(chains_of) -> None:
    found = chains_of(levels("2025-03-10T20:30:00", "2025-03-11T14:00:00", "2025-03-11T20:30:00"))
    assert [found[f"2025-03-11T{time}"][0] for time in ("13:59:59", "14:00:00", "20:30:00")] == [
        5_000.0,
        5_001.0,
        5_002.0,
    ]
    assert found["2025-03-11T20:59:59"][2:] == (False, True)


def minimal_levels() -> pl.DataFrame:
    """Return levels of one chain by two sources, with nothing in the columns that may be null."""
    schema = GEX_LEVELS.polars_schema
    plain: dict[object, object] = {pl.Categorical(): "naive", pl.String(): "[]", pl.Date(): MONDAY, pl.Boolean(): False}
    values = {doc.name: [None if doc.nullable else plain.get(schema[doc.name], 1)] * 2 for doc in GEX_LEVELS.columns}
    values["observed_at"] = frames.times([at("2025-03-10T20:30:00")] * 2).to_list()
    values |= {"source": ["cboe", "ib"], "spot": [5_050.0] * 2, "naive_zero_gamma": [5_000.0, 6_000.0]}
    return pl.DataFrame(values, strict=False).cast(dict(schema))


def test_b3_levels_of_the_index_are_among_the_inputs_once_they_are_there(store, bars_builder, lake) -> None:
    store("bars_1s", frames.bars([at("2025-03-11T14:00:00")], [20_000.0]), TUESDAY)
    builder = bars_builder(with_chains=True)
    assert "gex_levels" not in "".join(source.name for source in builder.hash_sources(builder.plan(TUESDAY)))
    store("gex_levels", minimal_levels(), MONDAY)
    assert [source.name for source in builder.hash_sources(builder.plan(TUESDAY))][-1] == "NDX/gex_levels/2025-03-10"
    result = build_day(builder, TUESDAY, lake)
    rows = lake.read("enriched_bars", "MNQ", TUESDAY)
    assert (result.error, rows["chain_zero_gamma"].drop_nulls().unique().to_list()) == (None, [5_000.0])


def test_b3_levels_of_an_index_without_assets_are_not_looked_at(store, bars_builder, lake) -> None:
    store("bars_1s", frames.bars([at("2025-03-11T14:00:00")], [20_000.0]), TUESDAY)
    store("gex_levels", minimal_levels(), MONDAY)
    assert build_day(bars_builder(), TUESDAY, lake).error is None
    rows = lake.read("enriched_bars", "MNQ", TUESDAY)
    assert (rows["chain_gap"].all(), rows["chain_zero_gamma"].null_count()) == (True, rows.height)


def test_b3_chains_are_those_of_the_active_index_of_the_future() -> None:
    packaged = load_registry()
    found = {}
    for root, index in (("ES", "SPX"), ("MES", "SPX"), ("NQ", "NDX"), ("MNQ", "NDX"), ("CL", None)):
        assert chain_underlying_of(packaged.get(root), packaged) is None
        active = Registry(packaged.instruments, tuple(packaged.get(one) for one in (root, index) if one is not None))
        chains = chain_underlying_of(active.get(root), active)
        found[root] = None if chains is None else chains.symbol
        assert found[root] == index
