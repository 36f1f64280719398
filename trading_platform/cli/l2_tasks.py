"""Days of level 2 as tasks of a command: which there are, what each needs, and how that is shown.

Belongs here: what ``tp l2 plan`` and ``tp l2 backfill`` share. Does not belong here: what a day needs (``trading_platform.databento``),
runs (``jobs``).

A symbol that is an active instrument is made through its asset, like everything else; any other name is made by the same builder without
one, and shows in the web UI only when something there takes it up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from ..errors import PlatformError, VendorError
from .platform import open_platform, put_repository_on_path

if TYPE_CHECKING:
    from jobs.planning import PlannedDay

    from ..clock import Clock
    from ..databento.conditions import DayCondition
    from ..databento.day_view import DayView
    from ..databento.l2_builder import L2Builder
    from ..databento.targets import DayTarget
    from ..databento.vendor import Vendor
    from ..home import Home
    from ..lake import Footer, LocalLake
    from ..sessions import Session
    from .l2_choice import Choice
    from .platform import Platform

# So that a plan says what disk it takes: the larger of two measured files, genuine shares and simulated futures.
STORED_BYTES_PER_RECORD = 35.1


@dataclass
class L2Task:
    """One symbol and date.

    Attributes:
        symbol: as the user named it.
        trade_date: the day.
        builder: makes the day.
        planned: what the asset's state says; None for a symbol without an asset.
        session: of the trade date; None if the symbol has no calendar.
        target: what is wanted; None on a closed date, or if the symbol means nothing.
        view: what is known of the day; None if that ended in an error, or if the session has not opened.
        error: why nothing is known.
        is_current: nothing is to be done.
        stored: footer of the stored day, where it was looked for without the vendor.
        condition: of the vendor, where it was asked for.
    """

    symbol: str
    trade_date: date
    builder: L2Builder
    planned: PlannedDay | None = None
    session: Session | None = None
    target: DayTarget | None = None
    view: DayView | None = None
    error: PlatformError | None = None
    is_current: bool = False
    stored: Footer | None = None
    condition: DayCondition | None = None

    @property
    def is_to_buy(self) -> bool:
        """Tell whether the task is a paid call."""
        return not self.is_current and self.view is not None and self.view.is_to_buy

    @property
    def cost_usd(self) -> float:
        """Return what the task will cost."""
        return self.view.cost_usd if self.is_to_buy and self.view is not None else 0.0

    @property
    def records(self) -> int | None:
        """Return the number of records: stored, in raw files at hand, or counted by the vendor; None if not known."""
        if self.view is None:
            return None
        if self.is_to_buy or (self.view.offer is not None and self.view.offer.preview is not None):
            preview = None if self.view.offer is None else self.view.offer.preview
            return None if preview is None else preview.records
        if self.view.pieces:
            return sum(piece.raw.records for piece in self.view.pieces)
        return None if self.view.stored is None else self.view.stored.rows

    @property
    def billed_bytes(self) -> int:
        """Return the uncompressed bytes that will be billed."""
        preview = None if self.view is None or self.view.offer is None else self.view.offer.preview
        return preview.size_bytes if preview is not None and self.is_to_buy else 0

    @property
    def disk_bytes(self) -> int:
        """Return about how much disk the task takes, raw file and partition."""
        from ..databento.fetch import RAW_BYTES_PER_RECORD

        records = self.records or 0
        if self.is_to_buy:
            return round(records * (RAW_BYTES_PER_RECORD + STORED_BYTES_PER_RECORD))
        return round(records * STORED_BYTES_PER_RECORD) if self.step == "convert" else 0

    @property
    def step(self) -> str:
        """Return what will be done: nothing, buy, convert, record (the file is there, its event is not), or the outcome it ends with."""
        if self.is_current:
            return "nothing"
        if self.error is not None:
            return _outcome_of(self.error)
        if self.view is None:
            return "PENDING"
        if self.view.decided is not None:
            return self.view.decided.value
        if self.view.is_to_buy:
            return "buy"
        return "record" if self.builder.is_current(self.view) else "convert"

    @property
    def there(self) -> str:
        """Return what is there already."""
        found = []
        stored = self.stored if self.view is None else self.view.stored
        if stored is not None:
            rows = f" {stored.rows:,} rows" if stored.rows else ""
            found.append(f"{stored.outcome.value}{rows}{' (synthetic)' if stored.synthetic else ''}")
            if stored.facts.get("imported"):
                found.append(f"imported{self._covered(stored)}")
        if self.view is not None and self.view.pieces and (stored is None or not stored.facts.get("imported")):
            found.append("imported file" if any(piece.is_imported for piece in self.view.pieces) else "raw file")
        return ", ".join(found)

    def _covered(self, stored: Footer) -> str:
        """Return how much of the wanted trading hours a stored day covers; empty if all of them, or if that is not known."""
        uncovered_s = stored.facts.get("uncovered_s")
        session, target = self.session, self.target
        if not isinstance(uncovered_s, int) or not uncovered_s or session is None or target is None:
            return ""
        if session.opens_at is None or session.closes_at is None:
            return ""
        start, end = max(target.window[0], session.opens_at), min(target.window[1], session.closes_at)
        wanted_h = (end - start).total_seconds() / 3_600
        return f", covers {max(0.0, wanted_h - uncovered_s / 3_600):.1f} of {wanted_h:.1f} h"

    @property
    def to_do(self) -> str:
        """Return the step, and that it takes the place of a day that counts as absent."""
        from ..databento.l2_builder import REPLACES_SYNTHETIC

        stored = self.stored if self.view is None else self.view.stored
        replaces = stored is not None and not self.is_current and self.builder.replaces(stored)
        return f"{self.step} ({REPLACES_SYNTHETIC})" if replaces else self.step

    @property
    def calendar(self) -> str:
        """Return what the calendar says."""
        session = self.session
        if session is None:
            return ""
        if not session.is_open:
            return f"closed: {session.reason or 'no session'}"
        return f"half day: {session.reason}" if session.is_half_day else "open"

    @property
    def window(self) -> tuple[str, str] | None:
        """Return the window that is wanted, UTC, ISO 8601."""
        if self.target is None:
            return None
        start, end = self.target.window
        return start.isoformat(), end.isoformat()

    @property
    def condition_text(self) -> str | None:
        """Return the vendor's condition, with the date of a revision that is younger than the stored day."""
        told = self.condition
        if told is None and self.view is not None and self.view.offer is not None:
            told = self.view.offer.condition
        if told is None:
            return None
        stored = None if self.view is None or self.view.stored is None else self.view.stored.facts.get("last_modified")
        if stored is None or told.last_modified is None or told.last_modified.isoformat() == stored:
            return told.condition.value
        return f"{told.condition.value}, revised {told.last_modified}"

    @property
    def reason(self) -> str | None:
        """Return why the task ends without data, or what is remarkable about it."""
        if self.error is not None:
            return f"{self.error.code} {self.error.what}"
        if self.view is not None and not self.is_current:
            return self.view.reason
        # A day that stays as it is for a reason, and one whose session has not opened.
        why = None if self.planned is None or not self.planned.why else self.planned.why
        return why if self.is_current or self.view is None else None

    def as_json(self) -> dict[str, Any]:
        """Return the task for programs."""
        target = self.target
        return {
            "symbol": self.symbol,
            "date": self.trade_date,
            "window": None if self.window is None else dict(zip(("start", "end"), self.window, strict=True)),
            "calendar": self.calendar,
            "condition": self.condition_text,
            "dataset": None if target is None else target.query.dataset,
            "schema": None if target is None else target.query.schema,
            "vendor_symbol": None if target is None else target.vendor_symbol,
            "raw_symbol": None if target is None else target.raw_symbol,
            "records": self.records,
            "bytes": self.billed_bytes,
            "usd": self.cost_usd,
            "disk_bytes": self.disk_bytes,
            "there": self.there,
            "step": self.step,
            "to_do": self.to_do,
            "reason": self.reason,
            "next": None if self.error is None else self.error.next_command,
        }


