"""``tp status``: the coverage board on the command line (P12)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trading_platform.cli.platform import REPOSITORY

from .conftest import DATES, Demo, call, listing

DAY = DATES[1].isoformat()
RANGE = ("--from", "2025-03-13", "--to", "2025-03-18")


@pytest.fixture
def damaged(demo: Demo, tmp_path: Path) -> Path:
    """Return a copy of the demo in which one file of ticks was deleted by hand."""
    home = tmp_path / "copy"
    shutil.copytree(demo.home, home)
    (home / "lake" / "ticks" / "symbol=MNQ" / f"date={DAY}" / "part-0.parquet").unlink()
    return home


def test_p12_status_of_a_demo_ends_with_its_last_stored_day(demo: Demo) -> None:
    called = call("status", "MNQ/ticks", "--json", home=demo.home)
    assert called.code == 0
    assert (called.json["last"], called.json["days_to_repair"]) == (DATES[-1].isoformat(), 0)
    (row,) = called.json["rows"]
    assert (row["asset"], row["counts"], row["days"]) == ("MNQ/ticks", {"complete": 2, "closed": 1}, [])
    assert called.json["synthetic"] is True


def test_p12_status_shows_rows_reasons_and_the_next_command(damaged: Path) -> None:
    before = listing(damaged / "lake")
    called = call("status", "MNQ/ticks", "MNQ/bars_1m", *RANGE, home=damaged)
    assert called.code == 0
    lines = called.out.splitlines()
    assert lines[:6] == [
        "2025-03-13 to 2025-03-18",
        "M missing   ■ complete",
        "one cell = one day",
        "             Mar",
        "MNQ/ticks     ■ M   1 M  1 ■",
        "MNQ/bars_1m   ■ ■   2 ■",
    ]
    assert lines[-3:] == [
        f"M missing  MNQ/ticks  {DAY}",
        "why:  materialized, but its file is gone",
        f"next: tp backfill MNQ/ticks --from {DAY} --to {DAY}",
    ]
    assert called.err.startswith("SYNTHETIC DATA")
    assert listing(damaged / "lake") == before


def test_p12_strict_fails_if_a_backfill_has_something_to_repair(damaged: Path, demo: Demo) -> None:
    assert call("status", "--strict", home=demo.home).code == 0
    called = call("status", "MNQ/*", "--strict", "--json", *RANGE, home=damaged)
    assert (called.code, called.json["days_to_repair"]) == (1, 1)
    (ticks,) = [row for row in called.json["rows"] if row["asset"] == "MNQ/ticks"]
    assert ticks["days"] == [{"trade_date": DAY, "state": "missing", "reason": "materialized, but its file is gone"}]
    assert ticks["next"] == [f"tp backfill MNQ/ticks --from {DAY} --to {DAY}"]


def test_p12_page_is_written_where_asked(demo: Demo, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "board.html"
    called = call("status", "--html", page, home=demo.home)
    assert called.out.splitlines()[-1] == f"written: {page}"
    assert "MNQ/ticks" in page.read_text(encoding="utf-8")
    blocked = call("status", "--html", page / "board.html", home=demo.home)
    assert blocked.error is not None
    assert (blocked.code, blocked.error.code) == (1, "E545")


def test_p12_sources_are_compared_on_demand(demo: Demo) -> None:
    called = call("status", "MNQ/ticks", "--verify-sources", "--json", home=demo.home)
    assert called.json["rows"][0]["counts"] == {"complete": 2, "closed": 1}


def test_p12_deleted_and_damaged_caches_change_nothing(damaged: Path) -> None:
    cache = damaged / "cache" / "coverage"
    first = call("status", "--json", *RANGE, home=damaged).json["rows"]
    for path in [path for path in cache.rglob("*") if path.is_file()]:
        path.write_bytes(path.read_bytes()[:-7])
    assert call("status", "--json", *RANGE, home=damaged).json["rows"] == first
    shutil.rmtree(cache)
    assert call("status", "--json", *RANGE, home=damaged).json["rows"] == first


def test_p12_empty_home_has_nothing_yet(real_home: Path) -> None:
    called = call("status", home=real_home)
    assert called.code == 0
    assert called.out.splitlines()[-1].startswith("nothing yet: MNQ/ticks, MNQ/bars_1s, MNQ/bars_1m")
    (real_home / "instruments.toml").write_text("active = []\n", encoding="utf-8")
    assert call("status", home=real_home).out.splitlines()[-1] == "next: tp instruments list"


def test_p12_unreadable_run_history_is_e546(real_home: Path) -> None:
    database = real_home / "dagster" / "history" / "runs" / "index.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"no database" * 1_000)
    called = call("status", home=real_home)
    assert called.error is not None
    assert (called.code, called.error.code) == (1, "E546")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("MNQ/tikcs",), "E161"),
        (("--from", DAY, "--to", "2025-03-03"), "E162"),
        (("--from", "2001-01-02", "--to", DAY), "E174"),
        (("--from", "2025-03-15", "--to", "2025-03-16"), "E175"),
        (("--from", "2040-01-02", "--to", "2040-01-06"), "E140"),
    ],
)
def test_p12_status_refuses_wrong_usage(demo: Demo, arguments: tuple[str, ...], code: str) -> None:
    called = call("status", *arguments, home=demo.home)
    assert called.error is not None
    assert (called.code, called.error.code) == (2, code)


def test_u2_status_takes_names_in_other_capitals_as_a_backfill_does(demo: Demo) -> None:
    called = call("status", "mnq/ticks", "Es/Bars*", "--json", home=demo.home)
    assert {row["asset"] for row in called.json["rows"]} == {"MNQ/ticks", "ES/bars_1s", "ES/bars_1m"}


@pytest.mark.parametrize(
    ("arguments", "next_command"),
    [
        (("--from", "2001-01-02", "--to", DAY), f"tp status --from 2005-01-03 --to {DAY}"),
        (
            ("MNQ/*", "--from", "2025-03-15", "--to", "2025-03-16"),
            "tp status 'MNQ/*' --from 2025-03-14 --to 2025-03-14",
        ),
    ],
)
def test_u5_the_next_command_of_an_impossible_range_is_the_nearest_possible_one(
    demo: Demo, arguments: tuple[str, ...], next_command: str
) -> None:
    error = call("status", *arguments, home=demo.home).error
    assert error is not None
    assert error.next_command == next_command


def test_p12_second_look_loads_neither_dagster_nor_data_frames(demo: Demo) -> None:
    program = (
        "import sys; sys.argv = ['tp', 'status', '--json']\n"
        "from trading_platform.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code in (0, None), end.code\n"
        "heavy = {'dagster', 'polars', 'duckdb', 'pyarrow', 'pandas', 'pandera'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"TP_HOME": str(demo.home), "PATH": "", "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_p12_default_board_says_which_stored_days_it_does_not_show(demo: Demo, tmp_path: Path) -> None:
    """One bought day lies after all others, and one old year before them: neither moves the board."""
    home = tmp_path / "copy"
    shutil.copytree(demo.home, home)
    stored = home / "lake" / "ticks" / "symbol=MNQ"
    shutil.copytree(stored / f"date={DAY}", stored / "date=2024-06-03")
    shutil.copytree(stored / f"date={DAY}", home / "lake" / "l2" / "symbol=MNQ" / "date=2025-09-03")
    told = call("status", "--json", home=home).json
    assert told["last"] == DATES[-1].isoformat()
    assert (told["older_days"], told["first_older_day"]) == (1, "2024-06-03")
    assert (told["newer_days"], told["last_newer_day"]) == (1, "2025-09-03")
    lines = call("status", "MNQ/*", home=home).out.splitlines()[-2:]
    assert lines == [
        "1 older stored day is not shown (first 2024-06-03): tp status 'MNQ/*' --from 2024-06-03",
        "1 newer stored day is not shown (last 2025-09-03): tp status 'MNQ/*' --to 2025-09-03",
    ]
    asked = call("status", "MNQ/ticks", "--from", "2025-03-13", "--json", home=home).json
    assert asked["older_days"] == 0
