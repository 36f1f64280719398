"""``tp import scid`` and ``tp sierra inspect``: single files from anywhere on disk."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from trading_platform.home import create_home
from trading_platform.sierra.sources import read_sources
from trading_platform.simulation import scid_header

from .conftest import DATES, Demo, call, listing


@pytest.fixture
def fresh_home(tmp_path: Path) -> Path:
    """Return a home in which nothing is active yet."""
    return create_home(tmp_path / "home").path


@pytest.fixture
def source(demo: Demo, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies a file of the demo to any name."""

    def copy(contract: str, name: str | None = None) -> Path:
        target = tmp_path / "downloads" / (name or f"{contract}_FUT_CME.scid")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(demo.home / "sierra" / f"{contract}_FUT_CME.scid", target)
        return target

    return copy


def test_t1_import_into_a_fresh_home_makes_the_days_in_front(fresh_home: Path, source: Callable[..., Path]) -> None:
    file = source("MNQM25")
    called = call("import", "scid", file, "--json", home=fresh_home)
    assert called.code == 0, called.err
    assert (called.json["activated"], called.json["synthetic"]) == (["MNQ"], True)
    assert called.json["files"] == [
        {
            "file": str(file),
            "contract": "MNQM25",
            "trade_dates": ["2025-03-17"],
            "not_in_front": {"2025-03-14": "MNQH25"},
            "error": None,
        }
    ]
    made = {asset["asset"]: [day["outcome"] for day in asset["days"]] for asset in called.json["assets"]}
    assert made == {
        "MNQ/ticks": ["WRITE"],
        "MNQ/bars_1s": ["WRITE"],
        "MNQ/bars_1m": ["WRITE"],
        "lake/sql_views": [],
        "lake/coverage": [],
    }
    assert [(s.path, s.contract.symbol) for s in read_sources(fresh_home / "sources.toml")] == [(file, "MNQM25")]
    assert tomllib.loads((fresh_home / "instruments.toml").read_text())["active"] == ["MNQ"]


def test_t1_import_gives_the_same_bytes_as_the_archive(
    demo: Demo, fresh_home: Path, source: Callable[..., Path]
) -> None:
    assert call("import", "scid", source("ESH25"), source("ESM25"), home=fresh_home).code == 0
    part = Path("lake") / "bars_1m" / "symbol=ES" / f"date={DATES[1]}" / "part-0.parquet"
    assert (fresh_home / part).read_bytes() == (demo.home / part).read_bytes()


def test_t2_import_again_does_nothing(fresh_home: Path, source: Callable[..., Path]) -> None:
    file = source("MNQM25")
    assert call("import", "scid", file, home=fresh_home).code == 0
    before = listing(fresh_home / "lake")
    again = call("import", "scid", file, home=fresh_home)
    assert again.code == 0
    assert "WRITE=0 SKIP=3" in again.out
    assert listing(fresh_home / "lake") == before


def test_u2_import_dry_run_changes_nothing(fresh_home: Path, source: Callable[..., Path]) -> None:
    file = source("MNQM25")
    before = listing(fresh_home)
    called = call("import", "scid", file, "--dry-run", home=fresh_home)
    assert called.code == 0
    assert "1 trade dates left out: MNQM25 is not in front (MNQH25 is): 2025-03-14" in called.out
    assert "MNQ would be activated" in called.out
    assert listing(fresh_home) == before


def test_u5_a_name_that_tells_no_contract_is_e164(fresh_home: Path, source: Callable[..., Path]) -> None:
    file = source("MNQM25", "download (3).scid")
    called = call("import", "scid", file, home=fresh_home)
    assert called.code == 2
    assert "E164" in called.err
    assert f"next: tp sierra inspect '{file}'" in called.err
    assert "add --contract" in called.err
    named = call("import", "scid", file, "--contract", "MNQM25", "--dry-run", "--json", home=fresh_home)
    assert named.json["files"][0]["trade_dates"] == ["2025-03-17"]


def test_u5_one_contract_for_several_files_is_e165(fresh_home: Path, source: Callable[..., Path]) -> None:
    files = (source("MNQM25"), source("MNQH25"))
    for command in (("import", "scid"), ("sierra", "inspect")):
        called = call(*command, *files, "--contract", "MNQM25", home=fresh_home)
        assert called.error is not None
        assert called.error.code == "E165"


