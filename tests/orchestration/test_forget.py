"""Forgetting days: what goes, what stays, and that a backfill makes everything again (M2)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from assets.partitions import TRADE_DATES
from jobs import forget as engine
from jobs.claims import claim, partition_name
from jobs.events import wipe_partitions
from jobs.forget import ForgetPlan, ForgetRequest, Forgetting
from jobs.selection import select_assets
from trading_platform.cli.platform import open_instance
from trading_platform.errors import ConfigurationError, ExecutionError
from trading_platform.lake import LocalLake
from trading_platform.lake.building import Outcome
from trading_platform.lake.files import FileOperations
from trading_platform.lake.removal import remove_partition
from trading_platform.process import ProcessIdentity

from .conftest import FIVE_DAYS, SmallPlatform, make_home

MONDAY, TUESDAY = FIVE_DAYS[0], FIVE_DAYS[1]
TICKS = dg.AssetKey(["MNQ", "ticks"])
ASSETS = ("MNQ/ticks", "MNQ/bars_1s", "MNQ/bars_1m")


def forgetting(platform: SmallPlatform) -> Forgetting:
    return Forgetting(platform.defs, platform.instance, platform.home.claims_dir)


def plan_of(
    platform: SmallPlatform, *assets: str, first: date = TUESDAY, last: date = TUESDAY, with_dependents: bool = False
) -> tuple[Forgetting, ForgetPlan]:
    forgetter = forgetting(platform)
    keys = select_assets(platform.defs, assets)
    return forgetter, forgetter.plan(ForgetRequest(keys, first, last, with_dependents=with_dependents))


@pytest.fixture
def made(small_platform: SmallPlatform) -> SmallPlatform:
    """Return a platform with Monday and Tuesday made, ticks and bars."""
    small_platform.backfill(*ASSETS, last=TUESDAY)
    return small_platform


def test_m2_a_plan_shows_files_and_dependents_and_changes_nothing(made: SmallPlatform) -> None:
    before = made.hashes()
    _, plan = plan_of(made, "MNQ/ticks")
    assert [(day.name, day.is_materialized, day.lost, day.differs) for day in plan.days] == [
        ("MNQ/ticks 2025-03-11", True, None, False)
    ]
    path = made.lake.path("ticks", "MNQ", TUESDAY)
    assert plan.days[0].files.paths == (path,)
    assert plan.days[0].files.size_bytes == path.stat().st_size
    footer = made.lake.footer("ticks", "MNQ", TUESDAY)
    assert footer is not None
    assert plan.days[0].rows == footer.rows > 0
    assert [day.name for day in plan.dependents] == ["MNQ/bars_1m 2025-03-11", "MNQ/bars_1s 2025-03-11"]
    assert made.hashes() == before


def test_m2_a_forgotten_day_is_rebuilt_byte_for_byte_and_the_others_are_not_touched(made: SmallPlatform) -> None:
    before = made.hashes()
    forgetter, plan = plan_of(made, "MNQ/ticks")
    assert forgetter.run(plan) == plan.days[0].files.size_bytes
    assert made.instance.get_materialized_partitions(TICKS) == {MONDAY.isoformat()}
    assert not made.lake.path("ticks", "MNQ", TUESDAY).parent.exists()
    assert sorted(before) == sorted([*made.hashes(), "ticks/symbol=MNQ/date=2025-03-11/part-0.parquet"])
    reports = made.backfill(*ASSETS, last=TUESDAY)
    assert [(r.trade_date, r.outcome) for r in reports["MNQ/ticks"].results] == [(TUESDAY, Outcome.WRITE)]
    assert reports["MNQ/bars_1s"].results == []
    assert made.hashes() == before


def test_m2_dependents_go_with_it_if_asked(made: SmallPlatform) -> None:
    before = made.hashes()
    forgetter, plan = plan_of(made, "MNQ/ticks", with_dependents=True)
    assert {day.name for day in plan.days} == {
        "MNQ/ticks 2025-03-11",
        "MNQ/bars_1s 2025-03-11",
        "MNQ/bars_1m 2025-03-11",
    }
    assert plan.dependents == []
    forgetter.run(plan)
    assert all("2025-03-10" in path for path in made.hashes())
    reports = made.backfill(*ASSETS, last=TUESDAY)
    assert [len(report.results) for report in reports.values()] == [1, 1, 1]
    assert made.hashes() == before


def test_m2_dagster_shows_the_day_as_never_made_and_who_removed_it(made: SmallPlatform) -> None:
    forgetter, plan = plan_of(made, "MNQ/ticks")
    keys = [day.isoformat() for day in (MONDAY, TUESDAY)]
    status = made.instance.get_status_by_partition(TICKS, keys, TRADE_DATES)
    assert status is not None
    assert status[TUESDAY.isoformat()] is not None
    forgetter.run(plan)
    status = made.instance.get_status_by_partition(TICKS, keys, TRADE_DATES)
    assert status is not None
    assert [None if s is None else s.value for s in (status[key] for key in keys)] == ["MATERIALIZED", None]
    latest = made.instance.get_latest_materialization_event(TICKS)
    assert latest is not None
    assert latest.asset_materialization is not None
    assert latest.asset_materialization.partition == MONDAY.isoformat()
    [note] = made.instance.fetch_observations(TICKS, limit=10).records
    assert note.asset_observation is not None
    assert note.asset_observation.metadata["trade_dates"].value == "2025-03-11"


def test_m2_an_event_after_a_wipe_has_a_higher_id_than_any_before(made: SmallPlatform) -> None:
    before = made.instance.fetch_materializations(TICKS, limit=1).records[0].storage_id
    wipe_partitions(made.instance, TICKS, [MONDAY.isoformat(), TUESDAY.isoformat()], {})
    assert made.instance.get_materialized_partitions(TICKS) == set()
    made.backfill("MNQ/ticks", last=MONDAY)
    assert made.instance.fetch_materializations(TICKS, limit=1).records[0].storage_id > before


@pytest.mark.parametrize("step", ["before the files", "between the rows and the rest"])
def test_m2_a_kill_in_between_is_healed_by_a_backfill(
    made: SmallPlatform, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = made.hashes()
    forgetter, plan = plan_of(made, "MNQ/ticks", with_dependents=True)

    class Dies(FileOperations):
        def fsync_directory(self, directory: Path) -> None:
            raise KeyboardInterrupt

    def die(lake: LocalLake, dataset: str, symbol: str, day: date) -> int:
        if step == "before the files":
            raise KeyboardInterrupt
        return remove_partition(lake, dataset, symbol, day, Dies())

    monkeypatch.setattr(engine, "remove_partition", die)
    with pytest.raises(KeyboardInterrupt):
        forgetter.run(plan)
    made.backfill(*ASSETS, last=TUESDAY)
    assert made.hashes() == before
    assert made.instance.get_materialized_partitions(TICKS) == {MONDAY.isoformat(), TUESDAY.isoformat()}


_KILLED = """
import os, signal, sys
from pathlib import Path
from trading_platform.home import open_home
from trading_platform.cli import platform as cli
from jobs import forget
from jobs.selection import select_assets
from datetime import date
real = forget.remove_partition
count = int(sys.argv[2])
def removing(*arguments):
    global count
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    count -= 1
    return real(*arguments)
