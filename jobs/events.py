"""Dagster's memory of partitions: taking single days out of it.

Belongs here: ``wipe_partitions``. Dagster has the call (``wipe_asset_partitions``), but its own event storages (SQLite, Postgres) do not
implement it in 1.13, so the rows are deleted through the storage's connection, in one transaction, and the result is read back.
Does not belong here: files (``trading_platform.lake``), the decision to forget (``forget.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import sqlalchemy as db

# Not public: the tables of the event log. The result is checked by public means, so a change of Dagster is noticed (E615).
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from trading_platform.errors import ExecutionError

# Observations stay: they are the history of what went wrong and who removed what.
_FORGOTTEN_EVENTS = (
    dg.DagsterEventType.ASSET_MATERIALIZATION.value,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
    dg.DagsterEventType.ASSET_FAILED_TO_MATERIALIZE.value,
)
# SQLite before 3.32 takes 999 values per statement.
_KEYS_PER_STATEMENT = 500


def wipe_partitions(
    instance: dg.DagsterInstance, key: dg.AssetKey, days: Sequence[str], note: Mapping[str, Any]
) -> None:
    """Make Dagster forget that partitions were materialized, or ever tried; the logs of their runs stay.

    Args:
        instance: the Dagster instance.
        key: a dated asset.
        days: partition keys.
        note: metadata of the observation that is left on the page of the asset.

    Raises:
        ExecutionError: E615 if the storage cannot do it, or the partitions still count as materialized afterwards.
    """
    # First, so that it holds the highest id: SQLite gives the ids of deleted last rows out again, and cursors would skip new events.
    instance.report_runless_asset_event(dg.AssetObservation(key, metadata=note))
    try:
        instance.wipe_asset_partitions(key, days)
    except NotImplementedError:
        storage = instance.event_log_storage
        if not isinstance(storage, SqlEventLogStorage):
            raise _not_forgotten(key, days, f"its storage {type(storage).__name__} cannot forget partitions") from None
        _delete_rows(storage, key, days)
    left = instance.get_materialized_partitions(key) & set(days)
    if left:
        raise _not_forgotten(key, sorted(left), "they still count as materialized after their events were deleted")


def _delete_rows(storage: SqlEventLogStorage, key: dg.AssetKey, days: Sequence[str]) -> None:
    asset = key.to_string()
    events, checks, tags = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c, AssetEventTagsTable.c
    has_checks, has_tags = storage.has_table("asset_check_executions"), storage.has_table("asset_event_tags")
    with storage.index_connection() as connection:
        for start in range(0, len(days), _KEYS_PER_STATEMENT):
            chunk = list(days[start : start + _KEYS_PER_STATEMENT])
            chosen = db.and_(
                events.asset_key == asset,
                events.partition.in_(chunk),
                events.dagster_event_type.in_(_FORGOTTEN_EVENTS),
            )
            if has_tags:
                ids = db.select(events.id).where(chosen)
                connection.execute(AssetEventTagsTable.delete().where(tags.event_id.in_(ids)))
            connection.execute(SqlEventLogStorageTable.delete().where(chosen))
            if has_checks:
                of_days = db.and_(checks.asset_key == asset, checks.partition.in_(chunk))
                connection.execute(AssetCheckExecutionsTable.delete().where(of_days))
        # Both are copies of what the events say; empty ones are made anew from the events that are left.
        copies = {"last_materialization": None, "cached_status_data": None}
        connection.execute(AssetKeyTable.update().values(**copies).where(AssetKeyTable.c.asset_key == asset))


def _not_forgotten(key: dg.AssetKey, days: Sequence[str], why: str) -> ExecutionError:
    name = key.to_user_string()
    return ExecutionError(
        "E615",
        f"Dagster still knows {len(days)} partitions of {name}, first {days[0]}: {why}",
        "no file was removed; the run history may have been made by another version of Dagster",
        "tp doctor",
    )
