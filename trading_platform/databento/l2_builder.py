"""The dataset ``<SYM>/l2``: one trade date of one symbol, bought once and converted as often as needed.

Belongs here: ``L2Builder``: what a day needs, in the order that costs nothing first, and its rows. Does not belong here: the vendor
(``vendor.py``), decoding (``convert.py``), judgement (``checks.py``), commit and events.

Order of questions: calendar, what is stored, what lies in the cache of raw files; only then the vendor, and of him first what is free. A
stored day whose inputs have not changed asks nobody. The raw file is bought in ``build`` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from functools import cached_property
from typing import ClassVar, Final

from ..clock import Clock
from ..errors import LakeError, PlatformError, RefusedError, VendorError, command
from ..files import sha256_of
from ..lake import (
    BuildReport,
    CheckResult,
    DatasetContract,
    DayPlan,
    Footer,
    Json,
    Lake,
    Outcome,
    PartitionWriter,
    SourceSlice,
    fingerprint_of,
)
from ..lake.building import DayEndsError
from ..lake.contracts import L2
from ..sessions import Session, TradingCalendar, calendar_for
from .budget import PlannedDay
from .checks import CHECKS, check_l2
from .client import outcome_of
from .conditions import DEGRADED, LICENSED_AGE
from .convert import Part, convert_parts, ns_of, select, stored_facts, trading_hours
from .day_view import DayView
from .dbn import DbnFile
from .preview import L2Preview
from .query import instant_of
from .source_facts import purchase, source_facts
from .targets import DayTarget
from .vendor import Offer, Piece, Vendor, wrong_kind

REPLACES_SYNTHETIC: Final = "the stored day is synthetic"


class L2Builder:
    """Builds any day of ``<SYM>/l2``.

    Args:
        symbol: first part of the asset key: root of a future, share, or any name that the vendor or the mapping file knows.
        lake: where stored days are.
        vendor: of this run.
        clock: decides what has opened and what may be asked.

    Raises:
        RefusedError: E365 a symbol in small letters, and the mapping file is not valid.

    Attributes:
        CODE_VERSION: version of the transformation, for asset definitions.
        CHECKS: names of the checks and what they demand.
    """

    CODE_VERSION: ClassVar[str] = "1"
    CHECKS: ClassVar[Mapping[str, str]] = CHECKS

    def __init__(self, symbol: str, lake: Lake, vendor: Vendor, clock: Clock) -> None:
        self._symbol = vendor.canonical(symbol)
        self._lake = lake
        self._vendor = vendor
        self._clock = clock

    @property
    def contract(self) -> DatasetContract:
        """Return the contract of the dataset."""
        return L2

    @property
    def symbol(self) -> str:
        """Return the first part of the asset key."""
        return self._symbol

    @property
    def code_version(self) -> str:
        """Return the version of the transformation."""
        return self.CODE_VERSION

    @cached_property
    def calendar(self) -> TradingCalendar:
        """Return the calendar of the symbol.

        Raises:
            RefusedError: E365, E388.
        """
        return calendar_for(self._vendor.market(self.symbol).calendar)

    def view(self, trade_date: date) -> DayView:
        """Find out all about a day that is free, asking the vendor only if neither lake nor cache has the day.

        Raises:
            VendorError: the vendor cannot be asked or refuses; E342; E382 he contradicts himself. RefusedError: E340, E365 to E367, E385,
                E387 to E389.
        """
        session = self.calendar.session(trade_date)
        opens_at = session.opens_at
        if opens_at is None:
            closed = session.reason or "no session on this date"
            return DayView(session, stored=self._footer(trade_date), decided=Outcome.CLOSED, reason=closed)
        stored = self._footer(trade_date)
        if stored is None and self._clock.now() < opens_at:
            # Nobody needs to be asked what a continuous symbol means on a day that cannot be there yet.
            return self._pending(session, f"the session opens {opens_at:%Y-%m-%d %H:%M} UTC")
        target = self._vendor.target(self.symbol, session)
        if stored is not None and stored.rows and not stored.synthetic and self._vendor.synthetic:
            error = self._kept(session)
            return DayView(session, target, stored, decided=Outcome.UNAVAIL, reason=error.what, error=error)
        renews = False
        if not self._vendor.rebuy:
            pieces = self._vendor.pieces(target, session)
            renews = bool(pieces) and self._vendor.is_revised(pieces[0], trade_date)
            if pieces and not renews:
                return DayView(session, target, stored, pieces)
            if not pieces and stored is not None and self._answers(stored, target, session):
                return self._view_without_raw(session, target, stored)
        return self._view_by_offer(session, target, stored, renews=renews)

    def plan(self, trade_date: date) -> DayPlan:
        """Resolve a day; see :meth:`view`.

        Returns:
            CLOSED without a session; PENDING (E380) before there can be data; EMPTY if the vendor has counted none; MISSING (E381); UNAVAIL
            if the vendor cannot be used (E33x), real rows would be replaced by synthetic ones (E384), or the raw file is gone (E383);
            otherwise undecided, with dataset, raw symbol and windows as resolved inputs.

        Raises:
            VendorError: what is an error of this day alone.
        """
        try:
            view = self.view(trade_date)
        except VendorError as error:
            if outcome_of(error) != Outcome.UNAVAIL.value:
                raise
            session = self.calendar.session(trade_date)
            return DayPlan(trade_date, session, Outcome.UNAVAIL, error.what, error, complete=False)
        return self._plan_of(view)

    def prepare(self, days: Sequence[date]) -> None:
        """Look at what all days of a run cost together; if that is too much, none of them is bought and each ends UNAVAIL."""

        def look(day: date) -> tuple[DayTarget, PlannedDay] | None:
            try:
                view = self.view(day)
            except PlatformError:
                return None  # becomes the outcome of that day
            if not view.is_to_buy or view.target is None:
                return None
            return view.target, PlannedDay(self.symbol, day, view.cost_usd)

        # A run of a year asks the vendor about every day that is not there.
        with ThreadPoolExecutor(max_workers=self._vendor.settings.l2_max_workers) as pool:
            wanted = [one for one in pool.map(look, days) if one is not None]
        try:
            self._vendor.admit(wanted)
        except PlatformError:
            return  # remembered by the vendor, who now refuses each of them

    def is_current(self, view: DayView) -> bool:
        """Tell whether the stored partition is what the view would make."""
        if view.stored is None or view.is_to_buy or (view.decided is not None and not view.decided.is_materialized):
            return False
        plan = self._plan_of(view)
        sources = () if view.decided is not None else self.hash_sources(plan)
        return fingerprint_of(self, plan, sources) == view.stored.fingerprint

    def replaces(self, stored: Footer) -> bool:
        """Tell whether a stored day counts as absent: it was generated by a stand-in, and this is the vendor."""
        return stored.synthetic and not self._vendor.synthetic

    def stored(self, trade_date: date) -> Footer | None:
        """Return the footer of the stored day; a damaged file counts as none."""
        return self._footer(trade_date)

    def download(self, trade_date: date) -> bool:
        """Bring the raw file of a day into the cache, so that building it later pays nothing; True if it was bought now.

        Raises:
            VendorError: as :meth:`view`, and as the purchase ends.
        """
        view = self.view(trade_date)
        if not view.is_to_buy or view.target is None or view.offer is None:
            return False
        return self._buy(view.target, trade_date, view.offer, renew=view.renews).raw.is_new

    def hash_sources(self, plan: DayPlan, *, verify: bool = False) -> tuple[SourceSlice, ...]:
        """Return name and sha256 of the raw files: from their sidecars, or from the stored day; none if still to be bought.

        Args:
            plan: undecided.
            verify: hash the files again.
        """
        view = _view_of(plan)
        if view.keeps and view.stored is not None:
            return view.stored.sources
        if not verify:
            return tuple(SourceSlice(piece.raw.path.name, piece.raw.sha256) for piece in view.pieces)
        return tuple(SourceSlice(piece.raw.path.name, sha256_of(piece.raw.path)) for piece in view.pieces)

    def build(self, plan: DayPlan, writer: PartitionWriter) -> BuildReport:
        """Buy the raw file if it is not at hand, then verify, convert and measure in one pass over it.

        Raises:
            DayEndsError: UNAVAIL: the vendor cannot be used now, or the budget does not allow it.
            VendorError: E303 to E311 a file is not what it should be; E334 to E362 as the purchase ended.
            RefusedError: E355, E357, E386.
            RawFileGoneError: E383.
        """
        view = _view_of(plan)
        if view.target is None:
            raise TypeError(f"Expected a plan with a target, was {plan}")
        try:
            pieces = self._raw_files(view, view.target, plan.trade_date)
        except VendorError as error:
            if outcome_of(error) == Outcome.UNAVAIL.value:
                raise DayEndsError(Outcome.UNAVAIL, error) from error
            raise
        preview = L2Preview(_pictured(plan.session, pieces))
        with ExitStack() as files:
            parts = [self._part(files, piece, view.target, plan) for piece in pieces]
            done = convert_parts(parts, writer, hours=trading_hours(plan.session), preview=preview)
        return BuildReport(
            sources=tuple(SourceSlice(piece.raw.path.name, piece.raw.sha256) for piece in pieces),
            facts={**source_facts(view.target, plan.session, pieces), **done.facts},
            rejected=done.rejected,
            preview=preview.preview(),
            degraded=DEGRADED if any(piece.raw.condition == "degraded" for piece in pieces) else None,
            details=purchase(pieces),
        )

    def check(self, facts: Mapping[str, Json], session: Session) -> tuple[CheckResult, ...]:  # noqa: ARG002
        """Judge a day by its facts."""
        return check_l2(facts)

    def measure(self, trade_date: date) -> Mapping[str, Json]:
        """Recompute the facts of the stored rows.

        Returns:
            Empty if the day has no file or no rows.

        Raises:
            LakeError: E505 if the stored file is damaged.
        """
        footer = self._lake.footer(L2.name, self.symbol, trade_date)
        if footer is None or not footer.facts:
            return {}
        session = self.calendar.session(trade_date)
        return stored_facts(self._lake.path(L2.name, self.symbol, trade_date), trading_hours(session))

    def _plan_of(self, view: DayView) -> DayPlan:
        session, day = view.session, view.session.trade_date
        resolved = {} if view.target is None else view.target.resolved(view.windows_ns)
        if view.decided is not None:
            return DayPlan(
                day,
                session,
                view.decided,
                view.reason,
                view.error,
                resolved=resolved,
                complete=view.decided.is_materialized,
                synthetic=self._vendor.synthetic and view.decided is Outcome.EMPTY,
                detail=view,
            )
        synthetic = view.stored.synthetic if view.keeps and view.stored is not None else self._vendor.synthetic
        details = purchase(view.pieces) if view.pieces else {}
        return DayPlan(day, session, resolved=resolved, synthetic=synthetic, detail=view, details=details)

    def _view_without_raw(self, session: Session, target: DayTarget, stored: Footer) -> DayView:
        """Return a stored day whose raw file is not at hand: it stays as it is, and is not bought again in silence."""
        if stored.outcome is Outcome.EMPTY:
            return DayView(session, target, stored, decided=Outcome.EMPTY, reason=stored.reason)
        view = DayView(session, target, stored, keeps=True)
        if fingerprint_of(self, self._plan_of(view), stored.sources) == stored.fingerprint:
            return view
        error = self._raw_gone(session.trade_date)
        return DayView(session, target, stored, decided=Outcome.UNAVAIL, reason=error.what, error=error)

    def _view_by_offer(self, session: Session, target: DayTarget, stored: Footer | None, *, renews: bool) -> DayView:
        end = target.window[1]
        if self._clock.now() < end + LICENSED_AGE:
            reason = f"its window ends {end:%Y-%m-%d %H:%M} UTC, and data younger than 24 hours need a live licence"
            return self._pending(session, reason, target, stored)
        offer = self._vendor.offer(target, session)
        decision, day = offer.decision, session.trade_date
        if decision.downloads:
            replaced = REPLACES_SYNTHETIC if stored is not None and self.replaces(stored) else None
            told = "; ".join(text for text in (replaced, decision.reason) if text) or None
            return DayView(session, target, stored, renews=renews, offer=offer, reason=told)
        outcome = Outcome(decision.outcome)
        if outcome is Outcome.ERROR:
            raise VendorError(
                "E382",
                f"{self.symbol}/l2 {day}: {decision.reason}",
                "nothing was paid; the day is asked for again by the next run",
                _l2("plan", self.symbol, day),
            )
        if outcome is Outcome.PENDING:
            return self._pending(session, decision.reason or "the vendor has not got it yet", target, stored, offer)
        error: VendorError | None = None
        if outcome is Outcome.MISSING:
            error = VendorError(
                "E381",
                f"{self.symbol}/l2 {day} is not to be had: {decision.reason}",
                "nothing was paid; an older partition of the day is intact",
                _l2("plan", self.symbol, day),
            )
        return DayView(session, target, stored, offer=offer, decided=outcome, reason=decision.reason, error=error)

    def _pending(
        self,
        session: Session,
        reason: str,
        target: DayTarget | None = None,
        stored: Footer | None = None,
        offer: Offer | None = None,
    ) -> DayView:
        day = session.trade_date
        error = VendorError(
            "E380",
            f"{self.symbol}/l2 {day} cannot be made yet: {reason}",
            "nothing was paid; an older partition of the day is intact, and the next backfill tries again",
            _l2("backfill", self.symbol, day),
        )
        return DayView(session, target, stored, offer=offer, decided=Outcome.PENDING, reason=error.what, error=error)

    def _kept(self, session: Session) -> RefusedError:
        day = session.trade_date
        return RefusedError(
            "E384",
            f"{self.symbol}/l2 {day} holds real rows, and the gateway is a stand-in with synthetic ones",
            "real rows are never replaced by synthetic ones; the stored day stays as it is",
            "tp config",
        )

    def _answers(self, stored: Footer, target: DayTarget, session: Session) -> bool:
        """Tell whether a stored day is the answer to the present question; one without facts says so by its fingerprint alone."""
        if stored.outcome is Outcome.EMPTY and not stored.facts:
            view = DayView(session, target, stored, decided=Outcome.EMPTY, reason=stored.reason)
            return fingerprint_of(self, self._plan_of(view), ()) == stored.fingerprint
        return stored.synthetic == self._vendor.synthetic and stored.facts.get("query") == target.query.fingerprint

    def _raw_gone(self, day: date) -> RefusedError:
        return RefusedError(
            "E383",
            f"{self.symbol}/l2 {day} cannot be made anew: its raw file was paid for and is not in the cache any more",
            "the stored rows stay as they are; it is not bought again by itself: take a copy with tp l2 import FILE, or the next command "
            "pays once more",
            _l2("backfill", self.symbol, day, "--force"),
        )

    def _raw_files(self, view: DayView, target: DayTarget, trade_date: date) -> list[Piece]:
        if view.keeps:
            raise self._raw_gone(trade_date)
        if view.pieces:
            return [self._vendor.checked(piece) for piece in view.pieces]
        if view.offer is None:
            raise TypeError(f"Expected an offer, was {view}")
        return [self._buy(target, trade_date, view.offer, renew=view.renews)]

    def _buy(self, target: DayTarget, trade_date: date, offer: Offer, *, renew: bool) -> Piece:
        raw = self._vendor.fetch(target, trade_date, offer, renew=renew)
        return Piece(raw, target.query.start_ns, target.query.end_ns)

    def _part(self, files: ExitStack, piece: Piece, target: DayTarget, plan: DayPlan) -> Part:
        file = files.enter_context(DbnFile(piece.raw.path))
        if file.synthetic != plan.synthetic:
            raise wrong_kind(file.name, synthetic=file.synthetic)
        selection = select(
            file,
            piece.symbol_in_file,
            plan.session,
            raw_symbol=target.raw_symbol,
            window_ns=(piece.start_ns, piece.end_ns),
            on=_mapped_on(file, piece, target, plan.trade_date),
        )
        return Part(file, selection, self._vendor.expectation(piece))

    def _footer(self, trade_date: date) -> Footer | None:
        """Return the footer of the stored day; a damaged file counts as none."""
        try:
            return self._lake.footer(L2.name, self.symbol, trade_date)
        except LakeError as error:
            if error.code == "E505":
                return None
            raise


def _mapped_on(file: DbnFile, piece: Piece, target: DayTarget, trade_date: date) -> date:
    """Return the date whose mapping counts: the trade date, or the last one of a daily file that ends the evening before it.

    A contract keeps its number for the session; a rule may not, so its name counts on the trade date only.
    """
    last = instant_of(piece.end_ns - 1).date()
    intervals = file.metadata.mappings.get(piece.symbol_in_file, ())
    is_covered = any(first <= trade_date < end for first, end, _ in intervals)
    return trade_date if is_covered or piece.symbol_in_file != target.raw_symbol else min(trade_date, last)


def _pictured(session: Session, pieces: Sequence[Piece]) -> tuple[int, int]:
    """Return what the picture spans: trading hours, or all of what the user imported, which may lie outside them."""
    if session.opens_at is None or session.closes_at is None or any(piece.is_imported for piece in pieces):
        return pieces[0].start_ns, pieces[-1].end_ns
    return ns_of(session.opens_at), ns_of(session.closes_at)


def _view_of(plan: DayPlan) -> DayView:
    if not isinstance(plan.detail, DayView):
        raise TypeError(f"Expected a plan of L2Builder.plan, was {plan}")
    return plan.detail


def _l2(verb: str, symbol: str, day: date, *options: str) -> str:
    return command("tp", "l2", verb, "--symbols", symbol, "--from", day, "--to", day, *options)
