"""Days of ``chain``: the union of sources by time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trading_platform.chains import ChainBuilder, stored
from trading_platform.errors import SourceError
from trading_platform.lake import FooterFields, LocalLake, Outcome, build_day
from trading_platform.lake.contracts import CHAIN_CBOE, CONTRACTS
from trading_platform.simulation import write_demo_chains

from .conftest import MakeBuilder

FRIDAY = date(2025, 8, 29)
LABOR_DAY = date(2025, 9, 1)
MakeUnion = Callable[..., ChainBuilder]


def test_g2_chain_holds_the_rows_of_its_source_with_the_source_named(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder, make_union: MakeUnion
) -> None:
    write_demo_chains(folder, [FRIDAY])
    upstream = build_day(make_builder(), FRIDAY, lake)
    result = build_day(make_union(), FRIDAY, lake)
    assert (result.outcome, result.error, result.synthetic, result.rows) == (Outcome.WRITE, None, True, upstream.rows)
    stored = lake.read("chain", "SPX", FRIDAY)
    assert stored["source"].cast(pl.String).unique().to_list() == ["cboe"]
    assert stored.drop("source").equals(lake.read("chain_cboe", "SPX", FRIDAY))
    assert [check.name for check in result.checks] == list(ChainBuilder.CHECKS)
    assert all(check.passed for check in result.checks)
    assert make_union().measure(FRIDAY) == result.facts
    assert build_day(make_union(), FRIDAY, lake).outcome is Outcome.SKIP
    assert result.plan is not None
    assert lake.footer("chain", "SPX", FRIDAY).sources[0].name == "SPX/chain_cboe"


def test_g2_snapshots_of_two_sources_are_merged_by_time(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder, make_union: MakeUnion, monkeypatch
) -> None:
    other = replace(CHAIN_CBOE, name="chain_other", rejects=None, folder="chain_other")
    monkeypatch.setattr("trading_platform.lake.local.CONTRACTS", {**CONTRACTS, "chain_other": other})
    write_demo_chains(folder, [FRIDAY])
    build_day(make_builder(), FRIDAY, lake)
    mine = pl.read_parquet(lake.path("chain_cboe", "SPX", FRIDAY), hive_partitioning=False)
    first, second, _ = mine["observed_at"].unique().sort()
    part = pl.concat([mine.filter(pl.col("observed_at") == first), mine.filter(pl.col("observed_at") == second)])
    fields = FooterFields("f", "1", Outcome.WRITE, {})
    with lake.begin(other, "SPX", FRIDAY) as writer:
        writer.append(part.to_arrow())
        writer.commit(fields)
    builder = make_union(sources={"other": other, "cboe": CHAIN_CBOE})
    result = build_day(builder, FRIDAY, lake)
    assert (result.error, result.rows) == (None, mine.height + part.height)
    stored = lake.read("chain", "SPX", FRIDAY).with_columns(pl.col("source").cast(pl.String))
    order = stored.select("observed_at", "source").unique(maintain_order=True)
    assert order["source"].to_list() == ["cboe", "other", "cboe", "other", "cboe"]
    assert order["observed_at"].is_sorted()
    assert builder.measure(FRIDAY) == result.facts


def test_g2_a_snapshot_across_row_groups_comes_as_one(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder, monkeypatch
) -> None:
    write_demo_chains(folder, [FRIDAY])
    build_day(make_builder(), FRIDAY, lake)
    whole = list(stored.stored_snapshots(lake, "chain_cboe", "SPX", FRIDAY))

    def in_small_groups(lake: LocalLake, dataset: str, symbol: str, day: date, columns: object) -> list[pa.Table]:
        table = pq.ParquetFile(lake.path(dataset, symbol, day)).read(columns=columns)
        return [table.slice(at, 700) for at in range(0, table.num_rows, 700)]

    monkeypatch.setattr(stored, "portions", in_small_groups)
    split = list(stored.stored_snapshots(lake, "chain_cboe", "SPX", FRIDAY))
    assert len(split) == len(whole) == 3
    assert all(one.equals(other) for one, other in zip(split, whole, strict=True))


def test_g2_a_day_that_no_source_has_is_missing_e252(lake: LocalLake, make_union: MakeUnion) -> None:
    result = build_day(make_union(), FRIDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.MISSING, "E252")
    assert result.error.next_command == "tp backfill SPX/chain_cboe --from 2025-08-29 --to 2025-08-29"


def test_g2_a_day_before_its_opening_is_asked_again_later_e488(lake: LocalLake, make_union: MakeUnion) -> None:
    result = build_day(make_union(now=datetime(2025, 8, 29, 13, 29, tzinfo=UTC)), FRIDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.PENDING, "E488")
    assert result.error.next_command == "tp backfill SPX/chain --from 2025-08-29 --to 2025-08-29"
    opened = build_day(make_union(now=datetime(2025, 8, 29, 13, 30, tzinfo=UTC)), FRIDAY, lake)
    assert (opened.outcome, opened.error.code) == (Outcome.MISSING, "E252")


def test_g2_a_holiday_is_closed(lake: LocalLake, make_union: MakeUnion) -> None:
    assert build_day(make_union(), LABOR_DAY, lake).outcome is Outcome.CLOSED


def test_g2_a_source_rebuilt_between_plan_and_build_is_noticed_e253(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder, make_union: MakeUnion
) -> None:
    write_demo_chains(folder, [FRIDAY])
    build_day(make_builder(), FRIDAY, lake)
    builder = make_union()
    plan = builder.plan(FRIDAY)
    write_demo_chains(folder, [FRIDAY], seed=8)
    assert build_day(make_builder(), FRIDAY, lake).outcome is Outcome.WRITE
    with lake.begin(builder.contract, "SPX", FRIDAY) as writer, pytest.raises(SourceError) as caught:
        builder.build(plan, writer)
    assert caught.value.code == "E253"


def test_g2_a_day_is_partial_as_long_as_files_may_come(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder, make_union: MakeUnion
) -> None:
    write_demo_chains(folder, [FRIDAY])
    evening = datetime(2025, 8, 29, 23, tzinfo=UTC)
    assert not build_day(make_builder(now=evening), FRIDAY, lake).complete
    assert not build_day(make_union(now=evening), FRIDAY, lake).complete
    assert build_day(make_union(), FRIDAY, lake).complete
