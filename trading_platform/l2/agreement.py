"""Does a stored day of level 2 tell the same story as two other sources: the user's own ticks, and the vendor's bars of a minute?

Belongs here: both comparisons. Does not belong here: what a day of ``l2`` says of itself (``trading_platform.databento.checks``), importing
bars (``trading_platform.databento.vendor_bars``).

Neither comparison decides whether a day is stored: the other source may be the wrong one, and it may come later. So they warn, and look at
what is stored when they are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import polars as pl

from ..databento.day_view import stored_windows
from ..databento.format import PRICE_SCALE
from ..databento.raw_cache import RawCache
from ..databento.symbols import raw_future
from ..databento.vendor_bars import MINUTE_NS, vendor_bars
from ..errors import PlatformError
from ..instruments import Contract
from ..lake import CheckResult, Footer, Json, LocalLake, Severity
from .measures import IS_PRICED

AGREES_WITH_TICKS: Final = "agrees_with_ticks"
AGREES_WITH_BARS: Final = "agrees_with_vendor_bars"
DESCRIPTIONS: Final[Mapping[str, str]] = {
    AGREES_WITH_TICKS: "Trades of the same contract and window have the volume (within 1 %) and price range of the ticks (warning).",
    AGREES_WITH_BARS: "Bars of a minute made from the trades equal the vendor's ohlcv-1m, where such a file was imported (warning).",
}
# The two feeds stamp at different places, so a trade at the edge of the window may be in one of them only.
VOLUME_DIFFERENCE_MAX: Final = 0.01
_MOST_NAMED: Final = 5
_PRICES: Final = ("open", "high", "low", "close")


def compare_with_ticks(lake: LocalLake, symbol: str, trade_date: date, *, tick_size: float) -> CheckResult:
    """Compare volume and price range of a stored day of ``l2`` with the ticks of the same windows.

    Args:
        lake: where both are stored.
        symbol: root symbol of a future.
        trade_date: the day.
        tick_size: smallest price step of the future, points.

    Returns:
        Passed as well where there is nothing to compare; the description says why.
    """
    footer = lake.footer("l2", symbol, trade_date)
    ticks = lake.footer("ticks", symbol, trade_date)
    absent = _absent(footer, "l2") or _absent(ticks, "ticks")
    if absent is not None or footer is None:
        return _not_compared(AGREES_WITH_TICKS, str(absent))
    rows = lake.scan("ticks", symbol, trade_date)
    contracts = rows.select(pl.col("contract").unique()).collect()["contract"].to_list()
    names = [raw_future(Contract.parse(name)) for name in contracts]
    if names != [footer.facts.get("raw_symbol")]:
        return _not_compared(
            AGREES_WITH_TICKS,
            f"level 2 is of {footer.facts.get('raw_symbol')}, the ticks are of {', '.join(contracts)}",
        )
    at = pl.col("ts").dt.timestamp("ns")
    inside = pl.any_horizontal([at.is_between(start, end, closed="left") for start, end in stored_windows(footer)])
    (totals,) = (
        rows.filter(inside)
        .select(pl.col("volume").cast(pl.Int64).sum(), low=pl.col("price").min(), high=pl.col("price").max())
        .collect()
        .to_dicts()
    )
    own, other = int(footer.facts.get("volume") or 0), int(totals["volume"])  # type: ignore[arg-type]  # the fact is a whole number
    share = abs(own - other) / max(own, other, 1)
    low, high = footer.facts.get("price_min"), footer.facts.get("price_max")
    same_range = same_price(low, totals["low"], tick_size) and same_price(high, totals["high"], tick_size)
    return CheckResult(
        AGREES_WITH_TICKS,
        share <= VOLUME_DIFFERENCE_MAX and same_range,
        Severity.WARN,
        f"level 2: volume {own} from {low} to {high}; ticks of the same window: volume {other} from {totals['low']} to {totals['high']}; "
        f"volumes differ by {share:.2%}, limit {VOLUME_DIFFERENCE_MAX:.0%}",
        {"l2_volume": own, "ticks_volume": other, "volume_difference_frac": share, "same_price_range": same_range},
    )


def compare_with_vendor_bars(lake: LocalLake, cache: RawCache, symbol: str, trade_date: date) -> CheckResult:
    """Compare bars of a minute, made from the trades of a stored day, with the vendor's.

    Trades are put into minutes by ``ts_recv``, as the vendor does. Only minutes that lie wholly inside the windows of both are compared;
    a minute without a trade has no bar on either side.

    Args:
        lake: where the day is stored.
        cache: of raw files, where imported bars lie.
        symbol: as in the asset key.
        trade_date: the day.

    Returns:
        Passed as well where there is nothing to compare; the description says why.
    """
    footer = lake.footer("l2", symbol, trade_date)
    absent = _absent(footer, "l2")
    if absent is not None or footer is None:
        return _not_compared(AGREES_WITH_BARS, str(absent))
    dataset, raw = str(footer.facts.get("dataset")), str(footer.facts.get("raw_symbol"))
    try:
        found = vendor_bars(cache, dataset, raw, trade_date)
    except PlatformError as error:
        return CheckResult(
            AGREES_WITH_BARS, False, Severity.WARN, f"the vendor's bars cannot be read: {error.what}", {}
        )
    if found is None:
        return _not_compared(
            AGREES_WITH_BARS, "no bars of the vendor are imported; tp l2 import takes files of ohlcv-1m"
        )
    ours = bars_of_trades(lake.scan("l2", symbol, trade_date))
    windows = [(max(a, c), min(b, d)) for a, b in stored_windows(footer) for c, d in found.windows_ns]
    return _compare(_inside(ours, windows), _inside(found.bars, windows))


def bars_of_trades(rows: pl.LazyFrame) -> pl.DataFrame:
    """Make bars of a minute from rows of ``l2``.

    Args:
        rows: in their order, with ts_recv, action, price, size.

    Returns:
        ``ts_ns`` (Int64, start of the minute, epoch nanoseconds UTC), ``open``, ``high``, ``low``, ``close`` (Int64, 1e-9 points) and
        ``volume`` (Int64), ascending; no row for a minute without a trade.
    """
    nanos = (pl.col("price") * PRICE_SCALE).round().cast(pl.Int64)
    return (
        rows.filter(pl.col("action").cast(pl.String) == "T", IS_PRICED)
        .select(
            ts_ns=pl.col("ts_recv").to_physical() // MINUTE_NS * MINUTE_NS,
            price=nanos,
            size=pl.col("size").cast(pl.Int64),
        )
        .group_by("ts_ns", maintain_order=True)
        .agg(
            open=pl.col("price").first(),
            high=pl.col("price").max(),
            low=pl.col("price").min(),
            close=pl.col("price").last(),
            volume=pl.col("size").sum(),
        )
        .sort("ts_ns")
        .collect()
    )


def same_price(one: Json, other: float | None, tick_size: float) -> bool:
    """Tell whether two prices in points are the same, within half a tick, as two feeds round differently; null equals null only."""
    if one is None or other is None:
        return one is None and other is None
    return abs(float(one) - other) < tick_size / 2  # type: ignore[arg-type]  # a price in points


def _compare(ours: pl.DataFrame, theirs: pl.DataFrame) -> CheckResult:
    both = ours.join(theirs, on="ts_ns", how="full", suffix="_vendor", coalesce=True).sort("ts_ns")
    columns = (*_PRICES, "volume")
    differs = pl.any_horizontal([pl.col(name).ne_missing(pl.col(f"{name}_vendor")) for name in columns])
    if both.is_empty():
        return _not_compared(AGREES_WITH_BARS, "no whole minute with a trade lies in the windows of both")
    wrong = both.filter(differs)
    first = wrong["ts_ns"].head(_MOST_NAMED).cast(pl.Datetime("ns", "UTC")).dt.strftime("%H:%M").to_list()
    named = f": {', '.join(first)} UTC{' and more' if wrong.height > _MOST_NAMED else ''}" if first else ""
    return CheckResult(
        AGREES_WITH_BARS,
        wrong.is_empty(),
        Severity.WARN,
        f"{wrong.height} of {both.height} minutes differ from the vendor's bars{named}",
        {"minutes": both.height, "different_minutes": wrong.height},
    )


def _inside(bars: pl.DataFrame, windows: Sequence[tuple[int, int]]) -> pl.DataFrame:
    starts = pl.col("ts_ns")
    wholly = [(starts >= start) & (starts + MINUTE_NS <= end) for start, end in windows]
    return bars.filter(pl.any_horizontal(wholly))


def _absent(footer: Footer | None, dataset: str) -> str | None:
    if footer is None:
        return f"no {dataset} are stored" if dataset == "ticks" else f"no {dataset} is stored"
    return f"{dataset} has no rows" if footer.rows == 0 else None


def _not_compared(name: str, why: str) -> CheckResult:
    return CheckResult(name, True, Severity.WARN, f"not compared: {why}", {})
