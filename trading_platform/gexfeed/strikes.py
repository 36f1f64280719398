"""The dataset ``<UND>/gex_strikes``: one row per strike of every snapshot of a day.

Belongs here: ``GexStrikesBuilder`` and its checks. Does not belong here: the choice of files (``builder.py``).

A ladder of a day has 2.4 M rows per category, so files are streamed. Rows are stored in ascending time: a file that is not in this order,
which is known beforehand from its timestamps alone, is held in memory as arrays (150 MB for a day) and written in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import pyarrow as pa

from ..instants import MICROSECONDS, us_of
from ..lake import BuildReport, CheckResult, DatasetContract, DayPlan, Json, Severity, SourceSlice
from ..lake.contracts import GEX_STRIKES
from ..lake.reader import row_groups
from ..lake.stream import ROW_GROUP_ROWS
from ..sessions import Session
from .acceptance import Acceptance
from .archive import FeedFile
from .builder import FeedBuilder, files_of, source_facts
from .columns import GEX_VOL, LADDER, STRIKE, Floats, Ints, SnapshotColumns, concatenate
from .grid import ladder_grids
from .names import CATEGORIES
from .reading import read_blocks
from .snapshot_checks import CONSTANT_LEAST_ROWS, REFUSED_BYTES_MOST_FRAC, REJECTED_MOST_FRAC, check_rejects
from .tables import strike_batch

if TYPE_CHECKING:
    from ..lake import PartitionWriter

_STAMP: Final = re.compile(rb'"timestamp"\s*:\s*(\d{1,18})')
_STAMP_BYTES: Final = 64
_LADDERS_LEAST_FRAC: Final = 0.9
_SOURCE_FACTS: Final = (
    "categories",
    "elements",
    "refused",
    "out_of_order",
    "bytes_read",
    "bytes_refused",
    "snapshots",
    "files",
    "copies",
    "files_of_closed_days",
)

CHECKS: Final[Mapping[str, str]] = {
    "rejects_below_limit": f"At most {REJECTED_MOST_FRAC:.0%} of the elements of the files, and {REFUSED_BYTES_MOST_FRAC:.0%} of their "
    "bytes, are malformed or foreign (error).",
    "ladders_present": f"At least {_LADDERS_LEAST_FRAC:.0%} of the snapshots have a ladder (error).",
    "strikes_in_band": "The mean strike lies in the instrument's price band (error).",
    "ladders_move": "The sum over the ladder is not the same all day (error).",
}


class GexStrikesBuilder(FeedBuilder):
    """Builds any day of ``<UND>/gex_strikes``; arguments as :class:`FeedBuilder`.

    Refused snapshots are counted here and kept by ``gex_snapshots``, which refuses the same ones.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = "1"
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of the dataset."""
        return GEX_STRIKES

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return self.CODE_VERSION

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Stream the ladders of each file into the writer.

        Raises:
            SourceError: E260 to E262, E270 to E272: a file cannot be used.
            SourceChangedError: E268 a file changed while it was read.
        """
        day, session = files_of(plan), plan.session
        window = us_of(session.window_start) // MICROSECONDS, us_of(session.window_end) // MICROSECONDS
        judges: dict[str, Acceptance] = {}
        sources: list[SourceSlice] = []
        output = _RowGroups(writer)
        counter = _LadderFacts()
        snapshots: dict[str, Json] = {}
        for one in day.files:
            judge, batches = self._snapshots(one, day, session, sources)
            accepted = (columns for columns, _ in batches)
            ordered = accepted if is_ascending(one, window) else _in_order(accepted)
            number = 0
            for columns in ordered:
                number += len(columns)
                output.add(columns, one.name.category)
                counter.add(one.name.category, columns.timestamp_s, columns.counts, columns.ladder)
            judges[one.name.category] = judge
            snapshots[one.name.category] = number
        output.flush()
        facts = counter.facts() | source_facts(judges) | {"snapshots": snapshots}
        return BuildReport(tuple(sources), {**facts, **day.facts()})

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG002
        """Judge a day by its facts."""
        return check_strikes(facts, price_band=self._instrument.price_band)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts from the stored file; what only the history files know is taken from its footer.

        Returns:
            Empty if the day has no file or no rows.

        Raises:
            LakeError: E505 if the stored file is damaged.
        """
        footer = self._lake.footer(GEX_STRIKES.name, self.symbol, trade_date)
        if footer is None or not footer.facts:
            return {}
        counter = _LadderFacts()
        columns = ("ts", "category", "strike", "gex_vol")
        for group in row_groups(self._lake, GEX_STRIKES.name, self.symbol, trade_date, columns):
            for batch in group.to_batches():
                for category, stamps, counts, ladder in _stored_ladders(batch):
                    counter.add(category, stamps, counts, ladder)
        return {**counter.facts(), **{name: footer.facts.get(name) for name in _SOURCE_FACTS}}


def is_ascending(one: FeedFile, window: tuple[int, int]) -> bool:
    """Tell whether the timestamps of a file ascend, as far as they lie in the window; only they are looked at.

    Args:
        one: the file.
        window: first epoch second of the day and the first after it.

    Raises:
        SourceError: E260 to E262 the file cannot be used.
    """
    latest, tail = 0, b""
    for block in read_blocks(one.path):
        # The last bytes come again with the next block, because a timestamp may be spread over both; once more does not descend.
        text = tail + block
        for match in _STAMP.finditer(text):
            stamp = int(match[1])
            if match.end() < len(text) and window[0] <= stamp < window[1]:
                if stamp < latest:
                    return False
                latest = stamp
        tail = text[-_STAMP_BYTES:]
    return True


def _in_order(batches: Iterator[SnapshotColumns]) -> Iterator[SnapshotColumns]:
    """Yield all snapshots in ascending time, about a row group of ladder rows at once."""
    parts = list(batches)
    if not parts:
        return
    whole = concatenate(parts)
    parts.clear()
    order = np.argsort(whole.timestamp_s, kind="stable")
    starts = whole.starts
    edges = np.flatnonzero(np.diff(np.cumsum(whole.counts[order]) // ROW_GROUP_ROWS)) + 1
    for first, stop in pairwise([0, *edges.tolist(), len(order)]):
        chosen = order[first:stop]
        counts = whole.counts[chosen]
        rows = np.repeat(starts[chosen] - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
        yield SnapshotColumns(
            whole.timestamp_s[chosen],
            whole.ticker[chosen],
            whole.scalars[chosen],
            counts,
            whole.has_ladder[chosen],
            whole.ladder[rows],
        )


class _RowGroups:
    """Gathers ladder rows into whole row groups: in any other size the writer has to copy them once more."""

    def __init__(self, writer: PartitionWriter) -> None:
        self._writer = writer
        self._filled = 0
        self._renew()

    def _renew(self) -> None:
        self._stamps: Ints = np.empty(ROW_GROUP_ROWS, np.int64)
        self._codes = np.empty(ROW_GROUP_ROWS, np.int32)
        self._values: Floats = np.empty((len(LADDER) + 1, ROW_GROUP_ROWS))
        self._filled = 0

    def add(self, columns: SnapshotColumns, category: str) -> None:
        stamps = np.repeat(columns.timestamp_s, columns.counts)
        _, offset = ladder_grids(np.ascontiguousarray(columns.ladder[:, STRIKE]), columns.counts)
        offsets = np.repeat(offset, columns.counts)
        code, at = CATEGORIES.index(category), 0
        while at < len(stamps):
            take = min(len(stamps) - at, ROW_GROUP_ROWS - self._filled)
            here, there = slice(self._filled, self._filled + take), slice(at, at + take)
            self._stamps[here] = stamps[there]
            self._codes[here] = code
            self._values[:-1, here] = columns.ladder[there].T
            self._values[-1, here] = offsets[there]
            self._filled += take
            at += take
            if self._filled == ROW_GROUP_ROWS:
                self.flush()

    def flush(self) -> None:
        if self._filled:
            rows = slice(0, self._filled)
            self._writer.append(strike_batch(self._stamps[rows], self._codes[rows], self._values[:, rows]))
            self._renew()


class _LadderFacts:
    """Measures ladders while they stream by; a snapshot may come in several parts."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._ladders: dict[str, int] = {}
        self._strike_sum: dict[str, float] = {}
        self._sums: dict[str, list[Floats]] = {}
        self._last: tuple[str, int] | None = None

    def add(self, category: str, stamps: Ints, counts: Ints, ladder: Floats) -> None:
        filled = counts > 0
        if not filled.any():
            return
        stamps, counts = stamps[filled], counts[filled]
        starts = np.cumsum(counts) - counts
        sums = np.add.reduceat(np.nan_to_num(ladder[:, GEX_VOL]), starts)
        known = self._sums.setdefault(category, [])
        if self._last == (category, int(stamps[0])):
            known[-1][-1] += sums[0]
            sums = sums[1:]
        known.append(sums)
        self._last = (category, int(stamps[-1]))
        self._ladders[category] = self._ladders.get(category, 0) + len(sums)
        self._rows[category] = self._rows.get(category, 0) + len(ladder)
        self._strike_sum[category] = self._strike_sum.get(category, 0.0) + float(ladder[:, STRIKE].sum())

    def facts(self) -> dict[str, Json]:
        """Return the measurements; sums of strikes are rounded to what summing in another order leaves equal."""
        constant = []
        for name, parts in self._sums.items():
            sums = np.round(np.concatenate(parts), 6)
            if len(sums) >= CONSTANT_LEAST_ROWS and (sums == sums[0]).all():
                constant.append(name)
        return {
            "rows": sum(self._rows.values()),
            "ladder_rows": dict(sorted(self._rows.items())),
            "ladders": dict(sorted(self._ladders.items())),
            "mean_strike": {
                name: round(total / self._rows[name], 3) for name, total in sorted(self._strike_sum.items())
            },
            "constant_ladders": sorted(constant),
        }


