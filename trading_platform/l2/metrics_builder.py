"""Build the stored dataset ``l2_metrics`` from the stored rows of ``l2``.

Belongs here: the ``DayBuilder`` of the dataset. Does not belong here: formulas (``measures.py``, ``profile.py``), judgement
(``checks.py``), commits (``trading_platform.lake``), Dagster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..databento.day_view import windows_of
from ..errors import QualityError, command
from ..lake.building import (
    BuildReport,
    CheckResult,
    DayPlan,
    Json,
    Preview,
    SourceChangedError,
    SourceSlice,
)
from ..lake.contracts import L2, L2_METRICS
from ..lake.footer import damaged
from ..lake.reader import no_such_days
from ..lake.upstream import UpstreamDay, plan_from, plan_without, sources_of
from ..sessions import trading_spans
from .checks import CHECKS, check_facts, metric_facts
from .measures import COLUMNS, L2Measures
from .profile import value_area, volume_profile

if TYPE_CHECKING:
    from ..clock import Clock
    from ..lake import Lake
    from ..lake.contract import DatasetContract
    from ..lake.writer import PartitionWriter
    from ..sessions import Session, TradingCalendar

CODE_VERSION: Final = "2"
_SECOND_US: Final = 1_000_000
_FACT_COLUMNS: Final = ("ts", "mid", "spread", "volume", "buy_volume", "sell_volume", "trades", "updates", "in_session")
_PROFILE_FACTS: Final = ("point_of_control", "value_area_low", "value_area_high")


class RowsReplacedError(SourceChangedError):
    """The rows of ``l2`` were rebuilt between plan and build (E461); ``build_day`` plans once more."""

    family = "E4"


class L2MetricsBuilder:
    """Level 2 measures per second of one symbol, day by day.

    Args:
        symbol: first part of the asset key.
        lake: where the rows are and the measures go.
        calendar: sessions of the symbol.
        clock: tells whether a session has begun.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = CODE_VERSION
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    def __init__(self, symbol: str, lake: Lake, calendar: TradingCalendar, clock: Clock) -> None:
        self._symbol = symbol
        self._lake = lake
        self._calendar = calendar
        self._clock = clock

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of ``l2_metrics``."""
        return L2_METRICS

    @property
    def symbol(self) -> str:
        """Return the first part of the asset key."""
        return self._symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return CODE_VERSION

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day from the footer of its rows.

        Returns:
            CLOSED or EMPTY as the rows are; CLOSED without a session; MISSING (E460) without rows of an open session; PENDING (E462) before
            it begins; otherwise undecided. A day is complete whenever its rows are: unfinished days are never bought.
        """
        session = self._calendar.session(trade_date)
        footer = self._lake.footer(L2.name, self.symbol, trade_date)
        common: dict[str, Any] = {"trade_date": trade_date, "session": session}
        if footer is None:
            missing, key = rows_missing(self.symbol, trade_date), f"{self.symbol}/{L2_METRICS.name}"
            common["complete"] = not session.is_open
            return plan_without(
                common, self._clock.now(), missing, pending="E462", key=key, made="level 2 measures", source="level 2"
            )
        return plan_from(common, f"{self.symbol}/{L2.name}", footer)

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:  # noqa: ARG002
        """Return the content hash of the rows; it lies in their footer, so ``verify`` has nothing to add."""
        return sources_of(plan)

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Stream the rows through the measures and hand over the seconds.

        Raises:
            QualityError: E450, E451 for unusable rows, E460 if they are gone, E461 if their partition was replaced since the plan.
            LakeError: E505 if their file is damaged.
        """
        upstream: UpstreamDay = plan.detail
        day, session = plan.trade_date, plan.session
        measures, trades = L2Measures(windows_of(upstream.facts)), []
        for rows in self._rows(upstream, day):
            measures.add(rows)
            trades.append(volume_profile(rows))
        raw_symbol = str(upstream.facts.get("raw_symbol") or self.symbol)
        frame = measures.frame(raw_symbol, trading_spans(session))
        if frame.height:
            writer.append(frame.to_arrow())
        return BuildReport(
            sources=self.hash_sources(plan),
            facts={**metric_facts(frame, upstream.facts), **_profile_facts(trades)},
            preview=preview_of(frame, session),
        )

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG002
        """Judge a day by its facts."""
        return check_facts(facts)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored seconds and the footer of the stored rows.

        The profile, which needs every row, is taken from the footer.

        Raises:
            QualityError: E460 if the rows are gone.
            LakeError: E505 if a file is damaged, E507 if the measures are not there.
        """
        footer = self._lake.footer(L2_METRICS.name, self.symbol, trade_date)
        if footer is None:
            raise no_such_days(L2_METRICS.name, self.symbol, [trade_date])
        if not footer.facts:
            return {}
        upstream = self._lake.footer(L2.name, self.symbol, trade_date)
        if upstream is None:
            raise rows_missing(self.symbol, trade_date)
        frame = _read_seconds(self._lake.path(L2_METRICS.name, self.symbol, trade_date))
        return {**metric_facts(frame, upstream.facts), **{name: footer.facts.get(name) for name in _PROFILE_FACTS}}

    def _rows(self, upstream: UpstreamDay, day: date) -> Iterator[pl.DataFrame]:
        """Yield the rows, row group by row group, of exactly the partition that was planned."""
        path = self._lake.path(L2.name, self.symbol, day)
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                if not upstream.is_still(self._lake.footer(L2.name, self.symbol, day), file.metadata.num_rows):
                    raise self._replaced(day)
                for number in range(file.num_row_groups):
                    yield pl.from_arrow(file.read_row_group(number, columns=COLUMNS, use_threads=False))  # type: ignore[misc]  # a table gives a frame
        except FileNotFoundError as error:
            raise rows_missing(self.symbol, day) from error
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, str(error)) from error

    def _replaced(self, day: date) -> RowsReplacedError:
        return RowsReplacedError(
            "E461",
            f"{self.symbol}/{L2.name} {day} was replaced while its measures were being made",
            "another run rebuilt the rows; the measures on disk are the old ones",
            f"tp backfill {self.symbol}/{L2_METRICS.name} --from {day} --to {day}",
        )


