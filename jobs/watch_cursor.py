"""What the sensor for source files remembers between two looks, as one short text in Dagster's cursor.

Belongs here: the remembered files, the days still to be compared, the days that were asked for, and their form as JSON. Dagster stores
the text with every look, so names are single letters. Does not belong here: any decision (``watching.py``, ``refresh.py``), files that
are watched as wholes (``gamma_cursor.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from trading_platform.errors import ExecutionError
from trading_platform.sierra.watch import KnownFile, Stamp

VERSION = 1
FINGERPRINT_DIGITS = 16


@dataclass
class PendingDay:
    """A day that is wanted until its footer carries the wanted fingerprint.

    Attributes:
        wanted: first 16 digits of the fingerprint it should have; empty while it cannot be computed.
        is_new: it may be made although it never was.
        attempts: requests for this fingerprint; for a day that still trades, failures in a row.
        at_s: when it was last requested, or looked at while nothing could be requested, epoch seconds.
        request: name of the last request, by which its runs are found; empty if there was none.
        is_running: the run of that request had not ended at the last look.
        error: code of the last failure; empty if there is none.
        is_live: its session was not final when it was last looked at.
        is_given_up: it failed as often as it may and is left alone.
    """

    wanted: str = ""
    is_new: bool = False
    attempts: int = 0
    at_s: int = 0
    request: str = ""
    is_running: bool = False
    error: str = ""
    is_live: bool = False
    is_given_up: bool = False


class Wanted(Protocol):
    """The part of a memory that comparing and requesting need, see ``Cursor``."""

    since: str
    serial: int
    queue: dict[str, dict[date, bool]]
    pending: dict[str, dict[date, PendingDay]]


@dataclass
class Cursor:
    """Everything remembered; assets are named ``MNQ/ticks``, files by their path below the data folder.

    Attributes:
        since: when the baseline was taken, ISO 8601; part of the names of requests, so that a new baseline cannot repeat an old name.
        folder: the data folder; another one gets a baseline of its own.
        serial: number of requests so far.
        files: per asset and file what the last look left behind. An asset that is not here has never been looked at.
        unsettled: files that changed otherwise than by growing, with the state and the time (epoch seconds) of the first such look.
        gone: files that were not there at the last look.
        is_folder_lost: the folder could not be read at the last look.
        queue: per asset the days still to be compared, and whether each is new.
        pending: per asset the days that are wanted.
    """

    since: str
    folder: str
    serial: int = 0
    files: dict[str, dict[str, KnownFile]] = field(default_factory=dict)
    unsettled: dict[str, tuple[Stamp, int]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    is_folder_lost: bool = False
    queue: dict[str, dict[date, bool]] = field(default_factory=dict)
    pending: dict[str, dict[date, PendingDay]] = field(default_factory=dict)

    def dump(self) -> str:
        """Return the text that ``parse`` reads back."""
        content = {
            "v": VERSION,
            "since": self.since,
            "folder": self.folder,
            "n": self.serial,
            "files": {asset: {n: _file_out(f) for n, f in files.items()} for asset, files in self.files.items()},
            "unsettled": {name: [*stamp, at_s] for name, (stamp, at_s) in self.unsettled.items()},
            "gone": sorted(self.gone),
            "lost": int(self.is_folder_lost),
            **wanted_out(self),
        }
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a text that ``dump`` made.

        Raises:
            ExecutionError: E607 it is damaged or of another version.
        """
        try:
            content = json.loads(text)
            if content["v"] != VERSION:
                raise ValueError(f"version {content['v']!r}, expected {VERSION}")
            return cls(
                since=str(content["since"]),
                folder=str(content["folder"]),
                serial=int(content["n"]),
                files={a: {n: _file_in(f) for n, f in files.items()} for a, files in content["files"].items()},
                unsettled={n: (Stamp(*map(int, row[:4])), int(row[4])) for n, row in content["unsettled"].items()},
                gone=set(map(str, content["gone"])),
                is_folder_lost=bool(content["lost"]),
                queue=queue_in(content["queue"]),
                pending=pending_in(content["pending"]),
            )
        except UNREADABLE as error:
            raise memory_lost("new_files", error) from error


UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError)
"""What reading a text of another form raises."""


def memory_lost(sensor: str, error: Exception) -> ExecutionError:
    """Return the error for a memory that cannot be read."""
    return ExecutionError(
        "E607",
        f"what the sensor {sensor} remembers cannot be read: {type(error).__name__}: {error}",
        "the cursor was edited, or written by another version; the files are taken as they are now, nothing is requested, and days "
        "that changed meanwhile are found by a backfill",
        "tp backfill --last 20",
    )


def wanted_out(memory: Wanted) -> dict[str, Any]:
    """Return the days to compare and those that were asked for, in the form of ``queue_in`` and ``pending_in``."""
    return {
        "queue": {a: {d.isoformat(): int(new) for d, new in days.items()} for a, days in memory.queue.items() if days},
        "pending": {
            a: {d.isoformat(): _pending_out(p) for d, p in days.items()} for a, days in memory.pending.items() if days
        },
    }


def queue_in(content: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[date, bool]]:
    """Read the days still to be compared."""
    return {a: {_day(d): bool(new) for d, new in days.items()} for a, days in content.items()}


def pending_in(content: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[date, PendingDay]]:
    """Read the days that are wanted."""
    return {a: {_day(d): _pending_in(p) for d, p in days.items()} for a, days in content.items()}


def _file_out(file: KnownFile) -> list[Any]:
    return [*file.stamp, file.records, file.head, file.tail, _text(file.newest), _text(file.past)]


def _file_in(row: list[Any]) -> KnownFile:
    size, mtime, ctime, inode, records, head, tail, newest, past = row
    stamp = Stamp(int(size), int(mtime), int(ctime), int(inode))
    return KnownFile(stamp, int(records), str(head), str(tail), _day_or_none(newest), _day_or_none(past))


def _pending_out(day: PendingDay) -> dict[str, Any]:
    values = {
        "w": day.wanted,
        "n": int(day.is_new),
        "a": day.attempts,
        "t": day.at_s,
        "r": day.request,
        "u": int(day.is_running),
        "e": day.error,
        "l": int(day.is_live),
        "g": int(day.is_given_up),
    }
    return {name: value for name, value in values.items() if value}


def _pending_in(row: Mapping[str, Any]) -> PendingDay:
    return PendingDay(
        wanted=str(row.get("w", "")),
        is_new=bool(row.get("n", 0)),
        attempts=int(row.get("a", 0)),
        at_s=int(row.get("t", 0)),
        request=str(row.get("r", "")),
        is_running=bool(row.get("u", 0)),
        error=str(row.get("e", "")),
        is_live=bool(row.get("l", 0)),
        is_given_up=bool(row.get("g", 0)),
    )


def _text(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _day_or_none(text: str) -> date | None:
    return _day(text) if text else None
