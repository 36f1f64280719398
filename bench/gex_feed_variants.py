"""Ways to store a day of gamma feed history as Parquet.

Belongs here: ours, its parts, and what it is compared with; ``compare`` proves that both hold the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trading_platform.lake import DayBuilder, LocalLake

Work = Callable[[], dict[str, Any]]
DAY = date(2025, 3, 10)
NOW = datetime(2025, 4, 1, tzinfo=UTC)
TICKER = "NQ_NDX"


def write_files(folder: str, cadence_s: int, strikes: int) -> Work:
    """Write the same day as plain JSON and as gzip, unless it is there."""
    from dataclasses import replace

    from trading_platform.sessions import calendar_for
    from trading_platform.simulation.gex_feed import NQ_NDX_OPTIONS, write_gex_day

    options = replace(NQ_NDX_OPTIONS, cadence_s=cadence_s, strikes=strikes)
    session = calendar_for("NYSE").session(DAY)

    def work() -> dict[str, Any]:
        files = []
        for name in ("plain", "gzip"):
            there = sorted(Path(folder, name).glob("*.json*"))
            if not there:
                there = list(
                    write_gex_day(Path(folder, name), session, TICKER, ("gex_full",), options, is_gzip=name == "gzip")
                )
            files += [str(path) for path in there]
        return {"files": files, "bytes": Path(files[0]).stat().st_size}

    return work


def together(folder: str, out: str) -> Work:
    """Prepare ``build_day`` of both datasets, one after the other."""
    return _built(folder, out, ("snapshots", "strikes"))


def snapshots_alone(folder: str, out: str) -> Work:
    """Prepare ``build_day`` of ``gex_snapshots``."""
    return _built(folder, out, ("snapshots",))


def strikes_alone(folder: str, out: str) -> Work:
    """Prepare ``build_day`` of ``gex_strikes``."""
    return _built(folder, out, ("strikes",))


def _built(folder: str, out: str, datasets: tuple[str, ...]) -> Work:
    from trading_platform.clock import FixedClock
    from trading_platform.gexfeed import FeedArchive, GexSnapshotsBuilder, GexStrikesBuilder
    from trading_platform.instruments import load_registry
    from trading_platform.lake import LocalLake, build_day
    from trading_platform.sessions import calendar_for

    lake: LocalLake = LocalLake(Path(out) / "lake")
    instrument = load_registry().get(TICKER)
    arguments = (instrument, lake, FeedArchive(Path(folder)), calendar_for(instrument.calendar), FixedClock(NOW))
    known: dict[str, DayBuilder] = {
        "snapshots": GexSnapshotsBuilder(*arguments),
        "strikes": GexStrikesBuilder(*arguments),
    }
    chosen = [known[name] for name in datasets]
    for builder in chosen:
        builder.contract.validate(builder.contract.empty())  # imports pandera

    def work() -> dict[str, Any]:
        results = [build_day(builder, DAY, lake) for builder in chosen]
        bad = [str(result.error) for result in results if result.outcome != "WRITE"]
        if bad:
            raise RuntimeError(bad[0])
        return {"rows": sum(one.rows for one in results), "bytes": sum(one.size_bytes for one in results)}

    return work


def parse(file: str) -> Work:
    """Prepare the strict parse to columns, nothing stored."""
    from trading_platform.gexfeed.decode import read_batches
    from trading_platform.gexfeed.reading import read_blocks

    return lambda: {"rows": sum(len(batch.columns.ladder) for batch in read_batches(read_blocks(Path(file))))}


def naive(file: str, out: str) -> Work:
    """Prepare what a script does: load the whole array, make rows, hand them to pandas."""
    import json

    import pandas as pd

    priors = ("prior_1", "prior_5", "prior_10", "prior_15", "prior_30")

    def work() -> dict[str, Any]:
        with Path(file).open(encoding="utf-8") as text:
            snapshots = json.load(text)
        strikes = [
            (one["timestamp"], strike, volume, interest, *earlier)
            for one in snapshots
            for strike, volume, interest, earlier in one["strikes"]
        ]
        frame = pd.DataFrame(strikes, columns=["ts", "strike", "gex_vol", "gex_oi", *priors])
        frame["ts"] = pd.to_datetime(frame["ts"], unit="s", utc=True)
        frame.to_parquet(Path(out) / "strikes.parquet", compression="zstd")
        table = pd.DataFrame(
            {key: value for key, value in one.items() if key not in {"strikes", "max_priors"}} for one in snapshots
        )
        table["ts"] = pd.to_datetime(table.pop("timestamp"), unit="s", utc=True)
        table.to_parquet(Path(out) / "snapshots.parquet", compression="zstd")
        return {"rows": len(frame) + len(table)}

    return work


def compare(out: str) -> Callable[[], None]:
    """Prepare the comparison of the stored rows with those of pandas.

    Raises:
        AssertionError: a number differs.
    """
    import polars as pl
    from polars.testing import assert_frame_equal

    from trading_platform.lake import LocalLake

    def work() -> None:
        lake = LocalLake(Path(out) / "lake")
        for dataset in ("snapshots", "strikes"):
            theirs = pl.read_parquet(Path(out) / f"{dataset}.parquet")
            names = {"major_pos_vol": "major_pos_vol_strike", "major_neg_oi": "major_neg_oi_strike"}
            theirs = theirs.rename({old: new for old, new in names.items() if old in theirs.columns})
            ours = lake.read(f"gex_{dataset}", TICKER, DAY)
            shared = [name for name in theirs.columns if name in ours.columns]
            assert len(shared) >= 9
            zoned = pl.col("ts").cast(pl.Datetime("us", "UTC"))
            expected = theirs.select(shared).with_columns(zoned)
            assert_frame_equal(ours.select(shared), expected, check_exact=True, check_dtypes=False)

    return work
