"""What the run history says of each day.

Belongs here: the questions that a board asks of it, and the answer from the SQLite file in which Dagster keeps it by default. Does not
belong here: Dagster itself. ``assets/coverage.py`` answers the same questions through its interface, for any storage, and a test compares
the two; loading it takes twice as long as everything else that ``tp status`` does.

Which event is the latest of a day is asked anew every time, from an index. What an event says never changes, so that is remembered by its
number, together with an anchor: number, time and run of the latest event of all. Numbers are used again only after the latest events were
deleted (an asset was wiped), and then the anchor is gone, or another event.

Source: dagster 1.13, ``dagster/_core/storage/event_log/schema.py``, table ``event_logs`` with index ``idx_events_by_asset_partition``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import LakeError
from .packed import Array
from .series import Series

_MATERIALIZATION, _OBSERVATION = "ASSET_MATERIALIZATION", "ASSET_OBSERVATION"
_FAILED = frozenset({"PENDING", "MISSING", "UNAVAIL", "ERROR"})
_BUSY_S = 10.0
_AT_ONCE = 500


@dataclass(frozen=True)
class DayEvents:
    """The latest events of the days of one series within a range.

    Attributes:
        days: int32[n], ordinals of the materialized days, ascending.
        event_ids: int64[n], number of the latest materialization of each.
        failures: outcome and error of the latest failed attempt after it (or without one), by ordinal.
        first_day: ordinal of the first day with any event whatever the range, or None.
    """

    days: Array = field(default_factory=lambda: np.zeros(0, np.int32))
    event_ids: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    failures: Mapping[int, str] = field(default_factory=dict)
    first_day: int | None = None

    @classmethod
    def of(cls, made: Sequence[tuple[str, int]], failures: Mapping[str, str], first_day: str | None) -> DayEvents:
        """Return the events of days that are written as partition keys.

        Args:
            made: materialized days, ascending, with the number of the latest materialization.
            failures: failed attempts after it.
            first_day: first day with any event.
        """
        return cls(
            np.array([_ordinal(day) for day, _ in made], np.int32),
            np.array([event_id for _, event_id in made], np.int64),
            {_ordinal(day): failure for day, failure in failures.items()},
            None if first_day is None else _ordinal(first_day),
        )


class RunHistory(Protocol):
    """What a board asks."""

    def latest(self, series: Series, first: date, last: date) -> DayEvents:
        """Return the latest events of the days from ``first`` to ``last``, both included."""
        ...

    def complete(self, series: Series, event_ids: Sequence[int]) -> Mapping[int, bool]:
        """Tell for materializations whether their session had ended."""
        ...

    def anchor(self) -> list[Any] | None:
        """Return what names the present state of the history, or None if nothing may be remembered."""
        ...

    def holds(self, anchor: list[Any] | None) -> bool:
        """Tell whether what was read at that state is still valid."""
        ...


def failure_text(outcome: str, error: str, reason: str) -> str | None:
    """Return what a failed attempt left behind as one line; None if the observation is not one of a failed attempt."""
    if outcome not in _FAILED:
        return None
    lines = error.splitlines() or reason.splitlines() or [""]
    return f"{outcome}: {lines[0]}" if lines[0] else outcome


class NoHistory:
    """A home in which nothing has run yet."""

    def latest(self, series: Series, first: date, last: date) -> DayEvents:  # noqa: ARG002
        """Return nothing."""
        return DayEvents()

    def complete(self, series: Series, event_ids: Sequence[int]) -> Mapping[int, bool]:  # noqa: ARG002
        """Return nothing."""
        return {}

    def anchor(self) -> list[Any] | None:
        """Return None."""
        return None

    def holds(self, anchor: list[Any] | None) -> bool:  # noqa: ARG002
        """Remember nothing."""
        return False


class SqliteHistory:
    """The run history in a local SQLite file, opened for reading.

    Args:
        database: ``<home>/dagster/history/runs/index.db``.

    Raises:
        LakeError: E546 if it cannot be read; so do all methods.
    """

    def __init__(self, database: Path) -> None:
        self._path = database
        self._held: dict[str, bool] = {}
        # Most series have events on the same days.
        self._ordinals: dict[str, Array] = {}
        try:
            # Not read-only by URI: the first reader of a write-ahead log that a killed process left behind must recover it.
            self._database = sqlite3.connect(database, timeout=_BUSY_S, isolation_level=None)
            self._database.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def latest(self, series: Series, first: date, last: date) -> DayEvents:
        """Return the latest events of each day."""
        days, event_ids = self._latest_ids(series, _MATERIALIZATION, first, last)
        observed_days, observed_ids = self._latest_ids(series, _OBSERVATION, first, last)
        failures = {}
        made = dict(zip(days.tolist(), event_ids.tolist(), strict=True)) if len(observed_days) else {}
        for day, event_id in zip(observed_days.tolist(), observed_ids.tolist(), strict=True):
            made_id = made.get(day, -1)
            failure = self._failure_after(series, day, made_id) if event_id > made_id else None
            if failure is not None:
                failures[day] = failure
        return DayEvents(days, event_ids, failures, self._first_day(series))

    def complete(self, series: Series, event_ids: Sequence[int]) -> Mapping[int, bool]:  # noqa: ARG002
        """Tell for materializations whether their session had ended."""
        found: dict[int, bool] = {}
        for start in range(0, len(event_ids), _AT_ONCE):
            some = [int(number) for number in event_ids[start : start + _AT_ONCE]]
            query = f"SELECT id, event FROM event_logs WHERE id IN ({','.join('?' * len(some))})"  # noqa: S608 only marks
            for number, event in self._rows(query, some):
                found[number] = _entries(event, "materialization").get("complete") is True
        return found

    def anchor(self) -> list[Any] | None:
        """Return number, time and run of the latest event."""
        rows = list(self._rows("SELECT id, timestamp, run_id FROM event_logs ORDER BY id DESC LIMIT 1", ()))
        return list(rows[0]) if rows else None

    def holds(self, anchor: list[Any] | None) -> bool:
        """Tell whether the event of the anchor is still the same one."""
        if anchor is None:
            return False
        known = self._held.get(str(anchor))
        if known is None:
            rows = list(self._rows("SELECT id, timestamp, run_id FROM event_logs WHERE id = ?", anchor[:1]))
            known = self._held[str(anchor)] = rows == [tuple(anchor)]
        return known

    def _latest_ids(self, series: Series, kind: str, first: date, last: date) -> tuple[Array, Array]:
        """Return ordinals and event numbers; as two texts per series, because a row per day costs a microsecond each."""
        query = (
            "SELECT group_concat(partition), group_concat(latest) FROM (SELECT partition, MAX(id) AS latest FROM event_logs "
            "WHERE asset_key = ? AND dagster_event_type = ? AND partition BETWEEN ? AND ? GROUP BY partition ORDER BY partition)"
        )
        days, event_ids = next(self._rows(query, (_key(series), kind, first.isoformat(), last.isoformat())))
        if days is None:
            return np.zeros(0, np.int32), np.zeros(0, np.int64)
        known = self._ordinals.get(days)
        if known is None:
            known = self._ordinals[days] = np.array([_ordinal(day) for day in days.split(",")], np.int32)
        return known, np.array(event_ids.split(","), np.int64)

    def _first_day(self, series: Series) -> int | None:
        query = "SELECT MIN(partition) FROM event_logs WHERE asset_key = ? AND dagster_event_type = ?"
        firsts = [next(self._rows(query, (_key(series), kind)))[0] for kind in (_MATERIALIZATION, _OBSERVATION)]
        return min((_ordinal(day) for day in firsts if day is not None), default=None)

    def _failure_after(self, series: Series, day: int, event_id: int) -> str | None:
        query = "SELECT event FROM event_logs WHERE asset_key = ? AND dagster_event_type = ? AND partition = ? AND id > ? ORDER BY id DESC"
        for (event,) in self._rows(query, (_key(series), _OBSERVATION, date.fromordinal(day).isoformat(), event_id)):
            entries = _entries(event, "asset_observation")
            failure = failure_text(*(str(entries.get(name, "")) for name in ("outcome", "error", "reason")))
            if failure is not None:
                return failure
        return None

    def _rows(self, query: str, values: Sequence[Any]) -> Iterator[Any]:
        try:
            yield from self._database.execute(query, values)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.Error) -> LakeError:
        return LakeError(
            "E546",
            f"the run history {self._path} cannot be read: {error}",
            "without it nobody can tell what was made and what failed; the stored data are not touched by this",
            "tp doctor",
        )


def _key(series: Series) -> str:
    return json.dumps([series.symbol, series.dataset])


def _ordinal(partition: str) -> int:
    return date.fromisoformat(partition).toordinal()


def _entries(event: str, kind: str) -> dict[str, Any]:
    """Return the metadata of a stored event by label; tables, pictures and the like are left out."""
    specific = json.loads(event)["dagster_event"]["event_specific_data"]
    entries = specific[kind]["metadata_entries"]
    return {
        entry["label"]: entry["entry_data"].get("text", entry["entry_data"].get("value"))
        for entry in entries
        if "text" in entry["entry_data"] or "value" in entry["entry_data"]
    }
