"""Which file holds a contract."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from trading_platform.errors import ConfigurationError, PlatformError, SourceError
from trading_platform.instruments import Contract, Registry, load_registry
from trading_platform.lake import LocalLake, Outcome, build_day
from trading_platform.sierra.archive import SierraArchive
from trading_platform.sierra.sources import read_sources, register_source
from trading_platform.sierra.ticks import TicksBuilder

from .scid_bytes import golden_records, record, us, write

ESH23 = Contract.parse("ESH23")
MNQZ25 = Contract.parse("MNQZ25")


def refusal(archive: SierraArchive, contract: Contract = MNQZ25) -> SourceError:
    with pytest.raises(SourceError) as caught:
        archive.file_for(contract)
    return caught.value


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("MNQZ25_FUT_CME.scid", "fut"),
        ("MNQZ25-CME.SCID", "dash"),
        ("mnqz25_fut_cme.Scid", "fut"),
        ("MNQZ25.scid", "bare"),
        ("MNQZ5.CME.scid", "dot"),
    ],
)
def test_s1_every_symbol_style_is_found_whatever_its_case(
    sierra_dir: Path, registry: Registry, name: str, style: str
) -> None:
    write(sierra_dir / name, [record(us("2025-11-03T15:00:00"))])
    write(sierra_dir / "AAPL.scid", [])
    (sierra_dir / "MNQZ25.txt").write_text("no source")
    source = SierraArchive(sierra_dir, None, registry).file_for(MNQZ25)
    assert (source.path.name, source.style, source.registered) == (name, style, False)


def test_s1_one_digit_year_takes_its_decade_from_the_data(sierra_dir: Path, registry: Registry) -> None:
    path = write(sierra_dir / "MNQZ5.CME.scid", [])
    archive = SierraArchive(sierra_dir, None, registry)
    assert archive.files()[0].contract is None
    write(path, [record(us("2015-11-03T15:00:00"))])
    assert archive.files()[0].contract == Contract.parse("MNQZ15")


def test_t4_two_styles_of_one_contract_are_e212_naming_both_unless_one_is_preferred(
    sierra_dir: Path, registry: Registry, tmp_path: Path
) -> None:
    for name in ("MNQZ25-CME.scid", "MNQZ25_FUT_CME.scid"):
        write(sierra_dir / name, [record(us("2025-11-03T15:00:00"))])
    error = refusal(SierraArchive(sierra_dir, None, registry))
    assert error.code == "E212"
    assert "MNQZ25-CME.scid and MNQZ25_FUT_CME.scid" in error.what
    chosen = tmp_path / "instruments.toml"
    chosen.write_text('preferred_style = "fut"\n')
    source = SierraArchive(sierra_dir, None, load_registry(chosen)).file_for(MNQZ25)
    assert source.path.name == "MNQZ25_FUT_CME.scid"


def test_t4_unreadable_file_stops_only_its_own_contract(
    sierra_dir: Path, lake: LocalLake, make_builder: Callable[..., TicksBuilder], registry: Registry
) -> None:
    (sierra_dir / "MNQM6.CME.scid").write_bytes(b"SC")
    (sierra_dir / "NQZ25_FUT_CME.scid").write_bytes(b"PK\x03\x04" * 20)
    write(sierra_dir / "ESZ25.scid", [record(us("2025-11-03T15:00:00"), 6800.0)])
    files = SierraArchive(sierra_dir, None, registry).files()
    assert [(f.path.name, f.error.code if f.error else None) for f in files] == [
        ("ESZ25.scid", None),
        ("MNQM6.CME.scid", "E200"),
        ("NQZ25_FUT_CME.scid", None),
    ]
    assert build_day(make_builder("ES"), date(2025, 11, 3), lake).outcome is Outcome.WRITE
    broken = build_day(make_builder("NQ"), date(2025, 11, 3), lake)
    assert broken.outcome is Outcome.ERROR
    assert broken.error is not None
    assert broken.error.code == "E201"
    assert "NQZ25_FUT_CME.scid" in broken.error.what


def test_t4_absent_contract_and_absent_folder_have_their_own_errors(
    sierra_dir: Path, registry: Registry, tmp_path: Path
) -> None:
    assert refusal(SierraArchive(sierra_dir, None, registry)).code == "E210"
    assert refusal(SierraArchive(None, None, registry)).code == "E211"
    assert refusal(SierraArchive(tmp_path / "absent", None, registry)).code == "E211"


def test_t5_registered_file_wins_over_the_folder(sierra_dir: Path, registry: Registry, tmp_path: Path) -> None:
    write(sierra_dir / "ESH23.scid", golden_records())
    elsewhere = write(tmp_path / "a file of mine.scid", golden_records())
    register = tmp_path / "home" / "sources.toml"
    archive = SierraArchive(sierra_dir, register, registry)
    assert archive.file_for(ESH23).path.parent == sierra_dir
    register_source(register, elsewhere, ESH23)
    source = archive.file_for(ESH23)
    assert (source.path, source.style, source.registered) == (elsewhere, "bare", True)
    elsewhere.unlink()
    assert refusal(archive, ESH23).code == "E210"


def test_t5_registering_is_idempotent_and_never_replaces_silently(tmp_path: Path) -> None:
    register = tmp_path / "sources.toml"
    first, second = (write(tmp_path / f'{name} "quoted" ä.scid', golden_records()) for name in "ab")
    register_source(register, first, ESH23)
    text = register.read_text()
    register_source(register, first, ESH23)
    assert register.read_text() == text
    with pytest.raises(SourceError) as caught:
        register_source(register, second, ESH23)
    assert caught.value.code == "E217"
    assert register.read_text() == text
    register_source(register, second, Contract.parse("ESM23"))
    assert [(s.path, s.contract.symbol) for s in read_sources(register)] == [(first, "ESH23"), (second, "ESM23")]
    register_source(register, second, ESH23, replace=True)
    assert [(s.path, s.contract.symbol) for s in read_sources(register)] == [(second, "ESH23")]


def test_t5_file_that_is_no_scid_file_is_not_registered(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="E201"):
        register_source(tmp_path / "sources.toml", write(tmp_path / "a.scid", [], header=b"PNG!" * 14), ESH23)
    assert read_sources(tmp_path / "sources.toml") == ()


def test_t5_register_that_cannot_be_written_is_e133_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register = tmp_path / "home" / "sources.toml"
    first, second = (write(tmp_path / f"{name}.scid", golden_records()) for name in "ab")
    register_source(register, first, ESH23)
    before = register.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigurationError, match=r"E133 sources.toml cannot be written: No space left"):
        register_source(register, second, Contract.parse("ESM23"))
    assert register.read_bytes() == before
    assert not list(register.parent.glob("*.tmp"))
    with pytest.raises(ConfigurationError, match="E133"):
        register_source(first / "sources.toml", second, ESH23)


@pytest.mark.parametrize("text", ["[[source]]\npath = 3", '[[source]]\npath = "a"\ncontract = "??"', "source = 1", "["])
def test_t5_malformed_register_is_e216(tmp_path: Path, text: str) -> None:
    register = tmp_path / "sources.toml"
    register.write_text(text)
    with pytest.raises(PlatformError) as caught:
        read_sources(register)
    assert caught.value.code == "E216"


def test_t4_instrument_without_a_scale_for_the_style_is_unavailable(
    sierra_dir: Path, lake: LocalLake, make_builder: Callable[..., TicksBuilder], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(sierra_dir / "ESZ25.scid", [record(us("2025-11-03T15:00:00"), 6800.0)])
    monkeypatch.setattr(SierraArchive, "price_scale", lambda self, source: None)
    result = build_day(make_builder(now=datetime(2025, 11, 20, tzinfo=UTC)), date(2025, 11, 3), lake)
    assert result.outcome is Outcome.UNAVAIL
    assert result.error is not None
    assert result.error.code == "E219"
