"""The depth report of one day: what a person wants to know of a book before looking at rows.

Belongs here: sums over the stored measures and trades. Does not belong here: the measures (``measures.py``), the profile (``profile.py``),
pictures (``pictures.py``), printing.

Means over time weigh every second inside trading hours alike, the state at its end; sums take the whole day. A value that nothing was
measured for is null.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..databento.day_view import windows_of
from ..lake import Lake
from ..lake.contracts import L2, L2_METRICS
from ..lake.footer import Footer, damaged
from ..sessions import Session, trading_spans
from .measures import COLUMNS, L2Measures
from .metrics_builder import rows_missing
from .profile import ValueArea, value_area, volume_profile

BUSIEST: Final = 5
_TRADE_COLUMNS: Final = ["action", "side", "price", "size"]
_MEASURED: Final = ("spread", "mid", "microprice", "imbalance_1", "imbalance_5", "imbalance_10")


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a measure is distributed over the seconds inside trading hours; null where none has it.

    Attributes:
        seconds: seconds that have the measure.
        mean: of these.
        median: of these.
        p05: 5th percentile.
        p95: 95th percentile.
        last: of the last second that has it.
    """

    seconds: int
    mean: float | None
    median: float | None
    p05: float | None
    p95: float | None
    last: float | None


@dataclass(frozen=True, slots=True)
class BusyMinute:
    """One minute.

    Attributes:
        start: beginning, UTC.
        volume: contracts or shares traded.
        trades: number.
        updates: rows, snapshots left out.
        flow: order flow imbalance.
    """

    start: datetime
    volume: int
    trades: int
    updates: int
    flow: int


