"""Runs of killed processes are ended, runs of living ones are not (P2)."""

from __future__ import annotations

import os
import subprocess
import sys

import dagster as dg
import pytest

from jobs.dead_runs import end_dead_runs
from trading_platform.process import TAG_HOST, TAG_PID, TAG_STARTED, ProcessIdentity


def start_run(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    @dg.job
    def idle() -> None: ...

    run = instance.create_run_for_job(idle, tags=tags)
    instance.report_engine_event("started for a test", run)
    started = dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_START.value, job_name=run.job_name)
    instance.report_dagster_event(started, run.run_id)
    return run.run_id


def identity_of_a_dead_process() -> ProcessIdentity:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    import psutil

    identity = ProcessIdentity(ProcessIdentity.current().host, child.pid, psutil.Process(child.pid).create_time())
    assert identity.is_alive
    child.kill()
    child.wait()
    assert not identity.is_alive
    return identity


def test_p2_run_of_a_dead_process_is_ended_and_named() -> None:
    dead = identity_of_a_dead_process()
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = start_run(instance, dead.to_tags())
        assert [run.run_id for run in end_dead_runs(instance, dry_run=True)] == [run_id]
        assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.STARTED
        ended = end_dead_runs(instance)
        assert [str(run) for run in ended] == [f"ended run {run_id[:8]} of dead process {dead.pid} on {dead.host}"]
        assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.FAILURE
        assert end_dead_runs(instance) == []


@pytest.mark.parametrize("tags", [{}, {TAG_HOST: "another-host", TAG_PID: "1", TAG_STARTED: "1.0"}])
def test_p2_runs_that_cannot_be_judged_are_left_alone(tags: dict[str, str]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        start_run(instance, tags)
        assert end_dead_runs(instance) == []


def test_p2_run_of_a_living_process_is_left_alone() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        start_run(instance, ProcessIdentity.current().to_tags())
        assert end_dead_runs(instance) == []


def test_reused_process_id_is_not_the_same_process() -> None:
    current = ProcessIdentity.current()
    assert current.is_alive
    assert ProcessIdentity.from_tags(current.to_tags()) is not None
    earlier = ProcessIdentity(current.host, os.getpid(), current.started_s - 3600)
    assert not earlier.is_alive
