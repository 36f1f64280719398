"""The run history as the coverage board reads it through Dagster, whatever storage is behind it.

Belongs here: the twin of ``SqliteHistory`` (``trading_platform/coverage/history.py``), which reads the usual SQLite file without loading
Dagster. Does not belong here: what the events mean for a day (``trading_platform.coverage``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from trading_platform.coverage.history import DayEvents, failure_text
from trading_platform.coverage.series import Series

from . import keys
from .metadata import is_done

_AT_ONCE = 500


class InstanceHistory:
    """The run history through Dagster's own interface, whatever storage is behind it.

    Args:
        instance: the Dagster instance.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def latest(self, series: Series, first: date, last: date) -> DayEvents:
        """Return the latest events of each day; see ``RunHistory``."""
        key = keys.asset_key(series.symbol, series.dataset)
        made = self._latest_ids(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        there = self._instance.get_materialized_partitions(key)
        made = {day: number for day, number in made.items() if day in there}
        observed = self._latest_ids(key, dg.DagsterEventType.ASSET_OBSERVATION)
        days = sorted(day for day in made if first.isoformat() <= day <= last.isoformat())
        failures: dict[str, str] = {}
        for day, number in observed.items():
            if first.isoformat() <= day <= last.isoformat() and number > made.get(day, -1):
                failure = self._failure_after(key, day, made.get(day))
                if failure is not None:
                    failures[day] = failure
        known = [*made, *observed]
        return DayEvents.of([(day, made[day]) for day in days], failures, min(known) if known else None)

    def complete(self, series: Series, event_ids: Sequence[int]) -> Mapping[int, bool]:
        """Tell for materializations whether their session had ended."""
        key = keys.asset_key(series.symbol, series.dataset)
        found: dict[int, bool] = {}
        for start in range(0, len(event_ids), _AT_ONCE):
            some = list(event_ids[start : start + _AT_ONCE])
            wanted = dg.AssetRecordsFilter(key, storage_ids=some)
            for record in self._instance.fetch_materializations(wanted, limit=len(some)).records:
                event = record.asset_materialization
                found[record.storage_id] = event is not None and is_done(event.metadata)
        return found

    def anchor(self) -> list[Any] | None:
        """Return None: the interface has no cheap way to tell that numbers were used again."""
        return None

    def holds(self, anchor: list[Any] | None) -> bool:  # noqa: ARG002
        """Remember nothing."""
        return False

    def _latest_ids(self, key: dg.AssetKey, kind: dg.DagsterEventType) -> dict[str, int]:
        return dict(self._instance.get_latest_storage_id_by_partition(key, kind))

    def _failure_after(self, key: dg.AssetKey, day: str, event_id: int | None) -> str | None:
        wanted = dg.AssetRecordsFilter(key, asset_partitions=[day], after_storage_id=event_id)
        cursor = None
        while True:
            result = self._instance.fetch_observations(wanted, limit=20, cursor=cursor)
            for record in result.records:
                observation = record.asset_observation
                metadata = {} if observation is None else observation.metadata
                texts = [
                    str(metadata[name].value) if name in metadata else "" for name in ("outcome", "error", "reason")
                ]
                failure = failure_text(*texts)
                if failure is not None:
                    return failure
            if not result.has_more:
                return None
            cursor = result.cursor
