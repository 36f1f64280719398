"""Build the stored bar datasets ``bars_1s`` and ``bars_1m`` from the stored ticks.

Belongs here: the ``DayBuilder`` of both datasets. Does not belong here: arithmetic (``kernel.py``), judgement (``checks.py``), commits
(``trading_platform.lake``), Dagster.

Both datasets come from ticks, so neither waits for the other; the result is the same as resampling, digit by digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import QualityError
from ..instants import us_of
from ..lake.building import (
    BuildReport,
    CheckResult,
    DayPlan,
    Json,
    Preview,
    SourceChangedError,
    SourceSlice,
)
from ..lake.contracts import BARS_1M, BARS_1S
from ..lake.footer import damaged
from ..lake.reader import no_such_days
from ..lake.upstream import UpstreamDay, plan_from, plan_without, sources_of
from .checks import CHECKS, TickTotals, bar_facts, check_facts
from .kernel import BarWindow, ClockBars, bar_columns, check_step, opening_times
from .partials import Floats, Ints
from .ticks_reader import TickFile

if TYPE_CHECKING:
    from ..clock import Clock
    from ..instruments import Instrument
    from ..lake import Lake
    from ..lake.contract import DatasetContract
    from ..lake.writer import PartitionWriter
    from ..sessions import Session, TradingCalendar

CODE_VERSION: Final = "2"
STEPS_S: Final = {"1s": 1, "1m": 60}
_CONTRACTS: Final = {"1s": BARS_1S, "1m": BARS_1M}
TICKS: Final = "ticks"


class TicksReplacedError(SourceChangedError):
    """The ticks were rebuilt between plan and build (E426); ``build_day`` plans once more."""

    family = "E4"


class BarsBuilder:
    """Clock bars of one instrument, day by day.

    A day counts as complete once its session is final, whatever its ticks hold: their footer does not say whether they were complete.
    Bars of ticks that were imported too early are complete in this sense; when those ticks are built again with other content, their
    content hash changes and the bars turn stale.

    Args:
        instrument: future with its tick size.
        lake: where the ticks are and the bars go.
        calendar: sessions of the instrument.
        step: ``"1s"`` or ``"1m"``.
        clock: tells whether a session has begun and whether it is final.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = CODE_VERSION
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    def __init__(
        self,
        instrument: Instrument,
        lake: Lake,
        calendar: TradingCalendar,
        step: str,
        clock: Clock,
    ) -> None:
        if step not in STEPS_S:
            raise ValueError(f"Expected a step of {', '.join(STEPS_S)}, was {step!r}")
        self._instrument = instrument
        self._lake = lake
        self._calendar = calendar
        self._clock = clock
        self._step = step
        self._step_s = STEPS_S[step]

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of ``bars_1s`` or ``bars_1m``."""
        return _CONTRACTS[self._step]

    @property
    def symbol(self) -> str:
        """Return the root symbol."""
        return self._instrument.symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return CODE_VERSION

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day from the footer of its ticks."""
        session = self._calendar.session(trade_date)
        footer = self._lake.footer(TICKS, self.symbol, trade_date)
        now = self._clock.now()
        common: dict[str, Any] = {
            "trade_date": trade_date,
            "session": session,
            "resolved": {"step_s": self._step_s, "tick_size": self._instrument.tick_size},
            "complete": session.is_final(now),
        }
        if footer is None:
            missing = ticks_missing(self.symbol, trade_date)
            key = f"{self.symbol}/{self.contract.name}"
            return plan_without(common, now, missing, pending="E428", key=key, made="bars", source=TICKS)
        return plan_from(common, f"{self.symbol}/{TICKS}", footer)

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:  # noqa: ARG002
        """Return the content hash of the ticks; it lies in their footer, so ``verify`` has nothing to add."""
        return sources_of(plan)

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Stream the ticks through the kernel and hand over the bars.

        Raises:
            QualityError: E421, E422, E423, E425 for unusable ticks, E426 if the tick partition was replaced since the plan.
            LakeError: E505 if the tick file is damaged.
        """
        upstream: UpstreamDay = plan.detail
        day, session = plan.trade_date, plan.session
        window, totals = BarWindow.of_session(session), TickTotals()
        bars = ClockBars(self._step_s, self._instrument.tick_size, window)
        with self._open_ticks(day) as ticks:
            self._check_unchanged(upstream, ticks, day)
            contract = ticks.contract_symbol()
            try:
                for chunk in ticks.chunks():
                    totals.add(chunk.price, chunk.volume)
                    bars.push(chunk)
            except QualityError as error:
                what = f"{self.symbol}/{TICKS} {day}: {error.what}"
                raise QualityError(error.code, what, error.why, self._repair(day.isoformat())) from error
        finished = bars.finish()
        opens = opening_times(finished.bucket, check_step(self._step_s), window)
        columns = bar_columns(finished, opens, self._instrument.tick_size)
        if len(finished):
            writer.append(bar_table(columns, contract, self.contract.arrow_schema))
        return BuildReport(
            sources=self.hash_sources(plan),
            facts=bar_facts(columns, totals, upstream.facts, self._step_s, session),
            preview=preview_of(columns, session),
        )

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
        """Judge a day by its facts."""
        return check_facts(facts, session)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored bars and the stored ticks.

        Raises:
            QualityError: E420 if the ticks are gone.
            LakeError: E505 if a file is damaged, E507 if the bars are not there.
        """
        session = self._calendar.session(trade_date)
        path = self._lake.path(self.contract.name, self.symbol, trade_date)
        try:
            columns = read_bar_columns(path)
        except FileNotFoundError as error:
            raise no_such_days(self.contract.name, self.symbol, [trade_date]) from error
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, str(error)) from error
        footer = self._lake.footer(TICKS, self.symbol, trade_date)
        totals = TickTotals()
        if footer is not None:
            with self._open_ticks(trade_date) as ticks:
                for price, volume in ticks.prices_and_volumes():
                    totals.add(price, volume)
        elif len(columns["ts_open"]):
            raise ticks_missing(self.symbol, trade_date)
        return bar_facts(columns, totals, {} if footer is None else footer.facts, self._step_s, session)

    def _repair(self, day: str) -> str:
        return f"tp backfill {self.symbol}/{TICKS} --from {day} --to {day} --force"

    def _open_ticks(self, trade_date: date) -> TickFile:
        day = trade_date.isoformat()
        path = self._lake.path(TICKS, self.symbol, trade_date)
        try:
            return TickFile(path, f"{self.symbol}/{TICKS} {day}", self._repair(day))
        except FileNotFoundError as error:
            raise ticks_missing(self.symbol, trade_date) from error

    def _check_unchanged(self, upstream: UpstreamDay, ticks: TickFile, day: date) -> None:
        """Refuse a tick file other than the planned one."""
        if not upstream.is_still(self._lake.footer(TICKS, self.symbol, day), ticks.rows):
            raise TicksReplacedError(
                "E426",
                f"{self.symbol}/{TICKS} {day} was replaced while its bars were being made",
                "another run rebuilt the ticks; the bars on disk are the old ones",
                f"tp backfill {self.symbol}/{self.contract.name} --from {day} --to {day}",
            )