@dataclass(frozen=True, slots=True)
class DepthReport:
    """One symbol and date.

    Attributes:
        symbol: as stored.
        trade_date: the day.
        raw_symbol: symbol of the venue; None for a day without rows.
        outcome: of the stored rows.
        reason: why the day has no rows or is degraded.
        synthetic: the rows were generated.
        measures_from: ``l2_metrics`` if they are stored and belong to these rows, else ``l2``.
        rows: of ``l2``.
        seconds: rows of the measures; those inside trading hours are ``session_seconds``.
        session_seconds: see above.
        crossed_seconds: of these, seconds that end with a crossed or locked book.
        spread: points; mid, microprice: points; imbalances: -1 to 1.
        flow: order flow imbalance, sum of the day; positive where buyers pressed.
        flow_correlation: of order flow imbalance and change of mid, minute by minute inside trading hours.
        trades: number; volume and its parts in contracts or shares; vwap, price_low and price_high of trades in points.
        area: point of control and value area of all trades.
        busiest: minutes with the most volume, the busiest first, the earlier of two.
    """

    symbol: str
    trade_date: date
    raw_symbol: str | None
    outcome: str
    reason: str | None
    synthetic: bool
    measures_from: str
    rows: int
    seconds: int
    session_seconds: int
    crossed_seconds: int
    spread: Distribution
    mid: Distribution
    microprice: Distribution
    imbalance_1: Distribution
    imbalance_5: Distribution
    imbalance_10: Distribution
    flow: int
    flow_correlation: float | None
    trades: int
    volume: int
    buy_volume: int
    sell_volume: int
    vwap: float | None
    price_low: float | None
    price_high: float | None
    area: ValueArea | None
    busiest: tuple[BusyMinute, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        values = asdict(self)
        values["trade_date"] = self.trade_date.isoformat()
        for minute in values["busiest"]:
            minute["start"] = minute["start"].isoformat()
        return values


@dataclass(frozen=True, slots=True)
class DayDepth:
    """A report and what its pictures are drawn from: the seconds and the volume by price."""

    report: DepthReport
    seconds: pl.DataFrame
    profile: pl.DataFrame


def analyze_day(lake: Lake, symbol: str, session: Session) -> DayDepth:
    """Report on a stored day.

    Args:
        lake: where it is.
        symbol: first part of the asset key.
        session: of the day; tells the trading hours where the measures have to be made.

    Raises:
        QualityError: E460 if the rows are not stored.
        LakeError: E505 if a file is damaged.
    """
    day = session.trade_date
    footer = lake.footer(L2.name, symbol, day)
    if footer is None:
        raise rows_missing(symbol, day)
    profile = _profile(lake, symbol, day)
    seconds, source = _seconds(lake, symbol, session, footer)
    return DayDepth(_report(symbol, day, footer, seconds, profile, source), seconds, profile)


def _report(
    symbol: str, day: date, footer: Footer, seconds: pl.DataFrame, profile: pl.DataFrame, source: str
) -> DepthReport:
    inside = seconds.filter(pl.col("in_session"))
    minutes = per_minute(seconds)
    volume = int(profile["volume"].sum())
    notional = float(np.dot(profile["price"].to_numpy(), profile["volume"].to_numpy())) if volume else 0.0
    raw_symbol = footer.facts.get("raw_symbol")
    return DepthReport(
        symbol=symbol,
        trade_date=day,
        raw_symbol=None if raw_symbol is None else str(raw_symbol),
        outcome=footer.outcome.value,
        reason=footer.reason,
        synthetic=footer.synthetic,
        measures_from=source,
        rows=footer.rows,
        seconds=seconds.height,
        session_seconds=inside.height,
        crossed_seconds=int((inside["spread"] <= 0).sum()),
        **{name: _distribution(inside[name]) for name in _MEASURED},
        flow=int(seconds["order_flow_imbalance"].sum()),
        flow_correlation=_correlation(per_minute(inside)),
        trades=int(seconds["trades"].sum()),
        volume=volume,
        buy_volume=int(profile["buy_volume"].sum()),
        sell_volume=int(profile["sell_volume"].sum()),
        vwap=notional / volume if volume else None,
        price_low=_number(profile["price"].min()),
        price_high=_number(profile["price"].max()),
        area=value_area(profile),
        busiest=tuple(
            BusyMinute(row["ts"], row["volume"], row["trades"], row["updates"], row["flow"])
            for row in minutes.sort(["volume", "ts"], descending=[True, False]).head(BUSIEST).iter_rows(named=True)
            if row["volume"]
        ),
    )


def per_minute(seconds: pl.DataFrame) -> pl.DataFrame:
    """Sum seconds of ``l2_metrics`` by minute: ts, volume, trades, updates, flow, and the last mid (null without one)."""
    return (
        seconds.group_by(pl.col("ts").dt.truncate("1m"))
        .agg(
            pl.col("volume", "trades", "updates").sum(),
            pl.col("order_flow_imbalance").sum().alias("flow"),
            pl.col("mid").drop_nulls().last().alias("mid"),
        )
        .sort("ts")
    )


def _distribution(values: pl.Series) -> Distribution:
    known = values.drop_nulls().to_numpy()
    if not known.size:
        return Distribution(0, None, None, None, None, None)
    p05, median, p95 = (float(value) for value in np.percentile(known, [5, 50, 95]))
    return Distribution(int(known.size), float(known.mean()), median, p05, p95, float(known[-1]))


def _correlation(minutes: pl.DataFrame) -> float | None:
    """Return the correlation of flow and change of mid; None for fewer than 3 minutes or one that does not vary."""
    pairs = minutes.select("flow", pl.col("mid").diff().alias("change")).drop_nulls()
    flow, change = (pairs[name].to_numpy().astype(np.float64) for name in ("flow", "change"))
    if flow.size < 3 or not flow.std() or not change.std():
        return None
    return float(np.corrcoef(flow, change)[0, 1])


def _seconds(lake: Lake, symbol: str, session: Session, footer: Footer) -> tuple[pl.DataFrame, str]:
    """Return the stored measures if they were made from these very rows; otherwise measure the rows again."""
    day = session.trade_date
    stored = lake.footer(L2_METRICS.name, symbol, day)
    if stored is not None and footer.content_hash in {source.sha256 for source in stored.sources}:
        return lake.read(L2_METRICS.name, symbol, day), L2_METRICS.name
    measures = L2Measures(windows_of(footer.facts))
    for rows in _parts(lake, symbol, day, COLUMNS):
        measures.add(rows)
    return measures.frame(str(footer.facts.get("raw_symbol") or symbol), trading_spans(session)), L2.name


def _profile(lake: Lake, symbol: str, day: date) -> pl.DataFrame:
    parts = [volume_profile(rows) for rows in _parts(lake, symbol, day, _TRADE_COLUMNS)]
    if not parts:
        columns = dict.fromkeys(("volume", "buy_volume", "sell_volume", "trades"), pl.Int64)
        return pl.DataFrame(schema={"price": pl.Float64, **columns})
    return pl.concat(parts).group_by("price").agg(pl.all().sum()).sort("price")


def _parts(lake: Lake, symbol: str, day: date, columns: list[str]) -> Any:
    """Yield the rows of a day by row group, so that memory does not grow with the day."""
    path = lake.path(L2.name, symbol, day)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for number in range(file.num_row_groups):
                yield pl.from_arrow(file.read_row_group(number, columns=columns, use_threads=False))
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


__all__ = ["BusyMinute", "DayDepth", "DepthReport", "Distribution", "analyze_day", "per_minute"]