def test_u5_a_contract_against_the_file_name_is_e166(fresh_home: Path, source: Callable[..., Path]) -> None:
    called = call("import", "scid", source("MNQM25"), "--contract", "MNQH25", home=fresh_home)
    assert called.code == 2
    assert "E166" in called.err
    assert not (fresh_home / "sources.toml").exists()


def test_t4_a_file_that_is_none_is_refused_and_the_others_go_on(
    fresh_home: Path, source: Callable[..., Path], tmp_path: Path
) -> None:
    bad = tmp_path / "ESM25_FUT_CME.scid"
    bad.write_bytes(b"SCDD" + scid_header()[4:])
    called = call("import", "scid", bad, source("MNQM25"), "--json", home=fresh_home)
    assert called.code == 3
    assert [file["error"] and file["error"]["code"] for file in called.json["files"]] == ["E201", None]
    assert called.json["assets"][0]["outcomes"]["WRITE"] == 1


def test_t4_a_file_without_records_is_no_error(fresh_home: Path, tmp_path: Path) -> None:
    empty = tmp_path / "ESM25_FUT_CME.scid"
    empty.write_bytes(scid_header())
    called = call("import", "scid", empty, home=fresh_home)
    assert called.code == 0
    assert "no trade of an open trade date" in called.out


def test_t1_a_contract_that_is_never_in_front_imports_nothing_and_ends_with_3(
    fresh_home: Path, source: Callable[..., Path]
) -> None:
    (fresh_home / "rolls.csv").write_text("root,contract,first_trade_date\nMNQ,MNQM25,2025-06-02\n")
    file = source("MNQM25")
    called = call("import", "scid", file, "--json", home=fresh_home)
    assert (called.code, called.json["files"][0]["trade_dates"], called.json["assets"]) == (3, [], [])
    called = call("import", "scid", file, home=fresh_home)
    assert called.code == 3
    assert "nothing was imported" in called.err
    assert "next: tp rolls show MNQ --from 2025-03-14 --to 2025-03-17" in called.err
    together = call("import", "scid", file, source("MNQH25"), "--dry-run", home=fresh_home)
    assert together.code == 0, together.err


def test_t1_the_real_sample_imports_on_a_fresh_home(fresh_home: Path, shared_data: Path) -> None:
    sample = shared_data / "sierra" / "real_sample.scid"
    assert call("import", "scid", sample, "--contract", "ESH23", home=fresh_home).code == 0
    query = "select price, side, bundle, contract from ticks order by seq"
    rows = call("sql", query, "--json", home=fresh_home).json["rows"]
    assert [row["price"] for row in rows] == [
        4048.0, 4048.0, 4047.5, 4047.75, 4047.75, 4048.0, 4047.0, 4048.0, 4048.5, 4048.25,
    ]  # fmt: skip
    assert [row["side"] for row in rows] == [-1, -1, -1, -1, -1, -1, 1, 1, -1, -1]
    assert [row["bundle"] for row in rows] == [0, 0, 0, 1, 2, 0, 0, 0, 0, 0]
    assert {row["contract"] for row in rows} == {"ESH23"}


def test_t5_inspect_needs_no_home_and_writes_nothing(source: Callable[..., Path], elsewhere: Path) -> None:
    file = source("MNQM25")
    before = listing(file.parent)
    called = call("sierra", "inspect", file, "--json")
    assert called.code == 0
    report = called.json[0]
    assert (report["contract"], report["storage"], report["synthetic"]) == ("MNQM25", "ticks", True)
    assert (report["price_scale"], report["price_scale_is_right"]) == (0.01, True)
    assert [day["trade_date"] for day in report["days"]] == ["2025-03-14", "2025-03-17"]
    assert sum(day["records"] for day in report["days"]) == report["records"]
    assert "1 tick" in call("sierra", "inspect", file).out
    assert listing(file.parent) == before
    assert listing(elsewhere) == {}


def test_t5_inspect_names_the_command_that_corrects_a_wrong_scale(source: Callable[..., Path]) -> None:
    called = call("sierra", "inspect", source("MNQM25", "MNQM25-CME.scid"))
    assert "tp instruments set MNQ --price-scale 0.01 --style dash" in called.out


def test_t4_inspect_reports_every_file_and_ends_with_3(source: Callable[..., Path], tmp_path: Path) -> None:
    called = call("sierra", "inspect", tmp_path / "none.scid", source("MNQM25"), "--json")
    assert called.code == 3
    assert [entry.get("error", {}).get("code") for entry in called.json] == ["E203", None]
