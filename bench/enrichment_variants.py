"""Ways to attach gamma snapshots to ticks and bars.

Belongs here: the synthetic inputs, ours and what it is compared with. In memory all variants attach eight columns to the same arrays;
``compare`` proves that the sums agree. Everything large is imported inside the functions.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from trading_platform.enrichment import EnrichedInstrument
    from trading_platform.enrichment.attach import Attacher
    from trading_platform.enrichment.enriched_ticks import SnapshotValues
    from trading_platform.lake import LocalLake
    from trading_platform.lake.contract import DatasetContract

Work = Callable[[], dict[str, Any]]
DAY, DAY_BEFORE = date(2025, 11, 11), date(2025, 11, 10)
NOW = datetime(2025, 12, 1, tzinfo=UTC)
SNAPSHOTS = 23_400
SECOND_US = 1_000_000


def make_lake(folder: str, ticks: int) -> Work:
    """Prepare ticks, 1-second bars and snapshots of one trade date, unless they are there."""

    def work() -> dict[str, Any]:
        import numpy as np

        lake, of = _opened(folder)
        session = of.calendar.session(DAY)
        path = lake.path("ticks", "MNQ", DAY)
        if not path.is_file():
            shutil.rmtree(Path(folder), ignore_errors=True)
            rng = np.random.default_rng(11)
            opens, closes = _us(session.opens_at), _us(session.closes_at)
            ts = np.sort(rng.integers(opens, closes, ticks))
            price = 25_000 + 0.25 * rng.integers(-1, 2, ticks).cumsum()
            _store_ticks(lake, ts, price)
            _store_snapshots(lake, of, rng)
            _build_bars(lake)
        return {"ticks": str(path), "bars": str(lake.path("bars_1s", "MNQ", DAY))}

    return work


def attach_only(folder: str) -> Work:
    """Prepare ours: snapshot row, age, gap and pre-open flag, in memory, row group by row group as the product does."""
    ts, attacher, _, _ = _ours(folder)

    def work() -> dict[str, Any]:
        attached = [attacher.attach(part) for part in _groups(ts)]
        return {"rows": sum(len(one.row) for one in attached)}

    return work


def attach_and_gather(folder: str) -> Work:
    """Prepare ours with eight columns as well, null where a snapshot is too old.

    As in the product each row group is made whole and handed on; no more than one is held.
    """
    import numpy as np

    from trading_platform.enrichment.attach import RunsOfRows

    ts, attacher, columns, spot = _ours(folder)

    def work() -> dict[str, Any]:
        counts, age, made = np.zeros(columns.nothing, np.int64), 0, 0
        for part in _groups(ts):
            attached = attacher.attach(part)
            gathered = columns.gather(np.where(attached.shown, attached.row, np.int32(columns.nothing)))
            made += sum(len(column) for column in gathered)
            # Others know no limit of age, so the sum is that of the attached snapshots, also where a gap hides the value.
            runs = RunsOfRows.of(attached.row)
            some = runs.rows >= 0
            np.add.at(counts, runs.rows[some], runs.lengths[some])
            first = int(np.argmax(attached.row >= 0)) if attached.row[-1] >= 0 else len(part)
            age += int(attached.age_ms[first:].sum())
        if made != 8 * len(ts):
            raise ValueError("Expected eight columns for every tick")
        return {"spot": float(spot @ counts), "age": age}

    return work


def polars_join(folder: str) -> Work:
    """Prepare ``join_asof`` of polars over frames that are known to be sorted."""
    left, right = _frames(folder)

    def work() -> dict[str, Any]:
        import polars as pl

        found = left.join_asof(right, on="ts", strategy="backward")
        age = found.select(((pl.col("ts") - pl.col("taken")) // 1_000).sum()).item()
        return {"spot": float(found["spot"].sum()), "age": int(age)}

    return work


def pandas_merge(folder: str) -> Work:
    """Prepare ``merge_asof`` of pandas."""
    left, right = (frame.to_pandas() for frame in _frames(folder))

    def work() -> dict[str, Any]:
        import pandas as pd

        found = pd.merge_asof(left, right, on="ts", direction="backward")
        age = (found["ts"] - found["taken"]) // 1_000
        return {"spot": float(found["spot"].sum()), "age": int(age.sum())}

    return work


def duckdb_asof(folder: str) -> Work:
    """Prepare ``ASOF LEFT JOIN`` of DuckDB into a table."""
    import duckdb

    left, right = _frames(folder)
    connection = duckdb.connect()
    connection.register("left_rows", left.to_arrow())
    connection.register("right_rows", right.to_arrow())

    def work() -> dict[str, Any]:
        connection.execute(
            "create or replace table found as select l.ts, r.* exclude (ts), (l.ts - r.taken) // 1000 as age "
            "from left_rows l asof left join right_rows r on l.ts >= r.ts"
        )
        spot, age = connection.execute("select sum(spot), sum(age) from found").fetchall()[0]
        return {"spot": float(spot), "age": int(age)}

    return work


def ours_stored(folder: str) -> Work:
    """Prepare ``build_day`` of ``gex_alignment``: checks, contract, hash and commit included."""
    lake, of = _opened(folder)
    from trading_platform.enrichment import GexAlignmentBuilder
    from trading_platform.lake.contracts import GEX_ALIGNMENT

    builder = GexAlignmentBuilder(of.instrument, lake, of.calendar, of.clock, of.underlying, of.policy)
    return _build(builder, lake, GEX_ALIGNMENT)


def ours_ticks(folder: str, out: str) -> Work:
    """Prepare the file of enriched ticks with eight columns, looked up through the stored alignment."""
    lake, of = _opened(folder)
    from trading_platform.enrichment import write_enriched_ticks

    columns = ["ts", "price", "volume", "side"]

    def work() -> dict[str, Any]:
        rows = write_enriched_ticks(lake, of.instrument, of.underlying, DAY, Path(out), columns=columns)
        return {"rows": rows, "path": out}

    return work


def polars_lazy(folder: str, out: str) -> Work:
    """Prepare a lazy ``join_asof`` of polars, Parquet to Parquet, with the columns of ``ours_ticks``."""
    import polars as pl

    from trading_platform.enrichment.enriched_ticks import TICK_VALUES

    ticks, snapshots = _paths(folder)

    def work() -> dict[str, Any]:
        right = pl.concat([pl.scan_parquet(path) for path in snapshots]).filter(
            pl.col("category").cast(pl.String) == "gex_full"
        )
        right = right.select("ts", pl.col("ts").alias("source_snapshot_ts"), *TICK_VALUES)
        left = pl.scan_parquet(ticks).select("ts", "price", "volume", "side")
        left.join_asof(right, on="ts", strategy="backward").with_columns(
            ((pl.col("ts") - pl.col("source_snapshot_ts")).dt.total_milliseconds()).alias("gex_age_ms")
        ).sink_parquet(out, compression="zstd", compression_level=3)
        return {"path": out}

    return work


def duckdb_copy(folder: str, out: str) -> Work:
    """Prepare ``ASOF LEFT JOIN`` of DuckDB, Parquet to Parquet, with the columns of ``ours_ticks``."""
    import duckdb

    from trading_platform.enrichment.enriched_ticks import TICK_VALUES

    ticks, snapshots = _paths(folder)
    values = ", ".join(f"r.{name}" for name in TICK_VALUES)
    query = (
        f"copy (select l.ts, l.price, l.volume, l.side, r.ts as source_snapshot_ts, "
        f"date_diff('millisecond', r.ts, l.ts) as gex_age_ms, {values} from read_parquet('{ticks}') l "
        f"asof left join (from read_parquet({snapshots}) where category = 'gex_full') r on l.ts >= r.ts) "
        f"to '{out}' (format parquet, compression zstd, compression_level 3)"
    )

    def work() -> dict[str, Any]:
        duckdb.connect().execute(query)
        return {"path": out}

    return work


def ours_bars(folder: str) -> Work:
    """Prepare ``build_day`` of ``enriched_bars``."""
    lake, of = _opened(folder)
    from trading_platform.enrichment import EnrichedBarsBuilder
    from trading_platform.lake.contracts import ENRICHED_BARS

    builder = EnrichedBarsBuilder(of.instrument, lake, of.calendar, of.clock, of.underlying, of.policy)
    return _build(builder, lake, ENRICHED_BARS)


def pandas_bars(folder: str, out: str) -> Work:
    """Prepare what a user would write: ``reindex`` to every second, ``merge_asof``, limits, Parquet."""
    import numpy as np
    import pandas as pd

    from trading_platform.lake.contracts.enrichment import GEX_VALUES

    lake, of = _opened(folder)
    session = of.calendar.session(DAY)
    first_us, end_us = _us(session.opens_at), _us(session.closes_at)
    seconds = pd.to_datetime(np.arange(first_us, end_us, SECOND_US), unit="us", utc=True).as_unit("us")
    bars_path = str(lake.path("bars_1s", "MNQ", DAY))
    paths = [str(lake.path("gex_snapshots", "NQ_NDX", day)) for day in (DAY_BEFORE, DAY)]

    def work() -> dict[str, Any]:
        bars = pd.read_parquet(bars_path).set_index("ts_open").reindex(seconds)
        bars["tick_gap"] = bars["close"].isna()
        bars["close"] = bars["close"].ffill()
        for name in ("open", "high", "low"):
            bars[name] = bars[name].fillna(bars["close"])
        snapshots = pd.concat(pd.read_parquet(path) for path in paths)
        snapshots = snapshots[snapshots["category"] == "gex_full"].sort_values("ts")
        snapshots["source_snapshot_ts"] = snapshots["ts"]
        rows = bars.rename_axis("ts").reset_index()
        found = pd.merge_asof(rows, snapshots[["ts", "source_snapshot_ts", *GEX_VALUES]], on="ts")
        age = found["ts"] - found["source_snapshot_ts"]
        found["gex_gap"] = ~(age <= pd.Timedelta(seconds=60))
        found["is_preopen_snapshot"] = found["source_snapshot_ts"] < session.opens_at
        found.loc[found["gex_gap"] & ~found["is_preopen_snapshot"], list(GEX_VALUES)] = None
        found["gex_age_ms"] = age.dt.total_seconds() * 1_000
        found["basis"] = found["close"] - found["spot"]
        found.to_parquet(out, compression="zstd")
        return {"rows": len(found)}

    return work


def compare(sums: dict[str, dict[str, float]], written: list[str]) -> Work:
    """Refuse different sums in memory and different files."""
    import polars as pl

    def work() -> dict[str, Any]:
        first = next(iter(sums.values()))
        for name, found in sums.items():
            if found["age"] != first["age"] or abs(found["spot"] / first["spot"] - 1) > 1e-9:
                raise ValueError(f"Expected equal sums, {name} has {found}, others {first}")
        # Not the values: where a snapshot is too old ours are null, and the joins of others know no limit.
        seconds = pl.col("source_snapshot_ts").to_physical() // SECOND_US - 1_700_000_000
        totals = [
            pl.scan_parquet(path).select(seconds.sum(), pl.col("gex_age_ms").sum(), pl.len()).collect().row(0)
            for path in written
        ]
        if len(set(totals)) != 1:
            raise ValueError(f"Expected equal sums of sources and ages, was {totals}")
        return {}

    return work


def _build(builder: Any, lake: LocalLake, contract: DatasetContract) -> Work:
    from trading_platform.lake import build_day

    contract.validate(contract.empty())  # imports pandera

    def work() -> dict[str, Any]:
        result = build_day(builder, DAY, lake, force=True)
        if result.outcome != "WRITE":
            raise RuntimeError(str(result.error))
        return {"rows": result.rows, "bytes": result.size_bytes, "path": str(result.path)}

    return work


def _opened(folder: str) -> tuple[LocalLake, EnrichedInstrument]:
    from trading_platform.clock import FixedClock
    from trading_platform.enrichment import AttachPolicy, EnrichedInstrument, underlying_of
    from trading_platform.instruments import load_registry
    from trading_platform.lake import LocalLake
    from trading_platform.sessions import calendar_for

    registry, lake = load_registry(), LocalLake(Path(folder) / "lake")
    instrument = registry.get("MNQ")
    underlying = underlying_of(instrument, registry)
    calendar = calendar_for(instrument.calendar)
    return lake, EnrichedInstrument(instrument, lake, calendar, underlying, FixedClock(NOW), AttachPolicy())


def _paths(folder: str) -> tuple[str, list[str]]:
    """Return the file of ticks and those of snapshots, the earlier day first."""
    lake, _ = _opened(folder)
    days = (DAY_BEFORE, DAY)
    return str(lake.path("ticks", "MNQ", DAY)), [str(lake.path("gex_snapshots", "NQ_NDX", day)) for day in days]


def _ours(
    folder: str,
) -> tuple[np.ndarray[Any, Any], Attacher, SnapshotValues, np.ndarray[Any, Any]]:
    """Return times of ticks, the attacher of the day, the columns of its snapshots, and the spot of each snapshot."""
    import polars as pl

    from trading_platform.enrichment.attach import Attacher
    from trading_platform.enrichment.enriched_ticks import TICK_VALUES, SnapshotValues

    _, of = _opened(folder)
    left, right = _frames(folder)
    snapshots = right.select(pl.col("ts").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), *TICK_VALUES)
    opens_us, regular_us = _us(of.calendar.session(DAY).opens_at), of.underlying.regular_us(DAY)
    attacher = Attacher.of(right["ts"].to_numpy(), opens_us, regular_us, of.policy)
    return left["ts"].to_numpy(), attacher, SnapshotValues(snapshots), right["spot"].to_numpy()


def _groups(ts: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Yield times in the portions in which the product reads them."""
    from trading_platform.lake.stream import ROW_GROUP_ROWS

    for first in range(0, len(ts), ROW_GROUP_ROWS):
        yield ts[first : first + ROW_GROUP_ROWS]