def rows_missing(symbol: str, trade_date: date) -> QualityError:
    """Return the error for rows that are not in the lake."""
    return QualityError(
        "E460",
        f"upstream {symbol}/{L2.name} {trade_date} is not there",
        "measures are made from stored rows, and that partition was never bought or its build failed; nothing was written",
        command("tp", "l2", "plan", "--symbols", symbol, "--from", trade_date, "--to", trade_date),
    )


def preview_of(frame: pl.DataFrame, session: Session) -> Preview | None:
    """Return last mid and traded volume in equal buckets over the trading hours, or over all rows if none is inside; None without rows."""
    if frame.height == 0:
        return None
    at = frame["ts"].to_physical().to_numpy()
    start, end = _us(session.opens_at or session.window_start), _us(session.closes_at or session.window_end)
    if at[-1] < start or at[0] >= end:
        start, end = int(at[0]), int(at[-1]) + _SECOND_US
    return Preview.of_rows((start, end), at, frame["mid"].to_numpy(), frame["volume"].to_numpy())


def _profile_facts(parts: list[pl.DataFrame]) -> dict[str, Json]:
    """Return point of control and value area of the day in points; null if nothing traded."""
    trades = pl.concat(parts) if parts else None
    area = None
    if trades is not None and trades.height:
        area = value_area(trades.group_by("price").agg(pl.col("volume").sum()).sort("price"))
    values = (None, None, None) if area is None else (area.point_of_control, area.low, area.high)
    return dict(zip(_PROFILE_FACTS, values, strict=True))


def _read_seconds(path: Path) -> pl.DataFrame:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return pl.from_arrow(file.read(columns=list(_FACT_COLUMNS), use_threads=False))  # type: ignore[return-value]  # a table gives a frame
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error


def _us(instant: datetime) -> int:
    return int(instant.timestamp()) * _SECOND_US
