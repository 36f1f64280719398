"""Which files hold a contract's book."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from trading_platform.errors import SourceError
from trading_platform.instruments import Contract, Registry
from trading_platform.sierra.depth import DepthArchive

from .depth_bytes import write

ESZ25 = Contract.parse("ESZ25")
MONDAY = date(2025, 11, 3)
OPEN_FILES = Path("/proc/self/fd")


def code(archive: DepthArchive, contract: Contract = ESZ25) -> str:
    with pytest.raises(SourceError) as caught:
        archive.files_for(contract, MONDAY, MONDAY)
    return caught.value.code


def with_preferred(registry: Registry, symbol: str, style: str) -> Registry:
    instrument = registry.get(symbol)
    assert instrument.sierra is not None
    changed = replace(instrument, sierra=replace(instrument.sierra, preferred_style=style))
    return replace(registry, instruments={**registry.instruments, symbol: changed})


def test_t6_names_are_taken_apart_from_the_right(sierra_dir: Path, depth_dir: Path, registry: Registry) -> None:
    names = [
        "6EZ25-CME.2025-11-03.depth",
        "ESZ25_FUT_CME.2025-11-03.depth",
        "M2KZ25_FUT_CME.2025-11-03.dept",
        "MNQM6.CME.2026-03-10.depth",
    ]
    others = [
        "ESZ25_FUT_CME.2025-W45-1.depth",
        "ESZ25_FUT_CME.2025-13-03.depth",
        "ESZ25_FUT_CME.depth",
        "AAPL.2025-11-03.depth",
        "ESZ25_FUT_CME.2025-11-03.depth.bak",
        "ESZ25_FUT_CME.scid",
    ]
    for name in [*names, *others]:
        (depth_dir / name).touch()
    found = DepthArchive(sierra_dir, registry).files()
    assert [source.path.name for source in found] == names
    assert [(str(source.contract), source.style, source.utc_date) for source in found] == [
        ("6EZ25", "dash", MONDAY),
        ("ESZ25", "fut", MONDAY),
        ("M2KZ25", "fut", MONDAY),
        ("MNQM26", "dot", date(2026, 3, 10)),
    ]


@pytest.mark.parametrize(
    ("day", "year"), [("2016-02-01", 2016), ("2016-07-01", 2016), ("2016-09-01", 2026), ("2026-06-30", 2026)]
)
def test_t6_decade_of_a_one_digit_year_comes_from_the_date_in_the_name(
    sierra_dir: Path, depth_dir: Path, registry: Registry, day: str, year: int
) -> None:
    (depth_dir / f"MNQM6.CME.{day}.depth").touch()
    (source,) = DepthArchive(sierra_dir, registry).files()
    assert source.contract.year == year


def test_t6_files_directly_in_the_folder_count_too(sierra_dir: Path, registry: Registry) -> None:
    (sierra_dir / "ESZ25_FUT_CME.2025-11-03.depth").touch()
    assert len(DepthArchive(sierra_dir, registry).files_for(ESZ25, MONDAY, MONDAY)) == 1


def test_t6_files_of_a_range_come_by_date_and_absent_dates_are_left_out(
    sierra_dir: Path, depth_dir: Path, registry: Registry
) -> None:
    for day in (5, 3, 4, 7):
        (depth_dir / f"ESZ25_FUT_CME.2025-11-{day:02}.depth").touch()
    found = DepthArchive(sierra_dir, registry).files_for(ESZ25, date(2025, 11, 4), date(2025, 11, 6))
    assert [source.utc_date.day for source in found] == [4, 5]
    assert DepthArchive(sierra_dir, registry).files_for(Contract.parse("ESH26"), MONDAY, MONDAY) == ()


def test_t6_two_symbol_styles_are_e229_until_one_is_preferred(
    sierra_dir: Path, depth_dir: Path, registry: Registry
) -> None:
    for name in ("ESZ25_FUT_CME", "ESZ25-CME"):
        (depth_dir / f"{name}.2025-11-03.depth").touch()
    assert code(DepthArchive(sierra_dir, registry)) == "E229"
    archive = DepthArchive(sierra_dir, with_preferred(registry, "ES", "dash"))
    assert [source.style for source in archive.files_for(ESZ25, MONDAY, MONDAY)] == ["dash"]
    assert code(DepthArchive(sierra_dir, with_preferred(registry, "ES", "dot"))) == "E229"


def test_t6_one_day_twice_under_one_style_is_e229(sierra_dir: Path, depth_dir: Path, registry: Registry) -> None:
    for path in (depth_dir / "ESZ25_FUT_CME.2025-11-03.depth", sierra_dir / "ESZ25_FUT_CME.2025-11-03.depth"):
        path.touch()
    with pytest.raises(SourceError, match="E229") as caught:
        DepthArchive(sierra_dir, registry).files_for(ESZ25, MONDAY, MONDAY)
    assert caught.value.next_command == "tp backfill ES/depth_events --from 2025-11-03 --to 2025-11-04"


def test_t6_no_folder_is_e231(tmp_path: Path, registry: Registry) -> None:
    assert code(DepthArchive(None, registry)) == "E231"
    assert code(DepthArchive(tmp_path / "absent", registry)) == "E231"


def test_t6_folder_is_listed_again_only_when_it_changed(
    sierra_dir: Path, depth_dir: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = datetime(2015, 1, 1, tzinfo=UTC)
    for n in range(3_000):
        (depth_dir / f"ESZ25_FUT_CME.{(first + timedelta(days=n)).date()}.depth").touch()
    archive = DepthArchive(sierra_dir, registry)
    listed = archive.files()
    assert len(listed) == 3_000
    assert archive.files() is listed
    (depth_dir / "ESZ25_FUT_CME.2025-11-03.depth").touch()
    assert len(archive.files()) == 3_001
    (depth_dir / "ESZ25_FUT_CME.2025-11-03.depth").unlink()
    assert len(archive.files()) == 3_000


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="the system does not list open files")
def test_t6_indexes_of_many_files_are_not_all_kept_open(sierra_dir: Path, depth_dir: Path, registry: Registry) -> None:
    for day in range(1, 29):
        write(depth_dir / f"ESZ25_FUT_CME.2025-10-{day:02}.depth", [])
    archive = DepthArchive(sierra_dir, registry)
    now = datetime(2025, 11, 20, tzinfo=UTC)
    indexes = [archive.index(source, now) for source in archive.files()]
    del indexes
    open_files = [path for path in OPEN_FILES.iterdir() if path.exists() and ".depth" in str(path.resolve())]
    assert len(open_files) <= 16
