"""Levels of an option chain beside the feed: how long a chain serves, and which one a row shows.

Belongs here: the rule of service and the attachment of ``gex_levels`` to the rows of a grid. Does not belong here: how levels are
calculated (``trading_platform.gex``), the feed (``attach.py``).

Rule: a chain observed in regular hours of the underlying was polled and serves as long as the policy says (twice its cadence). A
chain observed outside them is an end-of-day chain: open interest and quotes do not move any more, so it serves until the close of the
underlying's next session and is flagged. Which of both a chain is follows from its own time alone, so later chains change no earlier row.
A row shows a chain from its stamp plus the latency of chains on: the stamp of a saved table has whole minutes, so it is not when the table
was made. A polled one serves from then on as long as the policy says, because the next one is known as late as this one was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from .asof import MILLISECOND_US, Bools, Ints, ages_us, backward_rows, within
from .attach import null_unless, to_gather
from .policy import AttachPolicy
from .upstream import LEVELS, Stored, Underlying, ordered_snapshots, repair, times_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..lake import Lake

# Column of ``enriched_bars`` -> column of ``gex_levels``.
CHAIN_VALUES: Final = {
    "chain_zero_gamma": "naive_zero_gamma",
    "chain_call_wall": "naive_call_wall",
    "chain_put_wall": "naive_put_wall",
}
CHAIN_COLUMNS: Final = ("chain_source_ts", "chain_age_ms", "chain_gap", "is_end_of_day_chain", *CHAIN_VALUES)
_TIMESTAMP: Final = pl.Datetime("us", "UTC")
EMPTY_LEVELS: Final = pl.DataFrame(schema={"ts": _TIMESTAMP, **dict.fromkeys(CHAIN_VALUES, pl.Float64())})


@dataclass(frozen=True, slots=True)
class ChainsOfDay:
    """What the option chains of an index offer to one trade date.

    Attributes:
        underlying: the index and its calendar.
        levels: as ``read_levels`` returned them, in points of the index.
    """

    underlying: Underlying
    levels: pl.DataFrame


def read_levels(lake: Lake, stored: Sequence[Stored]) -> pl.DataFrame:
    """Read the levels that a trade date may show; days that are not there are left out.

    Returns:
        ``ts`` (when the chain was observed) and the columns of ``CHAIN_VALUES``, by time. Of chains of several sources with one time the
        first source by name is taken.
    """
    frames = [EMPTY_LEVELS]
    for one in stored:
        if one.is_there and one.rows:
            frame = lake.read(LEVELS, one.symbol, one.trade_date, columns=["observed_at", *CHAIN_VALUES.values()])
            frame = frame.unique("observed_at", keep="first", maintain_order=True)
            renamed = (pl.col(source).cast(pl.Float64).alias(name) for name, source in CHAIN_VALUES.items())
            frames.append(frame.select(pl.col("observed_at").cast(_TIMESTAMP).alias("ts"), *renamed))
    return ordered_snapshots(pl.concat(frames), repair(stored))


def attach_levels(
    ts: pl.Series, known: Bools, chains: ChainsOfDay, trade_date: date, policy: AttachPolicy
) -> pl.DataFrame:
    """Return ``CHAIN_COLUMNS`` for the rows of a grid.

    Args:
        ts: datetime[us, UTC], ascending.
        known: False for rows about which nothing is known yet; they show nothing.
        chains: the levels, and the index whose regular hours decide.
        trade_date: of the grid.
        policy: from when on a chain is known, and how long a polled one serves.
    """
    rows_us: Ints = ts.to_physical().to_numpy()
    observed_us = times_us(chains.levels)
    row = backward_rows(rows_us, observed_us + policy.chain_latency_ms * MILLISECOND_US)
    end_of_day, until_us = _service(observed_us, chains.underlying, trade_date, policy)
    some = (row >= 0) & known
    fresh, flagged = np.zeros(len(row), np.bool_), np.zeros(len(row), np.bool_)
    if len(observed_us):
        at = np.maximum(row, 0)
        fresh = some & (rows_us <= until_us[at])
        flagged = some & end_of_day[at]
    shown = to_gather(row, fresh)
    return chains.levels.select(
        pl.col("ts").gather(to_gather(row, some)).alias("chain_source_ts"),
        pl.lit(null_unless(ages_us(rows_us, observed_us, row) // MILLISECOND_US, some)).alias("chain_age_ms"),
        pl.lit(pl.Series(~fresh)).alias("chain_gap"),
        pl.lit(pl.Series(flagged)).alias("is_end_of_day_chain"),
        *(pl.col(name).gather(shown) for name in CHAIN_VALUES),
    )


def _service(observed_us: Ints, underlying: Underlying, trade_date: date, policy: AttachPolicy) -> tuple[Bools, Ints]:
    """Return for each chain whether it is an end-of-day chain, and the last instant that it serves."""
    regular = within(observed_us, underlying.regular_us(trade_date))
    polled_until = observed_us + (policy.chain_latency_ms + policy.chain_stale_after_ms) * MILLISECOND_US
    closes = np.array([underlying.next_close_us(int(one), trade_date) for one in observed_us], np.int64)
    return ~regular, np.where(regular, polled_until, closes)