forget.remove_partition = removing
with cli.open_platform(open_home(Path(sys.argv[1]))) as platform:
    engine = forget.Forgetting(platform.defs, platform.instance, platform.home.claims_dir)
    keys = select_assets(platform.defs, ["MNQ/ticks", "MNQ/bars_*"])
    engine.run(engine.plan(forget.ForgetRequest(keys, date(2025, 3, 10), date(2025, 3, 11))))
"""


@pytest.mark.slow
def test_m2_kill_9_while_forgetting_leaves_what_a_backfill_heals(tmp_path: Path) -> None:
    home = make_home(tmp_path, FIVE_DAYS[:2])
    days = {MONDAY.isoformat(), TUESDAY.isoformat()}
    with open_instance(home) as instance:
        platform = SmallPlatform(home, instance, {})
        platform.backfill(*ASSETS, last=TUESDAY)
        before = platform.hashes()
        for removed in (0, 3):
            done = subprocess.run([sys.executable, "-c", _KILLED, str(home.path), str(removed)], check=False)
            assert done.returncode == -signal.SIGKILL
            assert len(platform.hashes()) == len(before) - removed
            platform.backfill(*ASSETS, last=TUESDAY)
            assert platform.hashes() == before
            for name in ("ticks", "bars_1s", "bars_1m"):
                assert instance.get_materialized_partitions(dg.AssetKey(["MNQ", name])) == days


def test_m2_a_day_whose_source_is_gone_is_refused_e614(made: SmallPlatform) -> None:
    for path in (made.home.sierra_dir or Path()).glob("*.scid"):
        path.unlink()
    before = made.hashes()
    forgetter, plan = plan_of(made, *ASSETS)
    assert {day.name: day.lost for day in plan.lost} == {
        "MNQ/ticks 2025-03-11": plan.days[0].lost,
        "MNQ/bars_1s 2025-03-11": "MNQ/ticks of that day could not be made again",
        "MNQ/bars_1m 2025-03-11": "MNQ/ticks of that day could not be made again",
    }
    assert "E210" in str(plan.days[0].lost) or "no .scid file" in str(plan.days[0].lost)
    with pytest.raises(ExecutionError, match="only one") as raised:
        forgetter.run(plan)
    assert raised.value.code == "E614"
    assert made.hashes() == before
    forgetter.run(plan, even_if_unrecoverable=True)
    assert all("2025-03-10" in path for path in made.hashes())


def test_m2_bars_can_be_made_again_without_the_source_as_long_as_their_ticks_stay(made: SmallPlatform) -> None:
    for path in (made.home.sierra_dir or Path()).glob("*.scid"):
        path.unlink()
    before = made.hashes()
    forgetter, plan = plan_of(made, "MNQ/bars_1m")
    assert plan.lost == []
    forgetter.run(plan)
    made.backfill("MNQ/bars_1m", last=TUESDAY)
    assert made.hashes() == before


def test_m2_a_changed_source_is_told_before_the_day_goes(made: SmallPlatform) -> None:
    made.home.instruments_toml.write_text('active = ["MNQ"]\n[instruments.MNQ]\ntick_size = 0.125\n')
    _, plan = plan_of(made, "MNQ/ticks")
    assert [day.differs for day in plan.days] == [True]


def test_m2_a_damaged_file_can_be_forgotten(made: SmallPlatform) -> None:
    made.lake.path("ticks", "MNQ", TUESDAY).write_bytes(b"PAR1 no more")
    forgetter, plan = plan_of(made, "MNQ/ticks")
    assert [(day.rows, day.lost) for day in plan.days] == [(None, None)]
    forgetter.run(plan)
    assert made.backfill("MNQ/ticks", last=TUESDAY)["MNQ/ticks"].counts()[Outcome.WRITE] == 1


def test_m2_days_that_are_not_stored_are_no_error(made: SmallPlatform) -> None:
    forgetter, plan = plan_of(made, "MNQ/ticks", first=FIVE_DAYS[3], last=FIVE_DAYS[4])
    assert plan.days == []
    assert forgetter.run(plan) == 0


def test_m2_views_have_no_days_to_forget_e107(made: SmallPlatform) -> None:
    with pytest.raises(ConfigurationError) as raised:
        plan_of(made, "lake/sql_views")
    assert raised.value.code == "E107"


_HOLDS = """
import sys
from pathlib import Path
from jobs.claims import claim
with claim(Path(sys.argv[1]), [sys.argv[2]]) as conflict:
    print("held" if conflict is None else "lost", flush=True)
    sys.stdin.readline()
