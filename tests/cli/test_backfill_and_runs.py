"""``tp backfill`` and ``tp runs``: what is refused before anything starts, and runs that nobody finishes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from jobs.claims import claim, partition_name
from trading_platform.cli.platform import REPOSITORY, prepare_dagster_home
from trading_platform.home import open_home
from trading_platform.process import ProcessIdentity

from .conftest import DATES, Demo, call, listing

DAY = DATES[1].isoformat()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("MNQ/ticks", "--day", DAY, "--force", "--verify"), "E160"),
        (("MNQ/ticks", "--day", DAY, "--last", "3"), "E160"),
        (("MNQ/tikcs", "--day", DAY), "E161"),
        (('group:"', "--day", DAY), "E161"),
        (("MNQ/ticks",), "E162"),
        (("MNQ/ticks", "--from", DAY, "--to", "2025-03-03"), "E162"),
    ],
)
def test_u5_backfill_refuses_wrong_usage_before_it_starts(demo: Demo, arguments: tuple[str, ...], code: str) -> None:
    before = listing(demo.home / "lake")
    called = call("backfill", *arguments, home=demo.home)
    assert called.error is not None
    assert (called.code, called.error.code) == (2, code)
    assert listing(demo.home / "lake") == before


def test_u5_next_commands_of_patterns_can_be_pasted(demo: Demo) -> None:
    called = call("backfill", "MNQ/*", "--from", DAY, "--to", "2025-03-03", home=demo.home)
    assert called.error is not None
    assert called.error.next_command == f"tp backfill 'MNQ/*' --from 2025-03-03 --to {DAY}"


def test_u2_backfill_dry_run_says_what_would_run(demo: Demo) -> None:
    before = listing(demo.home / "lake")
    called = call("backfill", "MNQ/*", "--day", DAY, "--force", "--dry-run", "--json", home=demo.home)
    assert called.code == 0
    assert {asset["asset"]: asset["planned"][0]["state"] for asset in called.json["assets"]} == {
        "MNQ/ticks": "forced",
        "MNQ/bars_1m": "forced",
        "MNQ/bars_1s": "forced",
        "MNQ/depth_events": "forced",
        "MNQ/depth_metrics": "forced",
        "MNQ/gex_alignment": "forced",
        "MNQ/enriched_bars": "forced",
    }
    assert listing(demo.home / "lake") == before


def test_p9_partitions_that_another_process_makes_are_e602(demo: Demo) -> None:
    with claim(demo.home / "cache" / "claims", [partition_name("MNQ/ticks", DAY)]) as conflict:
        assert conflict is None
        called = call("backfill", "MNQ/ticks", "--day", DAY, home=demo.home)
    assert called.error is not None
    assert (called.code, called.error.code) == (1, "E602")
    assert "MNQ/ticks" in called.error.what


def test_u5_views_that_cannot_be_made_are_e603(real_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.catalog.view_statements", lambda root: ["create view broken as select nonsense"])
    called = call("backfill", "lake/sql_views", "--day", DAY, home=real_home)
    assert called.error is not None
    assert (called.code, called.error.code) == (1, "E603")


def test_p11_a_namesake_of_definitions_is_e105(tmp_path: Path, real_home: Path) -> None:
    # Loaded before the checkout comes first on the path, as by a plug-in or a .pth file.
    (tmp_path / "definitions.py").write_text("")
    program = "import definitions\nfrom trading_platform.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program, "backfill", "--day", DAY],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}", "TP_HOME": str(real_home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("E105 ")


def test_p2_a_namesake_in_the_working_directory_does_no_harm(elsewhere: Path, demo: Demo) -> None:
    for name in ("definitions", "assets", "jobs", "resources"):
        (elsewhere / f"{name}.py").write_text("raise SystemExit('namesake')\n")
    done = subprocess.run(
        [sys.executable, "-m", "trading_platform.cli", "backfill", "MNQ/ticks", "--day", DAY, "--dry-run"],
        env={**os.environ, "TP_HOME": str(demo.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "PLAN to_run=0 current=1 total=1\n"), done.stderr


def _unfinished_run(home: Path, process: ProcessIdentity, patch: pytest.MonkeyPatch) -> str:
    """Leave a run behind that its process has not ended."""
    patch.setenv("DAGSTER_HOME", "")
    patch.setenv("TP_HOME", "")
    prepare_dagster_home(open_home(home))

    @dg.asset
    def left() -> None: ...

    job = dg.Definitions(assets=[left]).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        tags = {
            **process.to_tags(),
            "dagster/asset_partition_range_start": "2025-03-14",
            "dagster/asset_partition_range_end": "2025-03-17",
        }
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    return run.run_id


def test_p2_runs_lists_dead_runs_and_ends_them_on_demand(real_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    current = ProcessIdentity.current()
    dead = ProcessIdentity(current.host, current.pid, current.started_s - 1_000)
    run_id = _unfinished_run(real_home, dead, monkeypatch)
    living = _unfinished_run(real_home, current, monkeypatch)
    listed = call("runs", "--json", home=real_home).json["unfinished"]
    assert {run["run"]: run["alive"] for run in listed} == {run_id: "no", living: "yes"}
    assert {run["days"] for run in listed} == {"2025-03-14 to 2025-03-17"}
    assert "next: tp runs --end-dead" in call("runs", home=real_home).out
    preview = call("runs", "--end-dead", "--dry-run", home=real_home)
    assert f"would be ended run {run_id[:8]}" in preview.out
    assert len(call("runs", "--json", home=real_home).json["unfinished"]) == 2
    assert len(call("runs", "--end-dead", "--json", home=real_home).json["ended"]) == 1
    left = call("runs", "--json", home=real_home).json["unfinished"]
    assert [run["run"] for run in left] == [living]
