"""How one partition is made: the protocol every dataset implements.

Belongs here: outcomes, plans, check results, fingerprints. Does not belong here: ``build_day`` itself (``build_day.py``), Dagster events
(``assets/progress.py``), file operations (``local.py``), anything about one dataset.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..errors import SourceError
from ..instants import MICROSECONDS

if TYPE_CHECKING:
    import numpy as np

    from ..errors import PlatformError
    from ..sessions import Session
    from .contract import DatasetContract
    from .footer import Footer
    from .writer import PartitionWriter

_PREVIEW_BUCKETS = 120

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


class Outcome(StrEnum):
    """What became of one partition (see docs/architecture.md, "Outcomes")."""

    WRITE = "WRITE"
    SKIP = "SKIP"
    EMPTY = "EMPTY"
    CLOSED = "CLOSED"
    DEGRADED = "DEGRADED"
    PENDING = "PENDING"
    MISSING = "MISSING"
    UNAVAIL = "UNAVAIL"
    ERROR = "ERROR"

    @property
    def is_materialized(self) -> bool:
        """Tell whether the partition counts as done (a file is there and an event says so)."""
        return self in _MATERIALIZED

    @property
    def is_without_rows(self) -> bool:
        """Tell whether there is nothing to store by nature: the day is decided without its source, and its file has no rows."""
        return self in _WITHOUT_ROWS


_MATERIALIZED = frozenset({Outcome.WRITE, Outcome.SKIP, Outcome.EMPTY, Outcome.CLOSED, Outcome.DEGRADED})
_WITHOUT_ROWS = frozenset({Outcome.CLOSED, Outcome.EMPTY})


class SourceChangedError(SourceError):
    """A source is no longer what the plan saw; ``build_day`` plans and builds once more.

    A builder raises it (or a subclass) with a code of its own family from ``build`` or ``hash_sources``.
    """


class DayEndsError(Exception):
    """``build`` found that the day ends with an outcome that is not an error: the source cannot be used now, or may not be paid.

    Args:
        outcome: PENDING, MISSING or UNAVAIL.
        error: the numbered error that says why and what to do.
    """

    def __init__(self, outcome: Outcome, error: PlatformError) -> None:
        super().__init__(error.what)
        self.outcome = outcome
        self.error = error


class Severity(StrEnum):
    """What a failed check does: an error keeps the day out of the lake, a warning is shown."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The answer of one data check for one day.

    Attributes:
        name: stable snake_case name, e.g. ``bar_volume_equals_tick_volume``.
        passed: True if the data are as expected.
        severity: what a failure means; irrelevant when passed.
        description: one sentence with the measured value and the limit.
        values: measured numbers for people and dashboards.
    """

    name: str
    passed: bool
    severity: Severity
    description: str
    values: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceSlice:
    """The bytes (or the upstream partition) that fed one day.

    Attributes:
        name: file name or upstream key such as ``MNQZ25_FUT_CME.scid`` or ``MNQ/ticks``; never an absolute path.
        sha256: hash of exactly the bytes of this day, or the upstream's content hash.
    """

    name: str
    sha256: str


@dataclass(frozen=True)
class DayPlan:
    """What is known about a day before its source bytes are read.

    Attributes:
        trade_date: the partition.
        session: its session window and trading hours.
        decided: an outcome that needs no building (CLOSED, EMPTY, PENDING, MISSING, UNAVAIL), else None.
        reason: why, in one sentence, when decided.
        error: the numbered error behind PENDING, MISSING and UNAVAIL.
        resolved: every input besides source bytes that shapes the result (contract by the roll table, price scale, tick size, ...).
        complete: False while the session may still add data; such a partition counts as still to do.
        synthetic: True if the source says that it was generated.
        detail: private to the builder (record ranges, open files).
        details: what the event of the day shows besides its facts, such as what was paid; no property of the rows, so not in the footer.
    """

    trade_date: date
    session: Session
    decided: Outcome | None = None
    reason: str | None = None
    error: PlatformError | None = None
    resolved: Mapping[str, Json] = field(default_factory=dict)
    complete: bool = True
    synthetic: bool = False
    detail: Any = None
    details: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Preview:
    """A picture's worth of a day: equal time buckets over the session.

    Attributes:
        start_us: left edge of the first bucket, epoch microseconds UTC.
        step_us: width of a bucket.
        price: float64[n], last price in the bucket, NaN where nothing traded.
        volume: int64[n], volume in the bucket.
        lines: name -> float64[n], levels to draw over the price, NaN where unknown; none for most datasets.
        shaded: bool[n], buckets in which the source of the lines had gaps; None without lines.
    """

    start_us: int
    step_us: int
    price: np.ndarray[Any, np.dtype[np.float64]]
    volume: np.ndarray[Any, np.dtype[np.int64]]
    lines: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]] = field(default_factory=dict)
    shaded: np.ndarray[Any, np.dtype[np.bool_]] | None = None

    def as_json(self) -> dict[str, Json]:
        """Return the points for the footer; a bucket without trades has price null."""
        points: dict[str, Json] = {
            "start_us": self.start_us,
            "step_us": self.step_us,
            "price": _nulls_for_nan(self.price),
            "volume": self.volume.tolist(),
        }
        if self.lines:
            points["lines"] = {name: _nulls_for_nan(values) for name, values in self.lines.items()}
        if self.shaded is not None:
            points["shaded"] = self.shaded.tolist()
        return points

    @classmethod
    def of_rows(
        cls,
        span_us: tuple[int, int],
        at_us: np.ndarray[Any, np.dtype[np.int64]],
        price: np.ndarray[Any, Any],
        volume: np.ndarray[Any, Any],
    ) -> Preview:
        """Put rows into 120 buckets of whole seconds: the last known price and the sum of the volume of each.

        Args:
            span_us: what the picture spans, half-open, epoch microseconds UTC; rows outside are left out.
            at_us: time of each row, ascending.
            price: float64 of each row, NaN where unknown.
            volume: int64 of each row.
        """
        import numpy as np

        start, end = span_us
        step = -(-(end - start) // _PREVIEW_BUCKETS)
        step = max(MICROSECONDS, -(-step // MICROSECONDS) * MICROSECONDS)
        count = -(-(end - start) // step)
        bucket = (at_us - start) // step
        within = (bucket >= 0) & (bucket < count)
        priced = within & ~np.isnan(price)
        prices = np.full(count, np.nan)
        # With repeated positions numpy keeps the last value, which is the latest price.
        prices[bucket[priced]] = price[priced]
        volumes = np.zeros(count, np.int64)
        np.add.at(volumes, bucket[within], volume[within])
        return cls(start, step, prices, volumes)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Preview:
        """Read the points of a footer."""
        import numpy as np

        def values(points: Sequence[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
            return np.array([np.nan if value is None else value for value in points], np.float64)

        lines = {name: values(points) for name, points in stored.get("lines", {}).items()}
        shaded = np.array(stored["shaded"], np.bool_) if "shaded" in stored else None
        volume = np.array(stored["volume"], np.int64)
        return cls(stored["start_us"], stored["step_us"], values(stored["price"]), volume, lines, shaded)


@dataclass(frozen=True)
class BuildReport:
    """What a builder says about the day it has streamed into the writer.

    Attributes:
        sources: the slices that were read, hashed in the same pass.
        facts: small, deterministic measurements (sums, counts, first and last time); stored in the footer, input of the checks.
        rejected: quarantined rows by reason code.
        preview: for the picture in the web UI.
        degraded: why the source itself doubts the day, which makes the outcome DEGRADED; None if it does not.
        details: what the event of the day shows besides its facts; joins those of the plan.
    """

    sources: tuple[SourceSlice, ...]
    facts: Mapping[str, Json]
    rejected: Mapping[str, int] = field(default_factory=dict)
    preview: Preview | None = None
    degraded: str | None = None
    details: Mapping[str, Json] = field(default_factory=dict)


class DayBuilder(Protocol):
    """One dataset of one symbol: everything needed to make any of its days."""

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of the dataset."""
        ...

    @property
    def symbol(self) -> str:
        """Return the symbol, the first part of the asset key."""
        ...

    @property
    def code_version(self) -> str:
        """Return the version of the transformation; raising it makes every day stale."""
        ...

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day without reading its source bytes."""
        ...

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:
        """Return the hashes of the bytes that would feed the day; ``verify`` ignores the stat cache."""
        ...

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Stream the day's rows (clean ones and rejects) into the writer; never commits."""
        ...

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:
        """Judge a day by its facts. Pure, so the same function gates the commit and serves the asset checks."""
        ...

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored file, for the asset checks."""
        ...


@runtime_checkable
class RecordedSource(Protocol):
    """A builder whose source only reaches back to where somebody began to record it.

    A backfill of everything leaves such days out and says so; without this, a user who records no depth could run none without failures.
    """

    def not_recorded(self, trade_date: date) -> str | None:
        """Return why the day lies before the recording, in one sentence; None if the source should hold it."""


@runtime_checkable
class ReplacingSource(Protocol):
    """A builder for which a stored partition may count as absent, whatever can be had in its place now."""

    def replaces(self, stored: Footer) -> bool:
        """Tell whether the stored rows are no data of this home, such as generated ones among real ones."""
        ...


@runtime_checkable
class PreparedBuilder(Protocol):
    """A builder that looks at all days of a run before the first one is made, because together they may cost too much."""

    def prepare(self, days: Sequence[date]) -> None:
        """Look at the days; never raises, what is refused becomes the outcome of its days."""
        ...


def fingerprint_of(builder: DayBuilder, plan: DayPlan, sources: Sequence[SourceSlice]) -> str:
    """Hash what makes a partition: source bytes, code version, contract version and the day's resolved inputs.

    Returns:
        64 hex digits (sha256 over canonical JSON). Versions of libraries and of whole files are not part of it.
    """
    made_from = {
        "dataset": builder.contract.name,
        "symbol": builder.symbol,
        "code_version": builder.code_version,
        "contract_version": builder.contract.version,
        "session": plan.session.resolved(),
        "resolved": plan.resolved,
        "decided": plan.decided,
        "synthetic": plan.synthetic,
        "sources": [[source.name, source.sha256] for source in sources],
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def present_fingerprint(builder: DayBuilder, plan: DayPlan, *, verify: bool = False) -> str:
    """Return the fingerprint that a planned day would get if it were made now.

    Args:
        builder: the dataset.
        plan: from ``builder.plan``; undecided, or decided as materialized.
        verify: hash the source bytes again instead of trusting the stat cache.

    Raises:
        PlatformError: if the sources cannot be hashed.
    """
    without_source = plan.decided is not None and plan.decided.is_without_rows
    return fingerprint_of(builder, plan, () if without_source else builder.hash_sources(plan, verify=verify))


def _nulls_for_nan(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - NaN differs from itself


Progress = Callable[[str], None]
