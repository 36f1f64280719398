"""``tp doctor``: what is healthy, and that every planted fault is found by the check named for it (M4)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.docs.commands import problem_of
from trading_platform.cli.doctor import (
    CHECKS,
    Check,
    Finding,
    Situation,
    Status,
    Verdict,
    examine,
    installation,
    machine,
    runs,
)
from trading_platform.cli.doctor import gamma as gamma_checks
from trading_platform.cli.doctor import home as home_checks
from trading_platform.cli.platform import REPOSITORY, open_instance
from trading_platform.errors import SourceError
from trading_platform.home import create_home, open_home
from trading_platform.settings import Settings
from trading_platform.sierra import usual_folders

from .conftest import Demo, call

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """Return a data folder with one tick file, which nothing opens, and two depth files."""
    folder = tmp_path / "Data"
    (folder / "MarketDepthData").mkdir(parents=True)
    (folder / "MNQH26_FUT_CME.scid").write_bytes(b"")
    for day in (2, 3):
        (folder / "MarketDepthData" / f"MNQH26_FUT_CME.2026-03-0{day}.depth").write_bytes(b"")
    return folder


@pytest.fixture
def situation(real_home: Path, data_folder: Path, elsewhere: Path) -> Situation:
    """Return the situation of a healthy home with MNQ active."""
    create_home(real_home, sierra_dir=data_folder)
    return Situation(NOW, elsewhere, {}, REPOSITORY, Settings(), open_home(real_home), port=_free_port())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_m4_a_demo_home_is_healthy_and_nothing_in_it_changes(demo: Demo) -> None:
    before = contents(demo.home)
    started = time.perf_counter()
    called = call("doctor", "--json", home=demo.home)
    assert time.perf_counter() - started < 3
    bad = {check["name"]: check["what"] for check in called.json["checks"] if check["status"] in {"warn", "fail"}}
    bad.pop("port", None)  # another program of this machine may hold it
    bad.pop("disk space", None)
    assert bad == {}
    assert [check["name"] for check in called.json["checks"]] == [check.name for check in CHECKS]
    assert contents(demo.home) == before


def test_m4_without_a_home_it_says_tp_init(elsewhere: Path) -> None:
    called = call("doctor", "--json")
    assert called.code == 1
    assert called.json["status"] == "warn"
    checks = {check["name"]: check for check in called.json["checks"]}
    assert (checks["home"]["status"], checks["home"]["next"]) == ("warn", "tp init --instruments MNQ,ES")
    assert checks["write access"]["status"] == "skip"
    assert list(elsewhere.iterdir()) == []


def test_m4_a_home_that_is_none_is_a_failure_with_exit_code_2(tmp_path: Path) -> None:
    called = call("doctor", home=tmp_path / "nowhere")
    assert called.code == 2
    assert "E103" in called.out
    assert "DOCTOR ok=" in called.out


def test_m4_every_check_says_why_it_matters_and_every_next_command_exists(situation: Situation) -> None:

    findings = [*examine(situation), *examine(replace(situation, home=None))]
    assert all(finding.why for finding in findings)
    for finding in findings:
        assert (finding.next_command is None) <= (finding.status in {Status.OK, Status.SKIP})
        if finding.next_command is not None and not finding.next_command.startswith("make -C"):
            assert problem_of(finding.next_command) is None, finding


def test_m4_a_healthy_home_has_no_failure(situation: Situation) -> None:
    found = by_name(examine(replace(situation, now=datetime.now(UTC))))
    assert {name: f.what for name, f in found.items() if f.status in {Status.FAIL, Status.WARN}} == {}
    assert "1 .scid files, 2 .depth files" in found["data folder"].what
    assert found["run history"].status is Status.SKIP


def test_m4_depth_files_are_counted_as_the_platform_reads_them(situation: Situation, data_folder: Path) -> None:
    (data_folder / "MNQH26_FUT_CME.2026-03-04.depth").touch()
    (data_folder / "MarketDepthData" / "MNQH26_FUT_CME.2026-03-05.dept").touch()
    (data_folder / "MarketDepthData" / "notes.depth").touch()
    assert home_checks.data_folder(situation).what.endswith("1 .scid files, 4 .depth files")
    situation.known_home.instruments_toml.write_text("active = [")
    assert "market depth cannot be listed (E121 " in home_checks.data_folder(situation).what


def test_m4_what_breaks_inside_a_check_is_its_finding_and_no_others(situation: Situation) -> None:
    def breaks(at: Situation) -> Verdict:
        raise ZeroDivisionError("surprise")

    def refuses(at: Situation) -> Verdict:
        raise SourceError("E203", "unreadable", "because", "tp sierra inspect x.scid")

    def works(at: Situation) -> Verdict:
        return Verdict(Status.OK, "fine")

    checks = [Check("a", "why", breaks), Check("b", "why", refuses), Check("c", "why", works)]
    assert [(f.status.value, f.what) for f in examine(situation, checks)] == [
        ("fail", "the check itself failed: ZeroDivisionError: surprise"),
        ("fail", "E203 unreadable"),
        ("ok", "fine"),
    ]


# The machine


@pytest.mark.parametrize(
    ("free_bytes", "free_inodes", "inodes", "status"),
    [
        (5_000_000_000, 50_000, 100_000, "ok"),
        (4_999_999_999, 50_000, 100_000, "warn"),
        (499_999_999, 50_000, 100_000, "fail"),
        (5_000_000_000, 49_999, 100_000, "warn"),
        (5_000_000_000, 999, 100_000, "fail"),
        (5_000_000_000, 0, 0, "ok"),  # this file system counts no inodes
    ],
)
def test_m4_disk_space_thresholds(free_bytes: int, free_inodes: int, inodes: int, status: str) -> None:
    stat = SimpleNamespace(f_bavail=free_bytes, f_frsize=1, f_favail=free_inodes, f_files=inodes)
    assert machine.free_space(Path("/home"), stat).status.value == status  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "is_network"),
    [
        ("ext4", False),
        ("apfs", False),
        ("overlay", False),
        ("nfs4", True),
        ("cifs", True),
        ("smbfs", True),
        ("9p", True),
    ],
)
def test_m4_network_file_systems_are_known(kind: str, is_network: bool) -> None:  # noqa: FBT001
    assert machine.is_network(kind) == is_network


def test_m4_a_run_history_on_a_network_disk_is_a_warning(situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    home = situation.known_home
    monkeypatch.setattr(machine, "file_system_of", lambda path: "9p" if path == home.dagster_dir else "ext4")
    verdict = machine.file_systems(situation)
    assert (verdict.status, "a Windows disk (9p)" in verdict.what) == (Status.WARN, True)
    monkeypatch.setattr(machine, "file_system_of", lambda path: "cifs" if path == situation.sierra_dir else "ext4")
    verdict = machine.file_systems(situation)
    assert (verdict.status, "slower" in verdict.what) == (Status.OK, True)


def test_m4_the_file_system_of_a_path_is_that_of_its_mount(tmp_path: Path) -> None:
    assert machine.file_system_of(tmp_path / "not" / "there") == machine.file_system_of(tmp_path)


def test_m4_missing_time_zone_data_are_a_failure(situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    import zoneinfo

    class Nothing(zoneinfo.ZoneInfo):
        def __new__(cls, key: str) -> zoneinfo.ZoneInfo:  # type: ignore[misc]
            raise zoneinfo.ZoneInfoNotFoundError(key)

    monkeypatch.setattr("zoneinfo.ZoneInfo", Nothing)
    verdict = machine.time_zones(situation)
    assert (verdict.status, "install tzdata" in verdict.what) == (Status.FAIL, True)


def test_m4_a_clock_behind_the_newest_file_is_a_warning_and_one_beyond_the_calendar_a_failure(
    situation: Situation,
) -> None:
    future = (NOW + timedelta(days=365 * 2)).timestamp()
    assert machine.clock(replace(situation, now=datetime.now(UTC))).status is Status.OK
    os.utime(situation.known_home.path / "home.json", (future, future))
    assert machine.clock(replace(situation, now=datetime.now(UTC))).status is Status.WARN
    assert machine.clock(replace(situation, now=datetime(1999, 12, 31, tzinfo=UTC))).status is Status.FAIL


def test_m4_a_taken_port_names_its_holder(situation: Situation) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        taken = replace(situation, port=server.getsockname()[1])
        verdict = machine.port(taken)
    assert verdict.status is Status.WARN
    assert f"process {os.getpid()}" in verdict.what
    assert machine.port(situation).status is Status.OK


def test_m4_the_port_of_our_own_web_ui_is_no_warning(situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    home = str(situation.known_home.path)
    monkeypatch.setattr("trading_platform.cli.supervisor.is_free", lambda host, port: False)
    for owner, status in ((home, Status.OK), ("/another/home", Status.WARN)):
        monkeypatch.setattr(
            machine, "_listener", lambda port, owner=owner: (7, "python -m dagster_webserver -p 3000", owner)
        )
        assert machine.port(situation).status is status


# The installation


def test_m4_versions_outside_their_range_are_named() -> None:
    installed = {"dagster": "1.12.0", "polars": "2.1.0"}

    def version_of(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    wanted = ["dagster~=1.13.27", "polars>=2.1,<3", "duckdb>=2", "other>=1; python_version < '3'"]
    assert list(installation.version_problems(">=3.11", wanted, version_of)) == [
        "dagster is 1.12.0, expected ~=1.13.27",
        "duckdb is not installed",
    ]
    assert "Python is" in next(installation.version_problems("<3", [], version_of))


def test_m4_this_checkout_is_what_is_installed(situation: Situation, tmp_path: Path) -> None:
    assert installation.versions(situation).status is Status.OK
    assert installation.checkout(situation).status is Status.OK
    assert installation.checkout(replace(situation, repository=tmp_path)).status is Status.FAIL
    (situation.working_directory / "definitions.py").write_text("")
    assert "namesake" not in installation.checkout(situation).what
    assert installation.checkout(situation).status is Status.WARN


def test_m4_a_copy_is_told_from_an_editable_installation() -> None:
    record = '{"url": "file:///my%20code/main", "dir_info": {"editable": true}}'
    assert installation.installed_from(record) == Path("/my code/main")
    assert installation.installed_from('{"url": "file:///x", "dir_info": {}}') is None
    assert installation.installed_from('{"url": "https://x"}') is None


def test_m4_the_calendar_must_reach_two_months_ahead(situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    last = date(2026, 5, 1)  # 60 days after NOW
    monkeypatch.setattr("trading_platform.sessions.tables.covered", lambda: (date(2000, 1, 1), last))
    assert installation.calendar_age(situation).status is Status.OK
    assert installation.calendar_age(replace(situation, now=NOW + timedelta(days=1))).status is Status.WARN
    assert installation.calendar_age(replace(situation, now=NOW + timedelta(days=57))).status is Status.FAIL


# Settings, home, data folder


def test_m4_a_misspelt_name_in_dotenv_is_a_warning(situation: Situation) -> None:
    (situation.working_directory / ".env").write_text("TP_SIERA_DIR=/data\n")
    verdict = home_checks.settings(situation)
    assert (verdict.status, "TP_SIERA_DIR" in verdict.what) == (Status.WARN, True)
    (situation.working_directory / ".env").write_text("SCID_DIR=/data\n")
    assert "SCID_DIR (use TP_SIERRA_DIR)" in home_checks.settings(situation).what


def test_m4_a_value_that_does_not_fit_is_a_failure_and_the_other_checks_go_on(real_home: Path, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("TP_LOG_LEVEL=loud\n")
    called = call("doctor", "--json", home=real_home)
    assert called.code == 2
    checks = {check["name"]: check for check in called.json["checks"]}
    assert "E101" in checks["settings"]["what"]
    assert checks["versions"]["status"] == "ok"


@pytest.mark.parametrize("broken", ["lake", "cache", "dagster"])
def test_m4_a_folder_that_cannot_be_written_is_a_failure(
    situation: Situation, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    real = Path.open

    def refuse(path: Path, *arguments: object, **options: object) -> object:
        if path.parent.name == broken and path.name.startswith(".tp-doctor"):
            raise OSError(30, "Read-only file system")
        return real(path, *arguments, **options)  # type: ignore[arg-type]

    before = contents(situation.known_home.path)
    assert home_checks.write_access(situation).status is Status.OK
    monkeypatch.setattr(Path, "open", refuse)
    verdict = home_checks.write_access(situation)
    assert (verdict.status, broken in verdict.what, "Read-only" in verdict.what) == (Status.FAIL, True, True)
    assert verdict.next_command == f"df -h {situation.known_home.path / broken}"
    monkeypatch.undo()
    assert contents(situation.known_home.path) == before


def test_m4_a_history_that_looks_damaged_for_a_moment_only_is_in_use(situation: Situation) -> None:
    """A writer was half through when it was looked at: two seconds later the file is whole."""
    history = situation.known_home.dagster_dir / "history"
    history.mkdir()
    path = history / "runs.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("create table runs (id integer primary key, status text)")
        connection.commit()
        assert not runs.is_in_use(situation.known_home)  # by this process itself
    whole = path.read_bytes()
    path.write_bytes(b"torn" + whole[4:])

    def finish(seconds: float) -> None:
        assert seconds == 2.0
        path.write_bytes(whole)

    seen = runs.run_history(situation, pause=finish, in_use=lambda _: False)
    assert (seen.status, seen.next_command) == (Status.WARN, "tp doctor")
    holder = subprocess.Popen([sys.executable, "-c", f"f = open({str(path)!r}); print(); input()"], stdin=-1, stdout=-1)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert runs.is_in_use(situation.known_home)
    finally:
        holder.communicate(b"\n")


def test_m4_the_probe_leaves_nothing_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        home_checks.probe(tmp_path)
    assert list(tmp_path.glob(".tp-doctor*")) == []


def test_m4_a_folder_of_the_home_that_is_gone_is_a_failure(situation: Situation) -> None:
    situation.known_home.cache_dir.rmdir()
    verdict = home_checks.write_access(situation)
    assert verdict == Verdict(
        Status.FAIL,
        f"{situation.known_home.cache_dir} is missing or no folder",
        f"tp init --home {situation.known_home.path}",
    )


def test_m4_the_data_folder_is_absent_empty_or_not_named(
    situation: Situation, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usual_folders, "usual_folders", lambda: (tmp_path / "usual",))
    (data_folder / "MNQH26_FUT_CME.scid").unlink()
    empty = home_checks.data_folder(situation)
    assert (empty.status, "no .scid file" in empty.what) == (Status.WARN, True)
    gone = home_checks.data_folder(replace(situation, settings=Settings(sierra_dir=tmp_path / "gone")))
    assert gone.status is Status.FAIL
    unnamed = home_checks.data_folder(replace(situation, home=replace(situation.known_home, sierra_dir=None)))
    assert unnamed.status is Status.WARN
    assert unnamed.next_command == f"tp init --home {situation.known_home.path} --sierra-dir {tmp_path / 'usual'}"


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("instruments.toml", "active = [", "E121"),
        ("rolls.csv", "root,contract\n", "E130"),
        ("roll_gaps.csv", "root,from_contract\n", "E135"),
        ("sources.toml", "[[source]]\npath = 3\n", "E216"),
        ("regimes.toml", "[all\n", "E180"),
        ("regimes.toml", "[symbols.SPXX]\nmin_dwell_s = 60\n", "E181"),
        ("regimes.toml", "[symbols.SPX]\nflip_exit_sigma = 2.0\n", "E182"),
        ("regime_routing.toml", "[calm]\n", "E181"),
    ],
)
def test_m4_an_edited_file_that_cannot_be_read_is_a_failure_with_its_number(
    situation: Situation, name: str, text: str, code: str
) -> None:
    (situation.known_home.path / name).write_text(text)
    found = by_name(examine(situation))
    assert (found["edited files"].status, code in found["edited files"].what) == (Status.FAIL, True)
    assert found["write access"].status is Status.OK


def test_m4_active_instruments_and_price_scales(situation: Situation, data_folder: Path) -> None:
    toml = situation.known_home.instruments_toml
    toml.write_text("active = []\n")
    assert home_checks.instruments(situation).next_command == "tp instruments activate MNQ"
    toml.write_text('active = ["MNQ"]\n')
    assert home_checks.instruments(situation).status is Status.OK


# Folders of gamma data


@pytest.fixture
def gamma(situation: Situation, tmp_path: Path) -> Situation:
    """Return the situation of a home whose two folders hold a feed of NQ_NDX and chains of SPX."""
    from trading_platform.instruments import load_registry
    from trading_platform.sessions import calendar_for
    from trading_platform.simulation import GexFeedOptions, write_demo_chains, write_gex_day

    path = situation.known_home.path
    situation.known_home.instruments_toml.write_text('active = ["MNQ", "SPX"]\n')
    session = calendar_for(load_registry().get("NQ_NDX").calendar).session(date(2025, 3, 11))
    write_gex_day(tmp_path / "gex", session, "NQ_NDX", ("gex_full", "gex_zero"), GexFeedOptions(cadence_s=3_600))
    write_demo_chains(tmp_path / "chains", [date(2025, 3, 11), date(2025, 3, 12)])
    create_home(path, gex_dir=tmp_path / "gex", chain_dir=tmp_path / "chains")
    return replace(situation, home=open_home(path))


def test_m4_without_folders_of_gamma_data_nothing_is_wrong(situation: Situation) -> None:
    found = by_name(examine(situation))
    for name, variable in (("gamma feed", "TP_GEX_DIR"), ("option chains", "TP_CHAIN_DIR")):
        assert found[name].status is Status.SKIP
        assert variable in found[name].what


def test_m4_files_of_gamma_data_are_counted_with_their_days(gamma: Situation, tmp_path: Path) -> None:
    found = by_name(examine(gamma))
    assert found["gamma feed"].what == f"{tmp_path / 'gex'}: 2 history files, NQ_NDX 2025-03-11 to 2025-03-11"
    assert found["option chains"].what == f"{tmp_path / 'chains'}: 6 saved chains, SPX 2025-03-11 to 2025-03-12"
    assert {found[name].status for name in ("gamma feed", "option chains")} == {Status.OK}


def test_m4_a_setting_goes_before_the_folder_of_the_home_but_not_in_a_demo(gamma: Situation, tmp_path: Path) -> None:
    other = replace(gamma, settings=Settings(gex_dir=tmp_path / "other"))
    assert (other.gex_dir, other.chain_dir) == (tmp_path / "other", tmp_path / "chains")
    demo = replace(other, home=replace(other.known_home, is_demo=True))
    assert demo.gex_dir == tmp_path / "gex"


@pytest.mark.parametrize("name", ["gex", "chains"])
def test_m4_a_folder_of_gamma_data_that_is_gone_is_a_failure_and_an_empty_one_a_warning(
    gamma: Situation, tmp_path: Path, name: str
) -> None:
    look = gamma_checks.gamma_feed if name == "gex" else gamma_checks.option_chains
    for path in sorted((tmp_path / name).rglob("*"), reverse=True):
        path.unlink()
    assert (look(gamma).status, "holds no" in look(gamma).what) == (Status.WARN, True)
    (tmp_path / name).rmdir()
    gone = look(gamma)
    assert (gone.status, gone.next_command) == (Status.FAIL, "tp config")
    assert f"{tmp_path / name} with" in gone.what


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("2025-03-12_NQ_NDX_classic_gex_half.json", "E265"),
        ("2025-03-11_NQ_NDX_classic_gex_zero (1).json", "E264"),
        ("history.json", "1 file in {folder} is no history file by name and beginning, first history.json"),
    ],
)
def test_m4_a_feed_file_that_is_not_understood_is_named(
    gamma: Situation, tmp_path: Path, name: str, found: str
) -> None:
    (tmp_path / "gex" / name).write_text("[]")
    (tmp_path / "gex" / "notes.md").write_text("not looked at")
    verdict = gamma_checks.gamma_feed(gamma)
    assert (verdict.status, found.format(folder=tmp_path / "gex") in verdict.what) == (Status.WARN, True)
    assert verdict.next_command is not None
    assert problem_of(verdict.next_command) is None


def test_m4_a_chain_of_unknown_form_is_named(gamma: Situation, tmp_path: Path) -> None:
    (tmp_path / "chains" / "a.csv").write_text("time,open,high\n1,2,3\n")
    verdict = gamma_checks.option_chains(gamma)
    assert verdict.status is Status.WARN
    assert "is not understood, first a.csv: E242" in verdict.what
    assert verdict.next_command is not None
    assert problem_of(verdict.next_command) is None


def test_m4_gamma_data_that_no_active_instrument_uses_is_a_warning(gamma: Situation) -> None:
    gamma.known_home.instruments_toml.write_text('active = ["CL"]\n')
    feed, chains = gamma_checks.gamma_feed(gamma), gamma_checks.option_chains(gamma)
    assert (feed.status, chains.status) == (Status.WARN, Status.WARN)
    assert "NQ_NDX, which no active instrument uses" in feed.what
    assert feed.next_command == "tp instruments activate NQ_NDX"
    assert chains.next_command == "tp instruments activate SPX"


# Runs, history, left-overs


def test_m4_a_changed_dagster_yaml_is_a_warning(situation: Situation) -> None:
    copy = situation.known_home.dagster_dir / "dagster.yaml"
    assert runs.dagster_settings(situation).status is Status.SKIP
    copy.write_bytes((REPOSITORY / "dagster.yaml").read_bytes())
    assert runs.dagster_settings(situation).status is Status.OK
    copy.write_text("telemetry: {enabled: true}\n")
    assert runs.dagster_settings(situation).status is Status.WARN


def test_m4_a_damaged_history_is_a_failure_and_is_not_touched(situation: Situation) -> None:
    history = situation.known_home.dagster_dir / "history"
    history.mkdir()
    connection = sqlite3.connect(history / "runs.db")
    connection.execute("create table runs (id integer primary key, status text)")
    connection.executemany("insert into runs (status) values (?)", [("SUCCESS " * 50,)] * 500)
    connection.commit()
    connection.close()
    assert runs.run_history(situation).status is Status.OK
    content = bytearray((history / "runs.db").read_bytes())
    content[8_192:16_384] = bytes(8_192)
    (history / "runs.db").write_bytes(content)
    before = contents(situation.known_home.path)
    pauses: list[float] = []
    damaged = runs.run_history(situation, pause=pauses.append)
    assert (damaged.status, damaged.next_command) == (Status.FAIL, f"mv {history} {history}.damaged")
    assert pauses == [2.0]
    in_use = runs.run_history(situation, pause=pauses.append, in_use=lambda _: True)
    assert (in_use.status, in_use.next_command) == (Status.WARN, "tp doctor")
    assert "look again when nothing runs" in in_use.what
    (history / "runs.db").write_bytes(b"no database at all, but long enough" * 100)
    assert runs.run_history(situation, pause=pauses.append).status is Status.FAIL
    assert runs.dead_runs(situation) == Verdict(Status.SKIP, "the run history cannot be read now, see above")
    (history / "runs.db").write_bytes(content)
    assert runs.dead_runs(situation) == Verdict(Status.SKIP, "the run history cannot be read now, see above")
    assert contents(situation.known_home.path) == before


def test_m4_a_history_too_large_to_be_checked_is_said_and_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "large.db"
    connection = sqlite3.connect(path)
    connection.execute("create table t (id integer primary key, text text)")
    connection.executemany("insert into t (text) values (?)", [("x" * 100,)] * 50_000)
    connection.commit()
    connection.close()
    assert runs.quick_check(path, 0.0) is None
    assert runs.quick_check(path, 60.0) == "ok"


def _dead_identity() -> dict[str, str]:
    from trading_platform.process import ProcessIdentity

    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    current = ProcessIdentity.current()
    return ProcessIdentity(current.host, child.pid, current.started_s - 60).to_tags()


def test_m4_a_dead_run_is_found_and_left_alone(situation: Situation) -> None:
    import dagster as dg

    @dg.job
    def idle() -> None: ...

    with open_instance(situation.known_home) as instance:
        assert runs.dead_runs(situation).status is Status.OK
        run = instance.create_run_for_job(idle, tags=_dead_identity())
        verdict = runs.dead_runs(situation)
        assert (verdict.status, verdict.next_command) == (Status.WARN, "tp runs --end-dead")
        assert run.run_id[:8] in verdict.what
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert not found.is_finished


def test_m4_claims_and_temporaries_of_dead_processes_are_found_and_removed_by_the_next_command(
    situation: Situation,
) -> None:
    home = situation.known_home
    claims = home.claims_dir
    day = home.lake_dir / "ticks" / "symbol=MNQ" / "date=2026-03-02"
    refused = home.lake_dir / "quarantine" / "ticks" / "symbol=MNQ" / "date=2026-03-02"
    for folder in (claims, day, refused):
        folder.mkdir(parents=True)
    assert runs.left_overs(situation).status is Status.OK
    (claims / "guard.lock").write_bytes(b"")
    (claims / "0a.claim").write_text('{"holder": "process 1", "partitions": []}')
    living = claims / "0b.claim"
    living.write_text('{"holder": "this test", "partitions": []}')
    for folder in (day, refused):
        (folder / ".part-0.1234.tmp").write_bytes(b"half")
    with living.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        verdict = runs.left_overs(situation)
        assert verdict.status is Status.WARN
        assert verdict.what == "1 claims and 2 temporary files of processes that are gone"
        assert (claims / "0a.claim").exists()
        assert verdict.next_command == "tp runs --end-dead"
        called = call("runs", "--end-dead", "--json", home=home.path)
        assert called.json["removed"] == 3
        assert living.exists()
        assert runs.left_overs(situation).status is Status.OK


def test_m4_a_large_lake_is_looked_at_for_a_limited_time(situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        (situation.known_home.lake_dir / "ticks" / "symbol=MNQ" / f"date=2026-03-0{number + 2}").mkdir(parents=True)
    monkeypatch.setattr(runs, "_SWEEP_LIMIT_S", -1.0)
    assert "the first 1 folders" in runs.left_overs(situation).what
