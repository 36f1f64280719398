"""``tp rolls build`` and ``tp rolls gaps``: proposals that change nothing, and tables that keep what the user wrote."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sierra.rolling_archive import write_contract
from trading_platform import home as home_folder
from trading_platform.clock import SystemClock
from trading_platform.errors import LakeError
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.instruments.roll_gaps_csv import read_roll_gaps
from trading_platform.lake import LocalLake, Outcome, build_day
from trading_platform.lake.continuous_series import continuous
from trading_platform.sessions import calendar_for
from trading_platform.sierra import SierraArchive, TicksBuilder

from .conftest import call, listing

REGISTRY = load_registry()
SESSIONS = [day for day in (date(2025, 9, 2) + timedelta(days=i) for i in range(14)) if day.weekday() < 5]
CROSSING = date(2025, 9, 10)  # so ESZ25 is front from the 11th; the calendar rule says the 15th


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home over an archive of two contracts of ES, the second dearer by 52.5 points."""
    es, folder = REGISTRY.get("ES"), tmp_path / "Data"
    folder.mkdir()
    write_contract(folder, es, "ESU25", {day: 9_000 if day < CROSSING else 4_000 for day in SESSIONS})
    write_contract(folder, es, "ESZ25", {day: 1_000 if day < CROSSING else 7_000 for day in SESSIONS}, gap_ticks=210)
    path = tmp_path / "home"
    home_folder.create_home(path, sierra_dir=folder)
    (path / "instruments.toml").write_text('active = ["ES"]\n', encoding="utf-8")
    return path


def store_ticks(home: Path, days: list[date]) -> LocalLake:
    """Build days of ``ES/ticks`` by the roll table of the home."""
    lake, es, clock = LocalLake(home / "lake"), REGISTRY.get("ES"), SystemClock()
    archive = SierraArchive(home.parent / "Data", None, REGISTRY, home / "cache")
    rolls = load_roll_table(REGISTRY, home / "rolls.csv")
    builder = TicksBuilder(es, lake, archive, rolls, calendar_for(es.calendar), clock)
    for day in days:
        assert build_day(builder, day, lake).outcome is Outcome.WRITE
    return lake


def built(home: Path, *options: str) -> Any:
    called = call("rolls", "build", "ES", *options, "--json", home=home)
    assert called.code == 0, called.err
    return called.json


def test_s3_proposal_shows_the_roll_against_the_calendar_rule_and_changes_nothing(home: Path) -> None:
    store_ticks(home, SESSIONS[5:8])
    before = listing(home / "lake") | listing(home.parent / "Data")

    document = built(home)

    first, second = document["rolls"]
    assert first == {
        "from_contract": "ESU25",
        "to_contract": "ESZ25",
        "calendar_date": "2025-09-15",
        "table_date": "2025-09-15",
        "table_rule": "calendar",
        "volume_date": "2025-09-11",
        "sessions_later": -2,
        "deciding_session": "2025-09-10",
        "from_volume": 4_000,
        "to_volume": 7_000,
        "conflict": False,
        "reason": None,
        "undecided": [],
        "note": "",
    }
    assert (second["to_contract"], second["volume_date"]) == ("ESH26", None)
    assert second["reason"] == "the volume of ESH26 is not known: there is no file of it"
    assert document["stale_days"] == [{"trade_date": "2025-09-11", "was": "ESU25", "would_be": "ESZ25"}]
    assert (document["changed"], document["written"]) == (True, False)
    assert listing(home / "lake") | listing(home.parent / "Data") == before
    assert not (home / "rolls.csv").exists()


def test_s3_write_makes_the_proposal_the_table_and_names_the_next_commands(home: Path) -> None:
    store_ticks(home, SESSIONS[5:8])

    document = built(home, "--write")

    assert document["written"] is True
    assert document["next"] == [
        "tp backfill 'ES/*' --from 2025-09-11 --to 2025-09-11",
        "tp rolls gaps ES --write",
    ]
    shown = call("rolls", "show", "ES", "--from", "2025-09-10", "--to", "2025-09-11", "--json", home=home).json
    assert [(row["contract"], row["first_trade_date"], row["rule"]) for row in shown] == [
        ("ESU25", "2025-06-16", "calendar"),
        ("ESZ25", "2025-09-11", "volume"),
    ]
    assert built(home, "--write")["changed"] is False
    assert "table now" in call("rolls", "build", "ES", home=home).out


def test_s3_dry_run_of_write_shows_the_rows_and_writes_none(home: Path) -> None:
    called = call("rolls", "build", "ES", "--write", "--dry-run", home=home)

    assert called.code == 0
    assert "+ES,ESZ25,2025-09-11,volume" in called.out
    assert "dry run: nothing was changed" in called.out
    assert not (home / "rolls.csv").exists()
    assert "SYNTHETIC DATA" in called.err


