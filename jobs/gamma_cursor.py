"""What the sensor for gamma files remembers between two looks, as one short text in Dagster's cursor.

Belongs here: per day of an asset a digest of its files, the days that are wanted, and their form as JSON. Does not belong here: any
decision (``gamma_watching.py``, ``refresh.py``).

Gamma files are whole files, many of them of one day (a chain every quarter of an hour, three categories of the feed), and Dagster stores
the text with every look. So a day is remembered, not a file: ten characters each, months together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from .watch_cursor import UNREADABLE, PendingDay, memory_lost, pending_in, queue_in, wanted_out

VERSION = 1
SENSOR = "new_gamma_files"
DIGEST_CHARACTERS = 6
"""36 bits: a change that keeps the digest by chance is one in 7 * 10**10."""


class FilesOfDay(NamedTuple):
    """The files of one day of an asset, as the system tells them without reading.

    Attributes:
        digest: of their names and states.
        number: how many they are.
    """

    digest: str
    number: int


@dataclass
class GammaCursor:
    """Everything remembered; assets are named ``NQ_NDX/gex_snapshots``, after the first one that is made from the files.

    Attributes:
        since: when it began, ISO 8601; part of the names of requests, so that a new memory cannot repeat an old name.
        serial: number of requests so far.
        folders: per source the folder that was looked at, empty for none; another one is seen for the first time.
        lost: sources whose folder could not be read at the last look.
        seen: per asset and day its files as they were last acted on. An asset that is not here has never been looked at.
        unsettled: per asset and day the digest of files that had changed at the last look, and may be half of a copy.
        gone: per asset the days none of whose files was there at the last look.
        queue: per asset the days still to be compared, and whether each is new.
        pending: per asset the days that are wanted.
    """

    since: str
    serial: int = 0
    folders: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    seen: dict[str, dict[date, FilesOfDay]] = field(default_factory=dict)
    unsettled: dict[str, dict[date, str]] = field(default_factory=dict)
    gone: dict[str, set[date]] = field(default_factory=dict)
    queue: dict[str, dict[date, bool]] = field(default_factory=dict)
    pending: dict[str, dict[date, PendingDay]] = field(default_factory=dict)

    def forget(self, asset: str) -> None:
        """Forget an asset, so that its files are seen for the first time when they are looked at again."""
        for part in (self.seen, self.unsettled, self.gone, self.queue, self.pending):
            part.pop(asset, None)

    def dump(self) -> str:
        """Return the text that ``parse`` reads back."""
        content = {
            "v": VERSION,
            "since": self.since,
            "n": self.serial,
            "folders": self.folders,
            "lost": sorted(self.lost),
            "seen": {asset: _months_out(days) for asset, days in self.seen.items()},
            "unsettled": {a: {d.isoformat(): s for d, s in days.items()} for a, days in self.unsettled.items() if days},
            "gone": {asset: [day.isoformat() for day in sorted(days)] for asset, days in self.gone.items() if days},
            **wanted_out(self),
        }
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def parse(cls, text: str) -> GammaCursor:
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
                serial=int(content["n"]),
                folders={str(source): str(folder) for source, folder in content["folders"].items()},
                lost=set(map(str, content["lost"])),
                seen={asset: _months_in(months) for asset, months in content["seen"].items()},
                unsettled={
                    a: {date.fromisoformat(d): str(s) for d, s in days.items()}
                    for a, days in content["unsettled"].items()
                },
                gone={asset: _dates(days) for asset, days in content["gone"].items()},
                queue=queue_in(content["queue"]),
                pending=pending_in(content["pending"]),
            )
        except UNREADABLE as error:
            raise memory_lost(SENSOR, error) from error


def _months_out(days: Mapping[date, FilesOfDay]) -> dict[str, str]:
    """Return one text per month, a word per day: day of the month, digest, number of files if it is not 1."""
    months: dict[str, list[str]] = {}
    for day in sorted(days):
        digest, number = days[day]
        months.setdefault(f"{day:%Y-%m}", []).append(f"{day:%d}{digest}{'' if number == 1 else number}")
    return {month: " ".join(words) for month, words in months.items()}


def _months_in(months: Mapping[str, str]) -> dict[date, FilesOfDay]:
    end = 2 + DIGEST_CHARACTERS
    return {
        date.fromisoformat(f"{month}-{word[:2]}"): FilesOfDay(word[2:end], int(word[end:] or "1"))
        for month, words in months.items()
        for word in words.split()
    }


def _dates(texts: Iterable[str]) -> set[date]:
    return {date.fromisoformat(text) for text in texts}
