"""A sensor that keeps ``watchlist/l2`` equal to the list of TP_WATCHLIST.

It compares the symbols of each day with those that it saw last, and requests the days that changed and have a file to make: that of a
symbol which is new, or was never stored. Days on which symbols were only taken off the list need nothing. It spends money, so it is off
until a person switches it on. Belongs here: the definition, its memory, the choice of days. Does not belong here: reading lists
(``trading_platform/l2/watchlist.py``), whether a day is done (``jobs/planning.py``).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg

from assets import keys
from assets.builders import RESOURCE_KEYS, Workbench
from assets.partitions import TRADE_DATES
from assets.watchlist import DAYS_PER_RUN
from jobs.claims import claimed_partitions, partition_name
from jobs.planning import Mode, plan_days
from jobs.ranges import TAG_RANGE_END, TAG_RANGE_START, contiguous_chunks
from trading_platform.errors import ConfigurationError, QualityError
from trading_platform.l2.watchlist import Watchlist, read_watchlist
from trading_platform.l2.watchlist_days import no_watchlist

NAME = "watchlist"
# A look must end long before Dagster gives it up after a minute; the rest is for the next look.
MOST_DAYS_PER_LOOK = 50


@dataclass
class WatchlistMemory:
    """What the sensor remembers between two looks.

    Attributes:
        file: path, size, times and inode of the list when all its days had been looked at.
        days: digest of the symbols of each day that was looked at.
        next_due: ISO instant at which the first day that cannot be had yet can; empty if there is none.
    """

    file: list[str | int] = field(default_factory=list)
    days: dict[str, str] = field(default_factory=dict)
    next_due: str = ""

    @classmethod
    def parse(cls, text: str | None) -> "WatchlistMemory":
        """Read a cursor; one that is no memory of ours counts as none, which costs one more look at every day."""
        try:
            values = json.loads(text or "{}")
            return cls(list(values["file"]), dict(values["days"]), str(values["next_due"]))
        except (ValueError, TypeError, KeyError):
            return cls()

    def dump(self) -> str:
        """Return the cursor."""
        return json.dumps({"file": self.file, "days": self.days, "next_due": self.next_due}, separators=(",", ":"))


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
                return _look(path, WatchlistMemory.parse(context.cursor), workbench, context.instance, claims_dir)
            except (ConfigurationError, QualityError) as error:
                # The memory stays: when the list can be read again, it is compared with what it was.
                reason = f"{error.code} {error.what}; next: {error.next_command}"
                return dg.SensorResult(skip_reason=reason, cursor=context.cursor)

    return look_at_list


def _look(
    path: Path, memory: WatchlistMemory, workbench: Workbench, instance: dg.DagsterInstance, claims_dir: Path
) -> dg.SensorResult:
    now = workbench.clock.now()
    seen = _stat(path)
    if seen == memory.file and not (memory.next_due and now >= datetime.fromisoformat(memory.next_due)):
        return dg.SensorResult(skip_reason=f"{path.name} has not changed", cursor=memory.dump())
    watchlist = read_watchlist(path)
    listed = digests(watchlist)
    memory.days = {day: digest for day, digest in memory.days.items() if day in listed}
    changed = [date.fromisoformat(day) for day, digest in listed.items() if memory.days.get(day) != digest]
    open_days = [day for day in changed if TRADE_DATES.has_partition_key(day.isoformat()) and _due_at(day) <= now]
    later = [day for day in changed if day.weekday() < 5 and _due_at(day) > now]
    held = _held(open_days, claims_dir)
    chosen = [day for day in open_days if day not in held][:MOST_DAYS_PER_LOOK]
    planned = plan_days(keys.WATCHLIST, workbench, instance, chosen, Mode.DEFAULT)
    to_run = [one.trade_date for one in planned if one.is_to_run]
    memory.days |= {day.isoformat(): listed[day.isoformat()] for day in chosen}
    is_through = len(chosen) == len(open_days)
    memory.file = seen if is_through else []
    memory.next_due = min(map(_due_at, later)).isoformat() if later else ""
    requests = [_request(days, listed, seen) for days in contiguous_chunks(to_run, DAYS_PER_RUN)]
    text = _tell(watchlist, chosen, to_run, later, held, waiting=len(open_days) - len(held) - len(chosen))
    if requests:
        return dg.SensorResult(run_requests=requests, cursor=memory.dump())
    return dg.SensorResult(skip_reason=text, cursor=memory.dump())


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


def _request(days: Sequence[date], listed: Mapping[str, str], seen: Sequence[str | int]) -> dg.RunRequest:
    first, last = days[0].isoformat(), days[-1].isoformat()
    # With the state of the file: a list that goes back to what it was asks again for what is still not there.
    digest = _digest([*(listed[day.isoformat()] for day in days), *map(str, seen)])
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
        f"{watchlist.path.name}: {len(watchlist.tasks)} tasks",
        f"{len(chosen)} days changed, {len(to_run)} to make",
    ]
    if watchlist.refused:
        parts.append(f"{len(watchlist.refused)} rows cannot be used, first row {watchlist.refused[0].row}")
    parts += [
        f"{count} {what}"
        for count, what in (
            (len(later), "days cannot be had yet"),
            (len(list(held)), "days are being made by a backfill"),
            (waiting, "days are left to the next look"),
        )
        if count
    ]
    return ", ".join(parts)