@dataclass
class L2Work:
    """All tasks of a command.

    Attributes:
        choice: what the command is about.
        tasks: ordered by date, then by symbol as the user listed them.
        assets: symbols among them that have an asset.
    """

    choice: Choice
    tasks: list[L2Task] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)

    @property
    def symbols(self) -> Sequence[str]:
        """Return the symbols as the user listed them."""
        return self.choice.symbols

    @property
    def to_buy(self) -> list[L2Task]:
        """Return the tasks that are paid calls: one of those that ask for the same, such as ``ES`` and ``ES.v.0``."""
        paid: dict[str, L2Task] = {}
        for task in self.tasks:
            if task.is_to_buy and task.view is not None and task.view.target is not None:
                paid.setdefault(task.view.target.query.fingerprint, task)
        return list(paid.values())

    @property
    def is_out_of_reach(self) -> bool:
        """Tell whether no day with a session can be had or even be looked at."""
        steps = {task.step for task in self.tasks} - {"CLOSED"}
        return bool(steps) and steps <= {"UNAVAIL", "ERROR"}


@contextmanager
def open_if_needed(
    home: Home, vendor: Vendor, symbols: Sequence[str], *, always: bool = False
) -> Iterator[Platform | None]:
    """Open the platform for the length of the block if one of the symbols has an asset; Dagster is not even imported otherwise."""
    from ..l2.watchlist_days import with_own_asset

    if not always and not with_own_asset(vendor.registry) & set(symbols):
        yield None
        return
    put_repository_on_path()
    from resources.databento import SharedVendor

    with open_platform(home, {"databento": SharedVendor(vendor)}) as platform:
        yield platform


