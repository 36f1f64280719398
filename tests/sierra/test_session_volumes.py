"""Volumes per contract and session, and the price gap at a roll, from the files themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trading_platform.instruments import Contract, Registry, load_roll_table
from trading_platform.instruments.crossover import SessionVolume
from trading_platform.sessions import calendar_for
from trading_platform.sierra import SierraArchive
from trading_platform.sierra import session_volumes as module
from trading_platform.sierra.gap_measurement import last_common_instant, measure_gap
from trading_platform.sierra.session_volumes import ArchiveVolumes, session_volumes
from trading_platform.sierra.stream import TickStream
from trading_platform.simulation import SimulatedMarket, append_scid, scid_records, write_scid

from . import scid_bytes
from .rolling_archive import session_records, write_contract

NOW = datetime(2025, 11, 20, tzinfo=UTC)
DAYS = [date(2025, 9, day) for day in (8, 9, 10, 11, 12)]
U25, Z25 = Contract("ES", "U", 2025), Contract("ES", "Z", 2025)
Summed = Callable[..., ArchiveVolumes]


@pytest.fixture
def summed(sierra_dir: Path, registry: Registry, tmp_path: Path) -> Summed:
    """Return a call that sums as a new process would, with the cache of the home."""

    def call(root: str = "ES", **options: Any) -> ArchiveVolumes:
        instrument = registry.get(root)
        cache_dir = tmp_path / "cache"
        archive = SierraArchive(sierra_dir, None, registry, cache_dir)
        calendar = calendar_for(instrument.calendar)
        return session_volumes(archive, registry, instrument, calendar, NOW, cache_dir=cache_dir, **options)

    return call


def test_s3_volumes_are_summed_per_contract_and_trade_date(
    sierra_dir: Path, registry: Registry, summed: Summed
) -> None:
    es = registry.get("ES")
    write_contract(sierra_dir, es, "ESU25", {day: 10_000 - day.day for day in DAYS})
    write_contract(sierra_dir, es, "ESZ25", {day: 1_000 + day.day for day in DAYS[2:]})
    write_contract(sierra_dir, registry.get("MNQ"), "MNQZ25", {DAYS[0]: 5_000})

    found = summed()

    assert {str(c): {d.day: v.volume for d, v in of.sessions.items()} for c, of in found.contracts.items()} == {
        "ESU25": {8: 9_992, 9: 9_991, 10: 9_990, 11: 9_989, 12: 9_988},
        "ESZ25": {10: 1_010, 11: 1_011, 12: 1_012},
    }
    assert (found.first, found.last, found.unreadable, found.synthetic) == (DAYS[0], DAYS[-1], (), True)
    assert list(summed(first=DAYS[1], last=DAYS[2]).contracts[U25].sessions) == DAYS[1:3]


def test_s3_sums_are_those_of_the_ticks(sierra_dir: Path, registry: Registry, summed: Summed) -> None:
    es = registry.get("ES")
    market = SimulatedMarket(3, es, 6_500.0, 4_000)
    sessions = [calendar_for(es.calendar).session(day) for day in DAYS[:4]]
    path = sierra_dir / "ESU25_FUT_CME.scid"
    write_scid(path, [scid_records(market.ticks(session, U25), es.tick_size, 0.01) for session in sessions])

    found = summed().contracts[U25]

    for session in sessions[1:-1]:
        ticks = TickStream(path, es, "ESU25", 0.01, NOW, start=session.window_start, end=session.window_end)
        volume = sum(int(frame["volume"].sum()) for frame in ticks)
        assert ticks.counts.quote_rows > 0
        assert found.on(session.trade_date) == SessionVolume(volume)


def test_s3_second_call_reads_no_records_and_new_ones_are_added(
    sierra_dir: Path, registry: Registry, summed: Summed, monkeypatch: pytest.MonkeyPatch
) -> None:
    es = registry.get("ES")
    path = write_contract(sierra_dir, es, "ESU25", dict.fromkeys(DAYS[:3], 2000))
    first = summed()
    read: list[date] = []
    original = module._FileVolumes._sum

    def counted(self: module._FileVolumes, session: Any, ranges: Any) -> Any:
        read.append(session.trade_date)
        return original(self, session, ranges)

    monkeypatch.setattr(module._FileVolumes, "_sum", counted)

    assert summed().contracts == first.contracts
    assert read == []
    append_scid(path, session_records(es, DAYS[3], 7_000))
    assert summed().contracts[U25].on(DAYS[3]).volume == 7_000
    assert read == [DAYS[3]]
    write_contract(sierra_dir, es, "ESU25", dict.fromkeys(DAYS[:3], 3000))
    assert summed().contracts[U25].on(DAYS[0]).volume == 3_000
    assert read == [DAYS[3], *DAYS[:3]]


def test_s3_damaged_cache_costs_time_only(sierra_dir: Path, registry: Registry, summed: Summed, tmp_path: Path) -> None:
    write_contract(sierra_dir, registry.get("ES"), "ESU25", {DAYS[0]: 2_000})
    first = summed()
    [cached] = (tmp_path / "cache" / "session_volumes").iterdir()
    for text in ("", "[]", '{"layout": 1}', "\xff"):
        cached.write_text(text, encoding="latin-1")
        assert summed().contracts == first.contracts


def test_s3_sessions_that_a_file_cuts_off_are_unknown(sierra_dir: Path, registry: Registry, summed: Summed) -> None:
    es = registry.get("ES")
    records = np.concatenate([session_records(es, day, 1_000) for day in DAYS[:3]])
    write_scid(sierra_dir / "ESU25_FUT_CME.scid", records[2:-2])

    found = summed().contracts[U25].sessions

    assert [of.reason for of in found.values()] == [
        "the file begins in the middle of the session",
        None,
        "the file ends in the middle of the session",
    ]
    assert [of.volume for of in found.values()] == [None, 1_000, None]


def test_s3_session_with_a_hole_is_unknown(sierra_dir: Path, registry: Registry, summed: Summed) -> None:
    es = registry.get("ES")
    first, holed, last = (session_records(es, day, 1_000) for day in DAYS[:3])
    write_scid(sierra_dir / "ESU25_FUT_CME.scid", [first, np.delete(holed, slice(20, 60)), last])

    found = summed().contracts[U25].on(DAYS[1])

    assert (found.volume, found.reason) == (None, "no record for 410 minutes of trading hours")


def test_s3_session_stored_as_bars_is_unknown(sierra_dir: Path, registry: Registry, summed: Summed) -> None:
    es = registry.get("ES")
    first, bars, last = (session_records(es, day, 1_000) for day in DAYS[:3])
    bars["num_trades"] = 5
    bars["open"] = bars["close"]
    write_scid(sierra_dir / "ESU25_FUT_CME.scid", [first, bars, last])

    found = summed().contracts[U25].on(DAYS[1])

    assert found.volume is None
    assert found.reason == "138 of 138 records are no single trades (bars or damage)"


def test_s3_unreadable_and_doubtful_files_are_reported_and_the_others_summed(
    sierra_dir: Path, registry: Registry, summed: Summed
) -> None:
    es = registry.get("ES")
    write_contract(sierra_dir, es, "ESU25", {DAYS[0]: 2_000})
    (sierra_dir / "ESZ25_FUT_CME.scid").write_bytes(b"SCID")
    scid_bytes.write(sierra_dir / "ESH26_FUT_CME.scid", [])
    scid_bytes.write(sierra_dir / "ESH26-CME.scid", [])
    (sierra_dir / "ESM6.CME.scid").write_bytes(b"SCDD")
    (sierra_dir / "MNQM6.CME.scid").write_bytes(b"SCDD")

    found = summed()

    assert found.contracts[U25].on(DAYS[0]).volume == 2_000
    assert (found.contracts[Z25].problem or "").startswith("E200 ESZ25_FUT_CME.scid has 4 bytes")
    assert [(file.name, file.error.code) for file in found.unreadable] == [
        ("ESZ25_FUT_CME.scid", "E200"),
        ("ESH26-CME.scid, ESH26_FUT_CME.scid", "E212"),
        ("ESM6.CME.scid", "E201"),
    ]


def test_s3_file_without_good_records_has_no_sessions(sierra_dir: Path, summed: Summed) -> None:
    scid_bytes.write(sierra_dir / "ESU25_FUT_CME.scid", [])

    found = summed()

    assert found.contracts[U25].sessions == {}
    assert (found.first, found.last, found.synthetic) == (None, None, False)


def measure(sierra_dir: Path, registry: Registry, root: str = "ES", now: datetime = NOW) -> Any:
    instrument = registry.get(root)
    archive = SierraArchive(sierra_dir, None, registry)
    first, last = (date(2025, 9, 12), date(2025, 9, 15)) if root == "ES" else (date(2025, 9, 16), date(2025, 9, 17))
    [(before, after)] = pairwise(load_roll_table(registry).windows(root, first, last))
    return measure_gap(archive, instrument, calendar_for(instrument.calendar), now, before, after)


def test_s3_gap_is_measured_at_the_last_common_instant_before_the_roll(sierra_dir: Path, registry: Registry) -> None:
    es = registry.get("ES")
    write_contract(sierra_dir, es, "ESU25", dict.fromkeys(DAYS, 2000))
    write_contract(sierra_dir, es, "ESZ25", dict.fromkeys(DAYS, 2000), gap_ticks=210, offset_us=400_000)

    gap = measure(sierra_dir, registry).gap

    assert gap is not None
    assert gap.key == (U25, Z25, date(2025, 9, 15))
    assert gap.difference == 52.5
    assert (gap.measured_at, gap.apart_us) == (datetime(2025, 9, 12, 20, 59, 0, 400_000, tzinfo=UTC), 400_000)


def test_s3_gap_of_a_monthly_root_with_cents_is_exact(sierra_dir: Path, registry: Registry) -> None:
    cl = registry.get("CL")
    day = date(2025, 9, 16)
    write_contract(sierra_dir, cl, "CLV25", {day: 2_000}, gap_ticks=-13_700)
    write_contract(sierra_dir, cl, "CLX25", {day: 2_000}, gap_ticks=-13_731)

    gap = measure(sierra_dir, registry, "CL").gap

    assert gap is not None
    assert (round(gap.from_price * 100) - round(gap.to_price * 100), gap.apart_us) == (31, 0)
    assert gap.to_price == round(gap.to_price, 2)


@pytest.mark.parametrize(
    ("offset_us", "reason"),
    [
        (65_000_000, "ESU25 and ESZ25 have no trades within 60 s of each other in the session 2025-09-12"),
        (None, "E210 no .scid file of ESZ25 in "),
    ],
)
def test_s3_gap_that_cannot_be_measured_is_absent_with_the_reason(
    sierra_dir: Path, registry: Registry, offset_us: int | None, reason: str
) -> None:
    es = registry.get("ES")
    write_contract(sierra_dir, es, "ESU25", {DAYS[-1]: 2_000})
    if offset_us is not None:
        write_contract(sierra_dir, es, "ESZ25", {DAYS[-1]: 2_000}, offset_us=offset_us)

    found = measure(sierra_dir, registry)

    assert found.gap is None
    assert found.reason.startswith(reason)


def test_s3_gap_needs_trades_of_both_contracts_in_a_session_that_is_over(sierra_dir: Path, registry: Registry) -> None:
    es = registry.get("ES")
    write_contract(sierra_dir, es, "ESU25", {DAYS[-1]: 2_000})
    write_contract(sierra_dir, es, "ESZ25", {DAYS[0]: 2_000})

    assert measure(sierra_dir, registry).reason == "ESZ25 has no trade in the session 2025-09-12 before the roll"
    running = datetime(2025, 9, 12, 20, tzinfo=UTC)
    assert measure(sierra_dir, registry, now=running).reason == "the session 2025-09-12 before the roll is not over"


def test_s3_close_trades_count_before_late_ones() -> None:
    old = np.array([0, 50_000_000, 90_000_000])
    new = np.array([400_000, 93_000_000])

    assert last_common_instant(old, new, 1_000_000) == 400_000
    assert last_common_instant(old, new, 10_000_000) == 93_000_000
    assert last_common_instant(old, new[:0], 10_000_000) is None
