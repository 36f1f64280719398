"""The dense one-second grid of a session with the gamma snapshot that each second knew: pure, frames in, frame out.

Belongs here: putting bars, snapshots and levels of chains together. Does not belong here: the grid of bars
(``trading_platform.bars.grid``), the rules of attachment (``attach.py``), files and fingerprints (``bars_builder.py``).

The key of a row is the start of its second, so everything of the feed in a row was known when the second began. The bar itself is known
when the second has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ..bars import dense_grid
from ..instants import MICROSECONDS, us_of
from ..lake.contracts import ENRICHED_BARS
from .asof import Bools
from .attach import Attacher, null_unless, to_gather
from .chain_levels import EMPTY_LEVELS, ChainsOfDay, attach_levels
from .policy import AttachPolicy
from .upstream import SNAPSHOTS, Stored, Underlying, open_instant_us, ordered_snapshots, repair, times_us

if TYPE_CHECKING:
    from ..sessions import Session

CATEGORICALS: Final = ("contract", "tick_gap_cause")


@dataclass(frozen=True, slots=True)
class GexOfDay:
    """What gamma exposure offers to one trade date.

    Attributes:
        underlying: whose snapshots they are.
        snapshots: ``ts`` datetime[us, UTC] and the columns of ``GEX_VALUES``, one category, in any order. A column that is missing gives
            null.
        chains: of the index, None if none describe the instrument; the columns of chains are then null.
    """

    underlying: Underlying
    snapshots: pl.DataFrame
    chains: ChainsOfDay | None = None


def enrich_bars(
    bars: pl.DataFrame,
    gex: GexOfDay,
    session: Session,
    policy: AttachPolicy,
    *,
    contract: str | None = None,
    known_until: datetime | None = None,
) -> pl.DataFrame:
    """Spread bars over every second of a session and attach to each the snapshot that it knew.

    Args:
        bars: columns of ``bars_1s`` of one trade date, in order.
        gex: snapshots and levels of the underlying.
        session: whose trading hours make the grid, half-open; that of the future, or the cash session of the same date. A snapshot from
            before its opening is a pre-open snapshot.
        policy: latency and limits.
        contract: futures contract, for a day without bars.
        known_until: aware; first instant about which nothing is known yet, for a day that is still running; later rows are null.

    Returns:
        Columns of the dataset ``enriched_bars``, one row per second, none for a closed date.

    Raises:
        QualityError: E421, E425, E438 for unusable bars, E491 for unusable snapshots.
    """
    trade_date, underlying = session.trade_date, gex.underlying
    grid = dense_grid(bars, session, contract=contract, known_until=known_until)
    from_us = underlying.preopen_from_us(trade_date)
    remedy = repair([Stored(SNAPSHOTS, underlying.symbol, day) for day in underlying.days(trade_date)])
    snapshots = ordered_snapshots(gex.snapshots, remedy).filter(pl.col("ts").to_physical() >= from_us)
    attacher = Attacher.of(times_us(snapshots), open_instant_us(session), underlying.regular_us(trade_date), policy)
    attached = attacher.attach(times_us(grid))
    known = _known(grid, known_until)
    some = (attached.row >= 0) & known
    shown = to_gather(attached.row, attached.shown & known)
    values = _complete(snapshots).select(
        pl.col("ts").gather(to_gather(attached.row, some)).alias("source_snapshot_ts"),
        *(pl.col(name).gather(shown) for name in gex_values()),
    )
    chains = attach_levels(grid["ts"], known, gex.chains or ChainsOfDay(underlying, EMPTY_LEVELS), trade_date, policy)
    gap = pl.lit(pl.Series(attached.gap | ~known))
    return (
        pl.concat([grid, values, chains], how="horizontal")
        .with_columns(
            gap.alias("gex_gap"),
            pl.lit(null_unless(attached.age_ms, some)).alias("gex_age_ms"),
            pl.lit(pl.Series(attached.preopen & known)).alias("is_preopen_snapshot"),
            # A pre-open snapshot keeps its values in a gap, but its spot is of another hour than the price.
            pl.when(~gap).then(pl.col("close") - pl.col("spot")).alias("basis"),
            *(pl.col(name).cast(pl.String).cast(pl.Categorical) for name in CATEGORICALS),
        )
        .select(ENRICHED_BARS.polars_schema.names())
    )


def gex_values() -> tuple[str, ...]:
    """Return the columns of a snapshot that a row shows."""
    from ..lake.contracts.enrichment import GEX_VALUES

    return GEX_VALUES


def _complete(snapshots: pl.DataFrame) -> pl.DataFrame:
    """Add the columns that are missing, as nulls, so that the schema never depends on the day."""
    schema = ENRICHED_BARS.polars_schema
    absent = [name for name in gex_values() if name not in snapshots.columns]
    return snapshots.with_columns(
        *(pl.lit(None, schema[name]).alias(name) for name in absent),
        *(pl.col(name).cast(schema[name]) for name in gex_values() if name in snapshots.columns),
    )


def _known(grid: pl.DataFrame, known_until: datetime | None) -> Bools:
    """Return which seconds had ended by then."""
    if known_until is None:
        return np.ones(grid.height, np.bool_)
    known: Bools = times_us(grid) + MICROSECONDS <= us_of(known_until)
    return known