"""


def test_m2_days_that_another_process_makes_are_refused_e613(made: SmallPlatform) -> None:
    folder = made.home.claims_dir
    name = partition_name("MNQ/ticks", TUESDAY.isoformat())
    before = made.hashes()
    forgetter, plan = plan_of(made, "MNQ/ticks")
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(folder), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ExecutionError, match=f"process {holder.pid} ") as raised:
            forgetter.run(plan)
        assert raised.value.code == "E613"
    finally:
        holder.communicate("\n")
    assert made.hashes() == before
    with claim(folder, [name]) as conflict:  # the refused one holds nothing
        assert conflict is None


@pytest.mark.parametrize("identified", [True, False])
def test_m2_a_run_of_the_web_ui_over_the_day_is_respected_e613(made: SmallPlatform, identified: bool) -> None:  # noqa: FBT001
    tags = {"dagster/partition": TUESDAY.isoformat()}
    if identified:  # the process that runs this test's parent is alive and not ours
        import psutil

        parent = psutil.Process(os.getppid())
        current = ProcessIdentity.current()
        tags |= ProcessIdentity(current.host, parent.pid, parent.create_time()).to_tags()
    job = made.defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={TICKS})
    run = made.instance.create_run_for_job(job, tags=tags, asset_selection=frozenset({TICKS}))
    forgetter, plan = plan_of(made, "MNQ/ticks")
    with pytest.raises(ExecutionError, match=run.run_id[:8]) as raised:
        forgetter.run(plan)
    assert raised.value.code == "E613"
    _, other = plan_of(made, "MNQ/ticks", first=MONDAY, last=MONDAY)
    assert forgetter.run(other) > 0


def test_m2_events_that_stay_are_e615_and_no_file_goes(made: SmallPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.events._delete_rows", lambda *arguments: None)
    before = made.hashes()
    forgetter, plan = plan_of(made, "MNQ/ticks")
    with pytest.raises(ExecutionError) as raised:
        forgetter.run(plan)
    assert raised.value.code == "E615"
    assert made.hashes() == before


def test_m2_a_day_that_its_file_holds_only_in_part_is_the_only_copy(made: SmallPlatform) -> None:
    path = (made.home.sierra_dir or Path()) / "MNQH25_FUT_CME.scid"
    content = path.read_bytes()
    path.write_bytes(content[: 56 + (len(content) - 56) // 40 // 3 * 40])
    _, plan = plan_of(made, *ASSETS)
    assert [day.lost for day in plan.lost if day.name == "MNQ/ticks 2025-03-11"] == [
        "MNQH25_FUT_CME.scid no longer holds the records that this copy was made from"
    ]