def ticks_missing(symbol: str, trade_date: date) -> QualityError:
    """Return the error for ticks that are not in the lake."""
    return QualityError(
        "E420",
        f"upstream {symbol}/{TICKS} {trade_date} is not there",
        "bars are made from stored ticks, and that partition was never built or its build failed; nothing was written",
        f"tp backfill {symbol}/{TICKS} --from {trade_date} --to {trade_date}",
    )


def bar_table(columns: Mapping[str, Ints | Floats], contract: str | None, schema: pa.Schema) -> pa.Table:
    """Return bar columns as an Arrow table of the contract's schema; NaN quotes become nulls."""
    arrays = []
    for name in schema.names:
        kind = schema.field(name).type
        if name == "contract":
            codes = pa.array(np.zeros(len(columns["ts_open"]), np.int32))
            arrays.append(pa.DictionaryArray.from_arrays(codes, pa.array([contract], pa.string())).cast(kind))
        elif name == "ts_open":
            arrays.append(pa.array(columns[name]).view(kind))
        elif name in ("bid_close", "ask_close"):
            arrays.append(pa.array(columns[name], kind, mask=np.isnan(columns[name])))
        else:
            arrays.append(pa.array(columns[name], kind))
    return pa.Table.from_arrays(arrays, schema=schema)


def read_bar_columns(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the stored columns (without ``contract``) of one bar file as arrays, ``ts_open`` in epoch microseconds."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        names = [name for name in file.schema_arrow.names if name != "contract"]
        table = file.read(columns=names, use_threads=False)
    columns = {name: table.column(name).to_numpy() for name in names}
    columns["ts_open"] = columns["ts_open"].astype("datetime64[us]").astype(np.int64)
    return columns


def preview_of(columns: Mapping[str, Ints | Floats], session: Session) -> Preview | None:
    """Return last price and volume in equal buckets over the trading hours, None without bars in them."""
    opens = columns["ts_open"]
    if len(opens) == 0:
        return None
    start = us_of(session.opens_at or session.window_start)
    end = us_of(session.closes_at or session.window_end)
    return Preview.of_rows((start, end), opens.astype(np.int64), columns["close"], columns["volume"])
