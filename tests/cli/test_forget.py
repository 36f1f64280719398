"""``tp forget``: what it shows, when it asks, and that nothing goes by accident (M2)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from trading_platform.cli.commands import forget as command

from .conftest import DATES, Demo, call, listing

DAY = DATES[0].isoformat()


@pytest.fixture
def home(demo: Demo, tmp_path: Path) -> Path:
    """Return a copy of the demo home that a test may change; its source files are those of the original."""
    return Path(shutil.copytree(demo.home, tmp_path / "copy", copy_function=shutil.copy2))


def test_m2_a_dry_run_shows_the_file_and_its_dependents_and_changes_nothing(demo: Demo) -> None:
    before = listing(demo.home / "lake")
    called = call("forget", "mnq/ticks", "--day", DAY, "--dry-run", home=demo.home)
    assert called.code == 0, called.err
    assert "would be removed (dry run, nothing was done)" in called.out
    assert str(demo.home / "lake" / "ticks" / "symbol=MNQ" / f"date={DAY}" / "part-0.parquet") in called.out
    assert (
        "MNQ/bars_1m, MNQ/bars_1s, MNQ/enriched_bars, MNQ/gex_alignment were made from them and stay as they are"
        in called.out
    )
    assert listing(demo.home / "lake") == before


def test_m2_days_that_show_gamma_data_are_told_apart_from_those_that_need_them(demo: Demo) -> None:
    called = call("forget", "NQ_NDX/gex_snapshots", "--day", DAY, "--dry-run", home=demo.home)
    assert called.code == 0, called.err
    out = " ".join(called.out.split())
    assert "of NQ_NDX/gex_regimes were made from them and stay as they are" in out
    assert "of MNQ/enriched_bars, MNQ/gex_alignment" in out
    assert "a backfill before these days are back makes them again with nulls in their place" in out
    listed = call("forget", "NQ_NDX/gex_snapshots", "--day", DAY, "--dry-run", "--json", home=demo.home).json
    assert {one["asset"]: one["can_be_made_without"] for one in listed["dependents"]} == {
        "MNQ/enriched_bars": True,
        "MNQ/gex_alignment": True,
        "NQ_NDX/gex_regimes": False,
    }


def test_m2_where_nobody_can_be_asked_yes_is_needed_e106(demo: Demo) -> None:
    before = listing(demo.home / "lake")
    for options in ((), ("--json",)):
        called = call("forget", "MNQ/ticks", "--day", DAY, *options, home=demo.home)
        assert called.error is not None
        assert (called.code, called.error.code) == (2, "E106")
        assert called.error.next_command == f"tp forget MNQ/ticks --from {DAY} --to {DAY} --dry-run"
    assert listing(demo.home / "lake") == before


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), "E162"),
        (("--from", DAY), "E162"),
        (("--day", DAY, "--to", DAY), "E160"),
        (("--from", "2025-03-15", "--to", DAY), "E162"),
    ],
)
def test_m2_the_days_are_never_guessed(demo: Demo, options: tuple[str, ...], code: str) -> None:
    called = call("forget", "MNQ/ticks", *options, "--yes", home=demo.home)
    assert called.error is not None
    assert (called.code, called.error.code) == (2, code)


def test_m2_yes_removes_and_the_next_command_makes_it_again(home: Path) -> None:
    part = home / "lake" / "bars_1m" / "symbol=MNQ" / f"date={DAY}" / "part-0.parquet"
    before = part.read_bytes()
    called = call("forget", "MNQ/bars_1m", "--day", DAY, "--yes", "--json", home=home)
    assert called.code == 0, called.err
    assert (called.json["removed"], called.json["freed_bytes"], called.json["days"][0]["asset"]) == (
        1,
        len(before),
        "MNQ/bars_1m",
    )
    assert not part.parent.exists()
    again = call("forget", "MNQ/bars_1m", "--day", DAY, "--yes", home=home)
    assert (again.code, again.out) == (0, "nothing to remove: none of these days is stored\n")
    assert call("backfill", "MNQ/bars_1m", "--day", DAY, home=home).code == 0
    assert part.read_bytes() == before


@pytest.mark.parametrize("answer", ["y", "n"])
def test_m2_on_a_terminal_it_asks(home: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    asked: list[str] = []

    def confirm(text: str, *, abort: bool, err: bool) -> bool:
        asked.append(text)
        if answer == "n":
            raise command.typer.Abort
        return True

    monkeypatch.setattr(command, "_can_ask", lambda: True)
    monkeypatch.setattr(command.typer, "confirm", confirm)
    called = call("forget", "MNQ/bars_1m", "--day", DAY, home=home)
    assert asked == ["remove 1 partition?"]
    assert called.code == (0 if answer == "y" else 1)
    stored = home / "lake" / "bars_1m" / "symbol=MNQ" / f"date={DAY}" / "part-0.parquet"
    assert stored.exists() == (answer == "n")


def test_m2_the_only_copy_is_refused_also_with_yes_e614(home: Path) -> None:
    (home / "home.json").write_text('{"sierra_dir": null, "demo": true}')
    called = call("forget", "MNQ/*", "--day", DAY, "--yes", home=home)
    assert called.error is not None
    assert (called.code, called.error.code) == (1, "E614")
    assert "the copy in the lake is the only one" in called.err
    part = home / "lake" / "ticks" / "symbol=MNQ" / f"date={DAY}" / "part-0.parquet"
    assert part.is_file()
    forced = call("forget", "MNQ/ticks", "--day", DAY, "--yes", "--even-if-unrecoverable", home=home)
    assert forced.code == 0, forced.err
    assert not part.exists()
