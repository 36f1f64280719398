"""From days that may have changed to requests for runs: what to make, when, how often, and when to leave it alone.

Belongs here: comparing queued days within a budget of time, following requested days until their footer carries the wanted fingerprint,
retries with growing pauses. The decision about a day is that of ``planning``. Does not belong here: watching files (``watching.py``),
Dagster's sensors (``sensors/new_files.py``, ``sensors/new_gamma_files.py``).

Three rules of Dagster shape this module. A range run whose first asset fails on one day starts none of the assets after it, so a failed
day is tried again alone. Dagster drops a request whose key it has seen, so every attempt has a key of its own. Its own retries are off for
failing days (``dagster.yaml``), so these are the only ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import dagster as dg

from assets.builders import Workbench, builder_for
from assets.metadata import ERROR_CODE
from trading_platform.errors import ExecutionError, LakeError, PlatformError, command
from trading_platform.lake.building import DayBuilder, present_fingerprint
from trading_platform.sessions import Session, calendar_for

from .claims import partition_name
from .planning import DayState, Mode, plan_days
from .ranges import TAG_RANGE_END, TAG_RANGE_START, contiguous_chunks
from .watch_cursor import FINGERPRINT_DIGITS, PendingDay, Wanted

TAG_REQUEST: Final = "tp/request"
TAG_WATCH: Final = "tp/watch"
TAG_ATTEMPT: Final = "tp/attempt"
MAX_ATTEMPTS: Final = 3
DAYS_PER_RUN: Final = 60
# A day whose comparison fails, or that was given up, is looked at again after this time: a person may have repaired it.
LOOK_AGAIN_S: Final = 300
# The pause before the third attempt, in pauses before the second.
PAUSE_GROWTH: Final = 5
# The same for a day that still trades: its content changes all the time, so it is never left alone, but tried more and more rarely.
LIVE_PAUSE_GROWTH: Final = 4
LONGEST_LIVE_PAUSE_S: Final = 3600
# A request that has no run yet is being submitted; after this time it was lost (the daemon was killed) and is made again.
LOST_AFTER_S: Final = 120


@dataclass(frozen=True)
class RefreshSettings:
    """How refreshes are paced.

    Attributes:
        live_interval_s: shortest time between two requests for a day that still trades.
        retry_pause_s: pause before the second attempt at a day; the third waits ``PAUSE_GROWTH`` times as long.
        budget_s: after this time no further day is compared in one look.
    """

    live_interval_s: int = 300
    retry_pause_s: int = 60
    budget_s: float = 20.0


@dataclass(frozen=True)
class Request:
    """Contiguous days of one asset and what is made from it, for one run.

    Attributes:
        name: unique; the run key.
        asset: the asset made from files.
        keys: what to make, upstream first.
        days: contiguous trade dates, ascending.
        attempt: 1 for the first.
        is_live: the day still trades.
    """

    name: str
    asset: str
    keys: tuple[dg.AssetKey, ...]
    days: tuple[date, ...]
    attempt: int
    is_live: bool

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of the run."""
        return {
            TAG_RANGE_START: self.days[0].isoformat(),
            TAG_RANGE_END: self.days[-1].isoformat(),
            TAG_REQUEST: self.name,
            TAG_WATCH: self.asset,
            TAG_ATTEMPT: str(self.attempt),
            # Dagster starts higher numbers first: the day that people look at goes before the past.
            "dagster/priority": "10" if self.is_live else "0",
        }


@dataclass
class Look:
    """What one look has led to.

    Attributes:
        requests: for the daemon.
        compared: days whose content was compared.
        unchanged: those of them that are as they were.
        notes: what people should know, one sentence each.
        given_up: errors of the days that are left alone from now on.
        ended: asset and day of every request that has ended since the last look, well or not.
    """

    requests: list[Request] = field(default_factory=list)
    compared: int = 0
    unchanged: int = 0
    notes: list[str] = field(default_factory=list)
    given_up: list[ExecutionError] = field(default_factory=list)
    ended: list[tuple[str, date]] = field(default_factory=list)


