"""Waiting for a pool slot where a person can see it and end it.

A run that finds its pool full waits inside Dagster, silently and deaf to signals. So ``tp`` waits before it launches: it names the holder
after five seconds, and Ctrl-C ends the wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import dagster as dg

from trading_platform.process import ProcessIdentity

from .dead_runs import end_dead_runs

# Pools that hold more than the default of dagster.yaml: downloads wait for the network, not for the processor.
POOL_LIMITS = {"databento": 2}
REPORT_AFTER_S = 5.0
_POLL_S = 0.25


def apply_pool_limits(instance: dg.DagsterInstance) -> None:
    """Give every pool of ``POOL_LIMITS`` its limit, unless a person has chosen another one."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    known = {pool.name for pool in storage.get_pool_limits()}
    for name, limit in POOL_LIMITS.items():
        if name not in known:
            storage.set_concurrency_slots(name, limit)


def wait_for_pool(instance: dg.DagsterInstance, pool: str | None, report: Callable[[str], None]) -> None:
    """Return when the pool has a free slot.

    Args:
        instance: the Dagster instance.
        pool: pool name; None returns at once.
        report: called once, when the wait has lasted ``REPORT_AFTER_S``, with the holder's name.
    """
    if pool is None or not instance.event_log_storage.supports_global_concurrency_limits:
        return
    started = time.monotonic()
    reported = False
    while True:
        info = instance.event_log_storage.get_concurrency_info(pool)
        limit = info.limit if info.limit is not None else info.slot_count
        if not limit or info.active_slot_count < limit:
            return
        # The holder may die while we wait: then nobody else would free its slot.
        for dead in end_dead_runs(instance):
            report(str(dead))
        if not reported and time.monotonic() - started >= REPORT_AFTER_S:
            reported = True
            report(
                f"pool {pool} is full ({info.active_slot_count} of {limit}), held by {_holders(instance, info.active_run_ids)}; waiting"
            )
        time.sleep(_POLL_S)


def _holders(instance: dg.DagsterInstance, run_ids: set[str]) -> str:
    names: list[str] = []
    for run_id in sorted(run_ids):
        run = instance.get_run_by_id(run_id)
        process = None if run is None else ProcessIdentity.from_tags(run.tags)
        names.append(f"run {run_id[:8]}" + ("" if process is None else f" ({process})"))
    return ", ".join(names)