def _frames(folder: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return ticks and snapshots as frames with times as whole numbers, sorted and marked so."""
    import polars as pl

    from trading_platform.enrichment.enriched_ticks import TICK_VALUES

    ticks, snapshots = _paths(folder)
    left = pl.read_parquet(ticks, columns=["ts", "price", "volume", "side"])
    right = pl.read_parquet(snapshots[-1]).filter(pl.col("category").cast(pl.String) == "gex_full")
    times = pl.col("ts").to_physical()
    left = left.with_columns(times).set_sorted("ts")
    return left, right.select(times, times.alias("taken"), *TICK_VALUES).set_sorted("ts")


def _store_ticks(lake: LocalLake, ts: np.ndarray[Any, Any], price: np.ndarray[Any, Any]) -> None:
    import numpy as np
    import polars as pl

    from trading_platform.lake.contracts import TICKS

    rows = len(ts)
    frame = pl.DataFrame(
        {
            "ts": pl.Series(ts).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "seq": np.arange(rows, dtype=np.uint32),
            "price": price,
            "bid": price - 0.25,
            "ask": price,
            "volume": np.ones(rows, np.int32),
            "side": np.where(np.arange(rows) % 3 == 0, -1, 1).astype(np.int8),
            "bundle": np.zeros(rows, np.uint8),
            "flags": np.zeros(rows, np.uint8),
        }
    ).with_columns(pl.lit("MNQZ25").alias("contract"))
    _commit(lake, TICKS, "MNQ", DAY, frame, {"volume_sum": rows})


def _store_snapshots(lake: LocalLake, of: EnrichedInstrument, rng: np.random.Generator) -> None:
    import numpy as np
    import polars as pl

    from trading_platform.lake.contracts import GEX_SNAPSHOTS
    from trading_platform.lake.contracts.gex_feed import CATEGORIES

    for day in (DAY_BEFORE, DAY):
        seconds = _us(of.underlying.calendar.session(day).opens_at) + SECOND_US * np.arange(SNAPSHOTS)
        frames = []
        for category in CATEGORIES:
            values: dict[str, Any] = {
                "ts": pl.Series(seconds).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
                "category": [category] * SNAPSHOTS,
                "vendor_ticker": ["NQ_NDX"] * SNAPSHOTS,
            }
            for name, kind in GEX_SNAPSHOTS.polars_schema.items():
                if name not in values:
                    sign = -1 if name.startswith("neg_can") and name.endswith("_value") else 1
                    values[name] = (sign * rng.uniform(1, 100, SNAPSHOTS)).astype(
                        np.int32 if kind == pl.Int32 else "f8"
                    )
            values["spot"] = 24_950 + rng.normal(0, 1, SNAPSHOTS).cumsum()
            frames.append(pl.DataFrame(values).select(GEX_SNAPSHOTS.polars_schema.names()))
        _commit(lake, GEX_SNAPSHOTS, "NQ_NDX", day, pl.concat(frames), {})


def _build_bars(lake: LocalLake) -> None:
    from trading_platform.bars import BarsBuilder
    from trading_platform.clock import FixedClock
    from trading_platform.instruments import load_registry
    from trading_platform.lake import build_day
    from trading_platform.sessions import calendar_for

    instrument = load_registry().get("MNQ")
    builder = BarsBuilder(instrument, lake, calendar_for(instrument.calendar), "1s", FixedClock(NOW))
    result = build_day(builder, DAY, lake)
    if result.outcome != "WRITE":
        raise RuntimeError(str(result.error))


def _commit(
    lake: LocalLake, contract: DatasetContract, symbol: str, day: date, frame: pl.DataFrame, facts: dict[str, int]
) -> None:
    from trading_platform.lake import FooterFields, Outcome

    fields = FooterFields("f" * 64, "1", Outcome.WRITE, {}, facts=facts, synthetic=True)
    with lake.begin(contract, symbol, day) as writer:
        writer.append(frame.select(contract.arrow_schema.names).to_arrow().cast(contract.arrow_schema))
        writer.commit(fields)


def _us(instant: datetime | None) -> int:
    from trading_platform.instants import us_of

    if instant is None:
        raise ValueError("Expected an open session")
    return us_of(instant)
