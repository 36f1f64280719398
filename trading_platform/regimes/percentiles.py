"""Where a value stands among earlier sessions at the same time of day.

Belongs here: normalisation by history that was known at the time. Does not belong here: the rules, which need none of it: a regime must not
depend on how much history a lake holds.

For evaluation and display::

    history = lake.read("gex_regimes", "NQ_NDX", (first, yesterday), ["ts", "source", "naive_gex_net"], missing="skip")
    trailing_percentile(today, history, "naive_gex_net")
"""

from __future__ import annotations

from typing import Final

import polars as pl

SESSIONS: Final = 60
LEAST_SESSIONS: Final = 20
_ZONE: Final = "America/New_York"


def trailing_percentile(
    rows: pl.DataFrame, history: pl.DataFrame, column: str, *, sessions: int = SESSIONS, least: int = LEAST_SESSIONS
) -> pl.Series:
    """Return the share of earlier sessions whose value at the same minute of the day was not above that of the row.

    Args:
        rows: trade_date date, ts, source and ``column`` f64, rows of any number of trade dates.
        history: the same columns; rows of the same or a later trade date are not looked at, so a full sample may be given.
        column: the column to compare, of one unit.
        sessions: only the last so many trade dates of the history before the row's, per source.
        least: sessions with a value at that minute below which the answer is null.

    Returns:
        f64 from 0 to 1 in the order of ``rows``, null without a value or with too little history. The value of a minute is its last
        one, by New York time, so that clock changes keep the opening at the opening. A row is compared as of its own instant; only other
        trade dates enter.
    """
    key = ["source", "minute"]
    past = (
        _timed(history, column)
        .filter(pl.col("value").is_not_null())
        .sort("ts")
        .group_by("trade_date", *key)
        .agg(earlier=pl.col("value").last())
        .rename({"trade_date": "earlier_date"})
    )
    # Every trade date of a source counts as a session, also where it lacks the minute.
    days = _timed(history, column).select("source", "trade_date").unique()
    present = _timed(rows, column).with_row_index("row")
    wanted = (
        present.select("source", "trade_date")
        .unique()
        .join(days.rename({"trade_date": "earlier_date"}), on="source")
        .filter(pl.col("earlier_date") < pl.col("trade_date"))
        .filter(pl.col("earlier_date").rank("dense", descending=True).over("source", "trade_date") <= sessions)
    )
    compared = (
        present.filter(pl.col("value").is_not_null())
        .join(wanted, on=["source", "trade_date"])
        .join(past, on=[*key, "earlier_date"])
        .group_by("row")
        .agg(n=pl.len(), share=(pl.col("earlier") <= pl.col("value")).mean())
        .select("row", share=pl.when(pl.col("n") >= least).then("share"))
    )
    return (
        present.select("row")
        .join(compared, on="row", how="left", maintain_order="left")["share"]
        .alias(f"{column}_percentile")
    )


def _timed(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    local = pl.col("ts").dt.convert_time_zone(_ZONE)
    return frame.select(
        "trade_date",
        "ts",
        pl.col("source").cast(pl.String),
        minute=local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute(),
        value=pl.col(column),
    )