def gather(
    platform: Platform | None,
    vendor: Vendor,
    lake: LocalLake,
    clock: Clock,
    choice: Choice,
    *,
    force: bool = False,
    conditions: bool = False,
) -> L2Work:
    """Find out what every symbol and date needs; asks the vendor what is free for days that are not there.

    Args:
        platform: the opened installation; None if none of the symbols has an asset.
        vendor: of this command.
        lake: where days are stored.
        clock: time of day.
        choice: symbols and trade dates.
        force: every day is to be done.
        conditions: ask the vendor's condition of days that are there, too.
    """
    from ..databento.l2_builder import L2Builder

    states = {} if platform is None else _asset_states(platform, choice, force=force)
    work = L2Work(choice=choice, assets=[symbol for symbol in choice.symbols if symbol in states])
    builders = {symbol: L2Builder(symbol, lake, vendor, clock) for symbol in choice.symbols}
    for symbol, day in choice.tasks:
        work.tasks.append(L2Task(symbol, day, builders[symbol], states.get(symbol, {}).get(day)))
    with ThreadPoolExecutor(max_workers=vendor.settings.l2_max_workers) as pool:
        list(pool.map(lambda task: _look(task, vendor, force=force, conditions=conditions), work.tasks))
    return work


def ranges_of(tasks: Iterable[tuple[str, date]], symbols: Sequence[str]) -> list[tuple[list[str], date, date]]:
    """Return ranges that hold exactly the tasks of some symbols: those with the same days together, one range per stretch of days."""
    from jobs.ranges import contiguous_chunks

    days: dict[str, list[date]] = {symbol: [] for symbol in symbols}
    for symbol, day in tasks:
        if symbol in days:
            days[symbol].append(day)
    together: dict[tuple[date, ...], list[str]] = {}
    for symbol, those in days.items():
        together.setdefault(tuple(those), []).append(symbol)
    return [(named, c[0], c[-1]) for those, named in together.items() for c in contiguous_chunks(those, len(those))]


def _asset_states(platform: Platform, choice: Choice, *, force: bool) -> dict[str, dict[date, PlannedDay]]:
    """Return what the materialization state says, day by day, of the symbols that have an asset."""
    import dagster as dg

    from jobs.backfill import Backfill, BackfillRequest, Reporter
    from jobs.planning import Mode

    known = platform.defs.resolve_asset_graph().get_all_asset_keys()
    with_asset = [symbol for symbol in choice.symbols if dg.AssetKey([symbol, "l2"]) in known]
    engine = Backfill(platform.defs, platform.instance, platform.home.cache_dir / "claims", Reporter())
    states: dict[str, dict[date, PlannedDay]] = {}
    for named, first, last in ranges_of(choice.tasks, with_asset):
        keys = [dg.AssetKey([symbol, "l2"]) for symbol in named]
        request = BackfillRequest(keys, first, last, Mode.FORCE if force else Mode.DEFAULT)
        for report in engine.plan(request):
            states.setdefault(report.key.path[0], {}).update({day.trade_date: day for day in report.planned})
    return states


def _look(task: L2Task, vendor: Vendor, *, force: bool, conditions: bool) -> None:
    """Fill in what is known of a task."""
    is_current = task.planned is not None and task.planned.state == "current"
    is_open = task.planned is None or task.planned.state != "not open"
    try:
        task.session = task.builder.calendar.session(task.trade_date)
        if task.session.is_open and is_open:
            task.target = vendor.target(task.symbol, task.session)
        task.view = task.builder.view(task.trade_date)
        if not force:
            is_stored = task.planned is None and task.builder.is_current(task.view)
            task.is_current = is_current or is_stored
        if conditions and task.target is not None:
            task.condition = _condition(task.target.query.dataset, task.trade_date, vendor)
    except PlatformError as error:
        task.error = error
        task.stored = task.builder.stored(task.trade_date)
        task.is_current = is_current


def _condition(dataset: str, day: date, vendor: Vendor) -> DayCondition | None:
    try:
        return vendor.condition(dataset, day)
    except VendorError:
        return None


def _outcome_of(error: PlatformError) -> str:
    from ..databento.client import outcome_of

    return outcome_of(error) if isinstance(error, VendorError) else "ERROR"