@dataclass(frozen=True)
class _Verdict:
    """What is to do about a day: nothing if ``keys`` is empty and there is no error."""

    keys: tuple[dg.AssetKey, ...] = ()
    wanted: str = ""
    is_live: bool = False
    error: str = ""


class Refresher:
    """Advances a cursor by one look.

    Args:
        workbench: opened resources; its clock is the only one used for decisions.
        instance: where materializations and runs are.
        chains: per asset made from files the keys to make: itself, then what is made from it, upstream first.
        settings: the pace.
        claimed: partitions that a running backfill holds; asked for only if something is due.
        monotonic: seconds that only grow, for the budget.
        also_compared: keys besides the first of a chain that are made from the same files: one that differs is enough for a request.
        makeable: keeps of keys those that can be made on a day, because what else they need is there; None keeps all.
    """

    def __init__(
        self,
        workbench: Workbench,
        instance: dg.DagsterInstance,
        chains: Mapping[str, Sequence[dg.AssetKey]],
        settings: RefreshSettings,
        claimed: Callable[[], AbstractSet[str]],
        monotonic: Callable[[], float],
        *,
        also_compared: AbstractSet[dg.AssetKey] = frozenset(),
        makeable: Callable[[Sequence[dg.AssetKey], date], Sequence[dg.AssetKey]] | None = None,
    ) -> None:
        self._workbench = workbench
        self._instance = instance
        self._chains = chains
        self._settings = settings
        self._claimed = claimed
        self._monotonic = monotonic
        self._also_compared = also_compared
        self._makeable = makeable
        self._now = workbench.clock.now()
        self._now_s = 0
        self._ends_at = 0.0
        self._runs: dict[str, dg.DagsterRun | None] = {}

    def look(self, cursor: Wanted) -> Look:
        """Follow what was requested, compare what is queued, and request what is due.

        Args:
            cursor: changed in place.
        """
        self._now = self._workbench.clock.now()
        self._now_s = int(self._now.timestamp())
        self._ends_at = self._monotonic() + self._settings.budget_s
        self._runs = {}
        result = Look()
        due: dict[str, dict[date, _Verdict]] = {}
        for asset in self._chains:
            pending = cursor.pending.setdefault(asset, {})
            queue = cursor.queue.setdefault(asset, {})
            changed = self._merge(queue, pending)
            due[asset] = {
                **self._follow(asset, pending, changed, result),
                **self._compare(asset, queue, pending, result),
            }
        self._request(cursor, due, result)
        result.notes += _describe(cursor)
        return result

    def _merge(self, queue: dict[date, bool], pending: Mapping[date, PendingDay]) -> set[date]:
        """Take the days out of the queue that are pending already.

        A day whose run is not over stays there, and so does one that trades and may not be requested again yet.
        """
        changed: set[date] = set()
        for day in [day for day in queue if day in pending]:
            entry = pending[day]
            if entry.is_running or (entry.is_live and self._now_s < self._due_at_s(entry)):
                continue
            entry.is_new = queue.pop(day) or entry.is_new
            changed.add(day)
        return changed

    def _follow(
        self, asset: str, pending: dict[date, PendingDay], changed: AbstractSet[date], result: Look
    ) -> dict[date, _Verdict]:
        """Look after the pending days, newest first; return those that are due."""
        due: dict[date, _Verdict] = {}
        for day in sorted(pending, reverse=True):
            entry = pending[day]
            has_ended = entry.is_running and self._has_ended(asset, day, entry)
            if has_ended:
                result.ended.append((asset, day))
            if entry.is_running or not (has_ended or day in changed or self._is_worth_a_look(asset, day, entry)):
                continue
            if self._is_out_of_time(result):
                break
            verdict = self._judge(asset, day, entry, result)
            if self._take(asset, day, verdict, pending, result):
                due[day] = verdict
        return due

    def _compare(
        self, asset: str, queue: dict[date, bool], pending: dict[date, PendingDay], result: Look
    ) -> dict[date, _Verdict]:
        """Compare queued days, newest first, as long as the budget lasts; return those that are due."""
        due: dict[date, _Verdict] = {}
        for day in sorted(queue, reverse=True):
            if day in pending:
                continue
            if self._is_out_of_time(result):
                break
            pending[day] = PendingDay(is_new=queue.pop(day))
            verdict = self._judge(asset, day, pending[day], result)
            if self._take(asset, day, verdict, pending, result):
                due[day] = verdict
            result.unchanged += not verdict.keys and not verdict.error
        return due

    def _is_out_of_time(self, result: Look) -> bool:
        """Tell whether the budget is used up; one day is always compared, so that every look gets further."""
        return result.compared > 0 and self._monotonic() >= self._ends_at

    def _has_ended(self, asset: str, day: date, entry: PendingDay) -> bool:
        """Tell whether the run of the last request has ended, and note how."""
        run = self._run_of(entry.request)
        if run is None:
            if self._now_s - entry.at_s < LOST_AFTER_S:
                return False
            entry.attempts -= 1
        elif not run.is_finished:
            return False
        elif run.status is dg.DagsterRunStatus.SUCCESS:
            entry.error = ""
            entry.attempts = 0 if entry.is_live else entry.attempts
        else:
            entry.error = self._code_of_failure(asset, day, run)
        entry.is_running = False
        return True

    def _run_of(self, request: str) -> dg.DagsterRun | None:
        """Return the run of a request, the unfinished one if there are several (Dagster starts the run of a killed worker again)."""
        if request not in self._runs:
            runs = self._instance.get_runs(dg.RunsFilter(tags={TAG_REQUEST: request}))  # newest first
            self._runs[request] = next((run for run in runs if not run.is_finished), runs[0] if runs else None)
        return self._runs[request]

    def _code_of_failure(self, asset: str, day: date, run: dg.DagsterRun) -> str:
        """Return the number of the error that a run met on a day; empty if it never came to the day, or met none with a number."""
        for key in self._chains[asset]:
            wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day.isoformat()])
            for record in self._instance.fetch_observations(wanted, limit=1).records:
                observation = record.asset_observation
                if record.run_id != run.run_id or observation is None:
                    continue
                if ERROR_CODE in observation.metadata:
                    return str(observation.metadata[ERROR_CODE].value)
                if "error" in observation.metadata:  # made by an older version: the number stands before the text
                    return str(observation.metadata["error"].value)[:4]
        return ""

    def _is_worth_a_look(self, asset: str, day: date, entry: PendingDay) -> bool:
        """Tell whether a day whose source has not changed can be due, without looking at it."""
        if entry.is_given_up or (entry.error and not entry.attempts):
            return self._now_s - entry.at_s >= LOOK_AGAIN_S
        if entry.is_live and not entry.error and not entry.attempts:
            # It is as its source was; it is wanted once more when its session is over.
            return self._session(asset, day).is_final(self._now)
        return self._now_s >= self._due_at_s(entry)

    def _due_at_s(self, entry: PendingDay) -> int:
        """Return when a day may be requested, epoch seconds."""
        settings = self._settings
        if entry.is_live:
            if not entry.at_s:
                return 0
            pause_s = settings.live_interval_s * int(LIVE_PAUSE_GROWTH ** max(0, entry.attempts - 1))
            return entry.at_s + min(pause_s, max(settings.live_interval_s, LONGEST_LIVE_PAUSE_S))
        # Its run did not come to the day, because another one failed: that is no reason to wait.
        if not entry.attempts or not entry.error:
            return 0
        return entry.at_s + settings.retry_pause_s * int(PAUSE_GROWTH ** (entry.attempts - 1))

    def _judge(self, asset: str, day: date, entry: PendingDay, result: Look) -> _Verdict:
        """Compare a day with its source."""
        result.compared += 1
        key = self._chains[asset][0]
        is_live = not self._session(asset, day).is_final(self._now)
        try:
            wanted = self._fingerprint(builder_for(key, self._workbench), day)
            keys = () if wanted is None else self._keys_to_make(asset, day, entry, is_live=is_live)
        except PlatformError as error:
            return _Verdict(is_live=is_live, error=error.code)
        return _Verdict(keys, "" if wanted is None else wanted[:FINGERPRINT_DIGITS], is_live)

    @staticmethod
    def _fingerprint(builder: DayBuilder, day: date) -> str | None:
        """Return the fingerprint that the day would get now; None if there is nothing to make it from."""
        plan = builder.plan(day)
        if plan.decided is not None and not plan.decided.is_materialized:
            return None
        return present_fingerprint(builder, plan)

    def _keys_to_make(self, asset: str, day: date, entry: PendingDay, *, is_live: bool) -> tuple[dg.AssetKey, ...]:
        """Return the assets that are wanted.

        Before the first request the source alone decides: bars that were never made are no reason to make them. Afterwards the day is done
        when everything that was requested is there.
        """
        chain = self._chains[asset]
        from_files = [key for key in chain if key == chain[0] or key in self._also_compared]
        was_requested = bool(entry.request)
        may_be_missing = entry.is_new or was_requested
        if any(self._is_wanted(key, day, is_live=is_live, may_be_missing=may_be_missing) for key in from_files):
            return self._kept(chain, day)
        if not was_requested:
            return ()
        later = [key for key in chain if key not in from_files]
        return tuple(
            key for key in self._kept(later, day) if self._is_wanted(key, day, is_live=is_live, may_be_missing=True)
        )

    def _kept(self, keys: Sequence[dg.AssetKey], day: date) -> tuple[dg.AssetKey, ...]:
        return tuple(keys if self._makeable is None else self._makeable(keys, day))

    def _is_wanted(self, key: dg.AssetKey, day: date, *, is_live: bool, may_be_missing: bool) -> bool:
        if not is_live:
            (planned,) = plan_days(key, self._workbench, self._instance, [day], Mode.DEFAULT)
            return may_be_missing if planned.state is DayState.MISSING else planned.is_to_run
        builder = builder_for(key, self._workbench)
        try:
            footer = self._workbench.lake.footer(builder.contract.name, builder.symbol, day)
        except LakeError:  # damaged: building it again heals it
            return True
        if footer is None:
            return may_be_missing
        wanted = self._fingerprint(builder, day)
        return wanted is not None and wanted != footer.fingerprint

    def _take(self, asset: str, day: date, verdict: _Verdict, pending: dict[date, PendingDay], result: Look) -> bool:
        """Bring the entry of a day up to date; tell whether it is due."""
        entry = pending[day]
        if verdict.error:
            entry.error, entry.at_s, entry.is_live = verdict.error, self._now_s, verdict.is_live
            return False
        if not verdict.keys and not (verdict.is_live and verdict.wanted):
            del pending[day]
            return False
        is_another = verdict.wanted != entry.wanted or not entry.attempts
        if not verdict.keys or entry.is_live != verdict.is_live or (is_another and not verdict.is_live):
            # Done for now, or its session is over, or other content: the failures so far say nothing about it.
            entry.attempts, entry.error, entry.is_given_up = 0, "", False
        entry.wanted, entry.is_live = verdict.wanted, verdict.is_live
        if not verdict.keys:
            return False
        if not entry.is_live and entry.attempts >= MAX_ATTEMPTS:
            if not entry.is_given_up:
                result.given_up.append(given_up(asset, day, entry, self._chains[asset]))
            entry.is_given_up, entry.at_s = True, self._now_s
            return False
        return self._now_s >= self._due_at_s(entry)

    def _request(self, cursor: Wanted, due: Mapping[str, Mapping[date, _Verdict]], result: Look) -> None:
        """Turn due days into requests: contiguous ones together, one that has failed alone."""
        claimed = self._claimed() if any(due.values()) else frozenset()
        for asset, verdicts in due.items():
            pending = cursor.pending[asset]
            groups: dict[tuple[tuple[dg.AssetKey, ...], bool, bool], list[date]] = {}
            for day in sorted(verdicts):
                verdict = verdicts[day]
                if {partition_name(key.to_user_string(), day.isoformat()) for key in verdict.keys} & claimed:
                    result.notes.append(f"{asset} {day.isoformat()} waits for a running backfill")
                    continue
                groups.setdefault((verdict.keys, verdict.is_live, pending[day].attempts > 0), []).append(day)
            for (keys, is_live, is_alone), days in groups.items():
                for chunk in contiguous_chunks(days, 1 if is_alone or is_live else DAYS_PER_RUN):
                    result.requests.append(self._new_request(cursor, asset, keys, chunk, is_live=is_live))

    def _new_request(
        self, cursor: Wanted, asset: str, keys: tuple[dg.AssetKey, ...], days: Sequence[date], *, is_live: bool
    ) -> Request:
        entries = [cursor.pending[asset][day] for day in days]
        cursor.serial += 1
        made_of = [cursor.since, cursor.serial, [key.to_user_string() for key in keys]]
        made_of.append(
            [[day.isoformat(), entry.wanted, entry.attempts] for day, entry in zip(days, entries, strict=True)]
        )
        digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]
        name = f"{asset} {days[0].isoformat()}..{days[-1].isoformat()} {digest}"
        for entry in entries:
            entry.attempts += 1
            entry.request, entry.is_running, entry.at_s = name, True, self._now_s
        return Request(name, asset, keys, tuple(days), max(entry.attempts for entry in entries), is_live)

    def _session(self, asset: str, day: date) -> Session:
        return calendar_for(self._workbench.registry.get(asset.partition("/")[0]).calendar).session(day)


