"""A sensor that keeps ``watchlist/l2`` equal to the list of TP_WATCHLIST.

It compares the symbols of each day with those that it saw last, and requests the days that changed and have a file to make: that of a
symbol which is new, or was never stored. Days on which symbols were only taken off the list need nothing. A requested day that is not
stored a day later (the vendor had it not yet, or a limit was reached) is requested again, ``MAX_ATTEMPTS`` times in all, and then left to
a person. It spends money, so it is off until a person switches it on. Belongs here: the definition, its memory, the choice of days. Does
not belong here: reading lists (``trading_platform/l2/watchlist.py``), whether a day is done (``jobs/planning.py``).
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import structlog

from assets import keys
from assets.builders import RESOURCE_KEYS, Workbench
from assets.l2 import DAYS_PER_RUN
from assets.partitions import TRADE_DATES
from jobs.claims import claimed_partitions, partition_name
from jobs.planning import Mode, plan_days
from jobs.ranges import TAG_RANGE_END, TAG_RANGE_START, contiguous_chunks
from trading_platform.errors import ConfigurationError, ExecutionError, QualityError, command
from trading_platform.l2.watchlist import Watchlist, read_watchlist
from trading_platform.l2.watchlist_days import no_watchlist
from trading_platform.words import are, counted

NAME = "watchlist"
DAY_GIVEN_UP = "watchlist_day_given_up"
ALERTS: Mapping[str, str] = {DAY_GIVEN_UP: "docs/runbook.md#watchlist-day-given-up"}
"""Names of the log lines that this sensor writes, with the entry of the runbook."""

MAX_ATTEMPTS = 3
# What the vendor had not yet, and what a limit per UTC day did not allow, may be had a day later.
ASK_AGAIN_AFTER = timedelta(days=1)
# A look must end long before Dagster gives it up after a minute; the rest is for the next look.
MOST_DAYS_PER_LOOK = 50
_log = structlog.get_logger()


@dataclass
class AskedDay:
    """A day that was requested and is not known to be stored.

    Attributes:
        digest: of its symbols.
        attempts: how often it was requested.
        due: ISO instant at which it is looked at again.
        is_left_alone: it was requested often enough; a person has been told.
    """

    digest: str
    attempts: int
    due: str
    is_left_alone: bool = False


@dataclass
class WatchlistMemory:
    """What the sensor remembers between two looks.

    Attributes:
        file: path, size, times and inode of the list when all its days had been looked at.
        days: digest of the symbols of each day on which nothing was to do.
        next_due: ISO instant at which the first day is to be looked at that cannot be had yet, or was requested; empty if there is none.
        asked: days that were requested, until nothing is to do on them.
    """

    file: list[str | int] = field(default_factory=list)
    days: dict[str, str] = field(default_factory=dict)
    next_due: str = ""
    asked: dict[str, AskedDay] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> "WatchlistMemory":
        """Read a cursor; one that is no memory of ours counts as none, which costs one more look at every day."""
        try:
            values = json.loads(text or "{}")
            asked = {day: AskedDay(**entry) for day, entry in values.get("asked", {}).items()}
            return cls(list(values["file"]), dict(values["days"]), str(values["next_due"]), asked)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def dump(self) -> str:
        """Return the cursor."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def keep(self, listed: Mapping[str, str]) -> None:
        """Forget days that are not listed any more, and requests for other symbols than those listed now."""
        self.days = {day: digest for day, digest in self.days.items() if day in listed}
        self.asked = {day: entry for day, entry in self.asked.items() if entry.digest == listed.get(day)}

    def settle(self, day: date, digest: str) -> None:
        """Remember that nothing is to do on a day."""
        self.asked.pop(day.isoformat(), None)
        self.days[day.isoformat()] = digest

    def ask(self, day: date, digest: str, now: datetime) -> bool:
        """Count a request; False if there were enough, so that the day is left alone."""
        self.days.pop(day.isoformat(), None)
        entry = self.asked.setdefault(day.isoformat(), AskedDay(digest, 0, ""))
        entry.due = (now + ASK_AGAIN_AFTER).isoformat()
        if entry.attempts < MAX_ATTEMPTS:
            entry.attempts += 1
            return True
        if not entry.is_left_alone:
            entry.is_left_alone = True
            _warn_left_alone(day, entry.attempts)
        return False

    @property
    def left_alone(self) -> list[str]:
        """Return the days that are left to a person, as a part of the text of a look; empty if there are none."""
        days = sorted(day for day, entry in self.asked.items() if entry.is_left_alone)
        return [f"left alone: {', '.join(days)}"] if days else []


