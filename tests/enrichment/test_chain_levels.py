"""Levels of chains: how long each one serves."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from trading_platform.enrichment import AttachPolicy, GexOfDay, enrich_bars
from trading_platform.lake import build_day
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
def chains_of(calendar, underlying):
    """Return a function that gives the chain columns at instants of a trade date."""

    def make(known: pl.DataFrame, day: date = TUESDAY) -> dict[str, tuple[object, ...]]:
        nothing = frames.both_days(GEX_SNAPSHOTS.empty())
        frame = enrich_bars(
            BARS_1S.empty(), GexOfDay(underlying, nothing, known), calendar.session(day), AttachPolicy()
        )
        ENRICHED_BARS.validate(frame)
        columns = frame.select("ts", "chain_zero_gamma", "chain_age_ms", "chain_gap", "is_end_of_day_chain").rows()
        return {row[0].isoformat()[:19]: row[1:] for row in columns}

    return make


def test_g7_a_polled_chain_serves_half_an_hour_and_exactly_that(chains_of) -> None:
    found = chains_of(levels("2025-03-11T14:00:00"))
    assert found["2025-03-11T13:59:59"] == (None, None, True, False)
    assert found["2025-03-11T14:00:00"] == (5_000.0, 0, False, False)
    assert found["2025-03-11T14:30:00"] == (5_000.0, 1_800_000, False, False)
    assert found["2025-03-11T14:30:01"] == (None, 1_801_000, True, False)


def test_g7_an_end_of_day_chain_serves_the_next_session_until_its_close_and_is_flagged(chains_of) -> None:
    found = chains_of(levels("2025-03-10T20:30:00"))
    assert found["2025-03-10T22:00:00"] == (5_000.0, 5_400_000, False, True)
    assert found["2025-03-11T20:00:00"][2:] == (False, True)
    assert found["2025-03-11T20:00:01"] == (None, 84_601_000, True, True)


def test_g7_a_chain_from_before_mondays_open_serves_monday_only(chains_of) -> None:
    early = levels("2025-03-10T11:00:00")
    assert chains_of(early, MONDAY)["2025-03-10T19:59:59"][2:] == (False, True)
    assert chains_of(early)["2025-03-10T22:00:00"][2:] == (True, True)


def test_g7_a_later_chain_takes_over_and_a_null_wall_stays_null(chains_of) -> None:
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


def test_g7_stored_levels_are_among_the_inputs_once_they_are_there(store, bars_builder, lake) -> None:
    store("bars_1s", frames.bars([at("2025-03-11T14:00:00")], [20_000.0]), TUESDAY)
    builder = bars_builder()
    assert "gex_levels" not in "".join(source.name for source in builder.hash_sources(builder.plan(TUESDAY)))
    store("gex_levels", minimal_levels(), MONDAY)
    assert [source.name for source in builder.hash_sources(builder.plan(TUESDAY))][-1] == "NQ_NDX/gex_levels/2025-03-10"
    result = build_day(builder, TUESDAY, lake)
    rows = lake.read("enriched_bars", "MNQ", TUESDAY)
    assert (result.error, rows["chain_zero_gamma"].drop_nulls().unique().to_list()) == (None, [5_000.0])