def _stored_ladders(batch: pa.RecordBatch) -> Iterator[tuple[str, Ints, Ints, Floats]]:
    """Yield the ladders of stored rows by category: times, rows per time, strike and GEX by volume."""
    if batch.num_rows == 0:
        return
    category = batch.column("category")
    codes = category.indices.to_numpy()
    words = category.dictionary.to_pylist()
    stamps = batch.column("ts").cast(pa.int64()).to_numpy() // MICROSECONDS
    ladder = np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in ("strike", "gex_vol")])
    edges = np.flatnonzero((np.diff(stamps) != 0) | (np.diff(codes) != 0)) + 1
    starts = np.concatenate(([0], edges))
    counts = np.diff(np.append(starts, len(stamps)))
    for code in np.unique(codes):
        mine = codes[starts] == code
        yield words[code], stamps[starts[mine]], counts[mine], ladder[codes == code]


def check_strikes(facts: Mapping[str, Any], *, price_band: tuple[float, float]) -> tuple[CheckResult, ...]:
    """Judge a day by its facts; pure. None for a day whose files hold no element.

    Args:
        facts: as the builder reports and ``measure`` recomputes them.
        price_band: lowest and highest credible level of the instrument, points.
    """
    if not facts or not facts.get("elements"):
        return ()
    ladders, snapshots = sum(facts["ladders"].values()), sum(facts["snapshots"].values())
    low, high = price_band
    outside = {name: value for name, value in facts["mean_strike"].items() if not low <= value <= high}
    constant = facts["constant_ladders"]
    return (
        check_rejects(facts),
        CheckResult(
            "ladders_present",
            ladders >= _LADDERS_LEAST_FRAC * snapshots,
            Severity.ERROR,
            f"{ladders} of {snapshots} snapshots have a ladder, expected {_LADDERS_LEAST_FRAC:.0%}",
            {"ladders": ladders, "snapshots": snapshots},
        ),
        CheckResult(
            "strikes_in_band",
            not outside,
            Severity.ERROR,
            f"mean strike {', '.join(f'{name} {value:,.2f}' for name, value in facts['mean_strike'].items())}, "
            f"expected {low:,.0f} to {high:,.0f}",
            {"mean_strike": facts["mean_strike"]},
        ),
        CheckResult(
            "ladders_move",
            not constant,
            Severity.ERROR,
            f"the sum over the ladder never changes: {', '.join(constant)}"
            if constant
            else "the ladders change during the day",
            {"constant_ladders": constant},
        ),
    )