def watchlist_sensor(claims_dir: Path, *, interval_s: int) -> dg.SensorDefinition:
    """Define the sensor.

    Args:
        claims_dir: where running backfills claim their partitions.
        interval_s: shortest time between two looks.
    """

    @dg.sensor(
        name=NAME,
        asset_selection=dg.AssetSelection.assets(keys.WATCHLIST),
        minimum_interval_seconds=interval_s,
        default_status=dg.DefaultSensorStatus.STOPPED,
        required_resource_keys=set(RESOURCE_KEYS),
        description=(
            "Looks at the list of TP_WATCHLIST and requests the days of watchlist/l2 whose symbols changed and are not all stored; on "
            "first sight, all listed days that are not. Off at first, as its runs spend money, within the limits per run, day and month."
        ),
    )
    def look_at_list(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with Workbench.from_context(context) as workbench:
            path = workbench.vendor.settings.watchlist
            try:
                if path is None:
                    raise no_watchlist()
                memory = WatchlistMemory.parse(context.cursor)
                return _look(path, memory, workbench, context.instance, claims_dir, context.log)
            except (ConfigurationError, QualityError) as error:
                # The memory stays: when the list can be read again, it is compared with what it was.
                reason = f"{error.code} {error.what}; next: {error.next_command}"
                return dg.SensorResult(skip_reason=reason, cursor=context.cursor)

    return look_at_list


def _look(
    path: Path,
    memory: WatchlistMemory,
    workbench: Workbench,
    instance: dg.DagsterInstance,
    claims_dir: Path,
    log: logging.Logger,
) -> dg.SensorResult:
    now = workbench.clock.now()
    seen = _stat(path)
    if seen == memory.file and not (memory.next_due and now >= datetime.fromisoformat(memory.next_due)):
        return dg.SensorResult(
            skip_reason=", ".join([f"{path.name} has not changed", *memory.left_alone]), cursor=memory.dump()
        )
    watchlist = read_watchlist(path)
    listed = digests(watchlist)
    memory.keep(listed)
    asked = [date.fromisoformat(day) for day, entry in memory.asked.items() if datetime.fromisoformat(entry.due) <= now]
    changed = [
        date.fromisoformat(day)
        for day, digest in listed.items()
        if memory.days.get(day) != digest and day not in memory.asked
    ]
    open_days = [day for day in changed if TRADE_DATES.has_partition_key(day.isoformat()) and _due_at(day) <= now]
    open_days = sorted([*open_days, *asked])
    later = [day for day in changed if day.weekday() < 5 and _due_at(day) > now]
    held = _held(open_days, claims_dir)
    chosen = [day for day in open_days if day not in held][:MOST_DAYS_PER_LOOK]
    planned = plan_days(keys.WATCHLIST, workbench, instance, chosen, Mode.DEFAULT)
    to_run = []
    for one in planned:
        digest = listed[one.trade_date.isoformat()]
        if not one.is_to_run:
            memory.settle(one.trade_date, digest)
        elif memory.ask(one.trade_date, digest, now):
            to_run.append(one.trade_date)
    is_through = len(chosen) == len(open_days)
    memory.file = seen if is_through else []
    dues = [*map(_due_at, later), *(datetime.fromisoformat(entry.due) for entry in memory.asked.values())]
    memory.next_due = min(dues).isoformat() if dues else ""
    requests = [_request(days, memory.asked, seen) for days in contiguous_chunks(to_run, DAYS_PER_RUN)]
    text = _tell(watchlist, chosen, to_run, later, held, waiting=len(open_days) - len(held) - len(chosen))
    text = ", ".join([text, *memory.left_alone])
    if requests:
        log.info(text)
        return dg.SensorResult(run_requests=requests, cursor=memory.dump())
    return dg.SensorResult(skip_reason=text, cursor=memory.dump())


def _warn_left_alone(day: date, attempts: int) -> None:
    key = keys.WATCHLIST.to_user_string()
    error = ExecutionError(
        "E618",
        f"{key} {day} is left alone after {attempts} attempts, a day or more apart: not all of its files are stored",
        "its partition page says why each attempt failed; it is asked for again when its symbols change; what is stored is kept",
        command("tp", "backfill", key, "--from", day, "--to", day),
    )
    runbook = ALERTS[DAY_GIVEN_UP]
    _log.warning(DAY_GIVEN_UP, code=error.code, error=error.what, runbook=runbook, next=error.next_command)


def digests(watchlist: Watchlist) -> dict[str, str]:
    """Return a digest of the symbols of each listed day, by date, ascending."""
    symbols: dict[str, list[str]] = {}
    for task in watchlist.tasks:
        symbols.setdefault(task.trade_date.isoformat(), []).append(task.symbol)
    return {day: _digest(names) for day, names in symbols.items()}


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _stat(path: Path) -> list[str | int]:
    """Return what tells one state of the list from another; a list that is not there has none, and reading it will say so."""
    try:
        found = path.stat()
    except OSError:
        return []
    return [str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _due_at(day: date) -> datetime:
    """Return when a day can be had: without a live licence that is 24 hours after its window ends, on the evening of the day itself."""
    return datetime.combine(day + timedelta(days=2), time(0), UTC)


def _held(days: Sequence[date], claims_dir: Path) -> frozenset[date]:
    """Return the days that a running backfill makes; it may have planned them before the list changed."""
    claimed = claimed_partitions(claims_dir) if days else frozenset()
    name = keys.WATCHLIST.to_user_string()
    return frozenset(day for day in days if partition_name(name, day.isoformat()) in claimed)


def _request(days: Sequence[date], asked: Mapping[str, AskedDay], seen: Sequence[str | int]) -> dg.RunRequest:
    first, last = days[0].isoformat(), days[-1].isoformat()
    entries = [asked[day.isoformat()] for day in days]
    # Dagster drops a request whose key it has seen. With the attempt, which has a key of its own, and with the state of the file: a list
    # that goes back to what it was asks again for what is still not there.
    digest = _digest([*(f"{entry.digest} {entry.attempts}" for entry in entries), *map(str, seen)])
    return dg.RunRequest(
        run_key=f"{keys.WATCHLIST.to_user_string()} {first} {last} {digest}",
        asset_selection=[keys.WATCHLIST],
        tags={TAG_RANGE_START: first, TAG_RANGE_END: last},
    )


def _tell(
    watchlist: Watchlist,
    chosen: Sequence[date],
    to_run: Sequence[date],
    later: Sequence[date],
    held: Iterable[date],
    *,
    waiting: int,
) -> str:
    parts = [
        f"{watchlist.path.name}: {counted(len(watchlist.tasks), 'task')}",
        f"{counted(len(chosen), 'day')} looked at, {len(to_run)} to make",
    ]
    if watchlist.refused:
        parts.append(f"{counted(len(watchlist.refused), 'row')} cannot be used, first row {watchlist.refused[0].row}")
    held_days = len(list(held))
    parts += [
        f"{counted(count, 'day')} {what}"
        for count, what in (
            (len(later), "cannot be had yet"),
            (held_days, f"{are(held_days)} being made by a backfill"),
            (waiting, f"{are(waiting)} left to the next look"),
        )
        if count
    ]
    return ", ".join(parts)