def test_s3_row_of_the_user_wins_unless_replace(home: Path) -> None:
    mine = "# mine\nroot,contract,first_trade_date\nES,ESZ25,2025-09-09\n"
    (home / "rolls.csv").write_text(mine)

    kept = built(home, "--write")

    assert (kept["rolls"][0]["conflict"], kept["written"]) == (True, False)
    assert "your row of rolls.csv says 2025-09-09: kept" in kept["rolls"][0]["note"]
    assert (home / "rolls.csv").read_text() == mine
    assert built(home, "--write", "--replace")["written"] is True
    assert (home / "rolls.csv").read_text() == (
        "# mine\nroot,contract,first_trade_date,rule\nES,ESZ25,2025-09-11,volume\n"
    )


def test_s3_range_limits_the_sessions_that_are_looked_at(home: Path) -> None:
    until = built(home, "--to", "2025-09-09")
    assert (until["last_session"], until["rolls"][0]["volume_date"]) == ("2025-09-09", None)
    since = built(home, "--from", "2025-09-08")
    assert (since["first_session"], since["rolls"][0]["volume_date"]) == ("2025-09-02", "2025-09-11")


def test_s3_unreadable_file_is_reported_and_the_rest_decides(home: Path) -> None:
    (home.parent / "Data" / "ESH26_FUT_CME.scid").write_bytes(b"SCID")

    called = call("rolls", "build", "ES", home=home)

    assert called.code == 0
    assert "not read: ESH26_FUT_CME.scid: E200" in called.err
    assert "2025-09-11" in called.out


def test_s3_archive_without_a_session_of_the_root_is_e134(home: Path) -> None:
    called = call("rolls", "build", "NQ", home=home)

    assert called.error is not None
    assert (called.code, called.error.code, called.error.next_command) == (2, "E134", "tp rolls show NQ")


@pytest.mark.parametrize(("command", "root", "code"), [("build", "SPX", "E125"), ("gaps", "XYZ", "E120")])
def test_s3_rolls_of_what_has_none_are_refused(home: Path, command: str, root: str, code: str) -> None:
    called = call("rolls", command, root, home=home)

    assert called.error is not None
    assert (called.code, called.error.code) == (2, code)


def test_s3_gaps_need_a_range_while_nothing_is_stored(home: Path) -> None:
    called = call("rolls", "gaps", "ES", home=home)

    assert called.error is not None
    assert called.error.code == "E162"


def test_s3_gap_that_cannot_be_measured_is_listed_with_the_reason(home: Path) -> None:
    document = call("rolls", "gaps", "ES", "--from", "2025-09-15", "--to", "2025-12-31", "--json", home=home).json

    assert [(one["to_contract"], one["gap"]) for one in document["gaps"]] == [("ESZ25", 52.5), ("ESH26", None)]
    assert document["gaps"][1]["reason"].startswith("E210 no .scid file of ESH26")
    assert (document["changed"], document["written"]) == (True, False)
    assert not (home / "roll_gaps.csv").exists()


def test_s3_from_archive_to_a_back_adjusted_series_by_volume(home: Path) -> None:
    built(home, "--write")
    lake = store_ticks(home, SESSIONS)
    called = call("rolls", "gaps", "ES", "--write", home=home)
    assert called.code == 0
    assert "roll_gaps.csv is written" in called.out
    rolls, gaps = load_roll_table(REGISTRY, home / "rolls.csv"), read_roll_gaps(home / "roll_gaps.csv", REGISTRY)
    span = (SESSIONS[0], SESSIONS[-1])

    stored = continuous(lake, rolls, gaps, "ES", span, dataset="ticks")
    frame = continuous(lake, rolls, gaps, "ES", span, dataset="ticks", adjust="difference")

    roll = frame["roll"].arg_true().to_list()
    assert frame["trade_date"].gather(roll).to_list() == [date(2025, 9, 11)]
    assert [one.difference for one in gaps.values()] == [52.5]
    steps, raw_steps = frame["price"].diff().abs(), stored["price"].diff().abs()
    others = [step for row, step in enumerate(steps) if row not in (0, *roll)]
    assert steps[roll[0]] <= max(others) < raw_steps[roll[0]] + 52.5
    assert steps[roll[0]] != raw_steps[roll[0]]
    # One contract a day and no day lost: what the days hold, the series holds.
    assert frame.group_by("trade_date").agg(contracts=frame["contract"].n_unique()).height == len(SESSIONS)
    by_day = {day: lake.read("ticks", "ES", day) for day in SESSIONS}
    assert frame["volume"].sum() == sum(int(ticks["volume"].sum()) for ticks in by_day.values())
    assert frame["volume"].sum() == 9_000 * 6 + 4_000 + 7_000 * 3
    assert {ticks["contract"].n_unique() for ticks in by_day.values()} == {1}


def test_s3_changed_table_refuses_a_series_over_stale_days(home: Path) -> None:
    lake = store_ticks(home, SESSIONS[6:9])
    built(home, "--write")
    rolls = load_roll_table(REGISTRY, home / "rolls.csv")

    with pytest.raises(LakeError, match="E552 ES/ticks 2025-09-11 holds ESU25"):
        continuous(lake, rolls, {}, "ES", (SESSIONS[6], SESSIONS[8]), dataset="ticks")