def given_up(asset: str, day: date, entry: PendingDay, chain: Sequence[dg.AssetKey]) -> ExecutionError:
    """Return the error of a day that is left alone, with the command that makes it and what is made from it."""
    text = day.isoformat()
    patterns = dict.fromkeys(f"{key.path[0]}/*" for key in chain)
    return ExecutionError(
        "E606",
        f"{asset} {text} is left alone after {entry.attempts} attempts, the last ended {_number_of(entry)}",
        "the same content fails the same way; it is tried again when its source changes, and older data of the day, if any, are kept",
        command("tp", "backfill", *patterns, "--from", text, "--to", text),
    )


def _number_of(entry: PendingDay) -> str:
    return f"with {entry.error}" if entry.error else "without a number"


def _describe(cursor: Wanted) -> list[str]:
    """Say where the pending days stand; what a person must do comes first."""
    notes: dict[str, list[str]] = {"left alone": [], "cannot be compared": [], "tried again soon": [], "running": []}
    for asset, days in cursor.pending.items():
        for text, entries in _by_state(days).items():
            state, _, code = text.partition("|")
            notes[state].append(f"{asset} {spans(entries)}{f' ({code})' if code else ''}")
    waiting = sum(day not in cursor.pending.get(asset, {}) for asset, days in cursor.queue.items() for day in days)
    described = [f"{state}: {', '.join(texts)}" for state, texts in notes.items() if texts]
    return [*described, *([f"{waiting} days still to compare"] if waiting else [])]


def _by_state(days: Mapping[date, PendingDay]) -> dict[str, list[date]]:
    found: dict[str, list[date]] = {}
    for day in sorted(days):
        entry = days[day]
        if entry.is_given_up:
            state = f"left alone|{entry.error or _number_of(entry)}"
        elif entry.is_running:
            state = "running|"
        elif entry.error:
            state = f"{'tried again soon' if entry.attempts else 'cannot be compared'}|{entry.error}"
        else:
            continue
        found.setdefault(state, []).append(day)
    return found


def spans(days: Sequence[date]) -> str:
    """Return ascending days as text, contiguous ones as a span."""
    found = contiguous_chunks(days, len(days))
    return ", ".join(
        span[0].isoformat() if len(span) == 1 else f"{span[0].isoformat()} to {span[-1].isoformat()}" for span in found
    )
