"""The report on a file."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from trading_platform.instruments import Contract, Registry
from trading_platform.sierra.inspect import inspect_scid

from .scid_bytes import HEADER, ZERO_RECORD, bar, golden_records, quote, record, us, write

NOW = datetime(2025, 11, 20, tzinfo=UTC)


def test_u6_report_of_a_genuine_file(shared_data: Path, registry: Registry) -> None:
    path = shared_data / "sierra" / "real_sample.scid"
    report = inspect_scid(path, registry, NOW)
    assert (report.contract, report.style, report.synthetic) == (None, None, False)
    assert (report.record_count, report.remainder_bytes, report.kinds) == (10, 0, {"trade": 10})
    assert report.median_stored == 4048.0
    named = inspect_scid(path, registry, NOW, contract=Contract.parse("ESH23"))
    assert (named.configured_scale, named.fitting_scale, named.scale_is_right) == (1.0, 1.0, True)
    assert [(d.trade_date, d.records) for d in named.days] == [(date(2023, 2, 21), 10)]
    assert (named.holes, named.missing_days) == ((), ())


def test_u6_report_counts_days_holes_kinds_and_damage_and_writes_nothing(tmp_path: Path, registry: Registry) -> None:
    begin = us("2025-11-03T15:00:00")
    hour = 3_600_000_000
    rows = [
        *(record(begin + i * 60_000_000, 680_000.0) for i in range(60)),
        quote(begin + hour),
        bar(begin + hour + 1),
        record(begin + 3 * hour, 680_025.0),  # after two hours of silence
        ZERO_RECORD,
        *(record(begin + 48 * hour + i, 680_000.0) for i in range(5)),  # Wednesday; Tuesday is missing
    ]
    header = HEADER[:20] + b"SYNTHETIC trading-platform".ljust(36, b"\0")
    path = write(tmp_path / "ESZ25-CME.scid", rows, header=header, tail=ZERO_RECORD * 2 + b"abc")
    before = sorted(tmp_path.rglob("*"))
    report = inspect_scid(path, registry, NOW)
    assert sorted(tmp_path.rglob("*")) == before
    assert (report.contract, report.style, report.synthetic) == (Contract.parse("ESZ25"), "dash", True)
    assert (report.record_count, report.zero_tail, report.remainder_bytes) == (69, 2, 3)
    assert report.kinds == {"trade": 66, "quote": 1, "bar": 1, "empty": 1}
    assert (report.configured_scale, report.fitting_scale, report.scale_is_right) == (1.0, 0.01, False)
    assert [(d.trade_date, d.records) for d in report.days] == [(date(2025, 11, 3), 63), (date(2025, 11, 5), 5)]
    assert report.missing_days == (date(2025, 11, 4),)
    at = datetime(2025, 11, 3, 16, 0, 0, 1, tzinfo=UTC)
    assert (report.holes[0].start, report.holes[0].end) == (at, at.replace(microsecond=0) + timedelta(hours=2))
    assert [h.trade_date for h in report.holes] == [date(2025, 11, 3), date(2025, 11, 3), date(2025, 11, 5)]
    assert [(run.first, run.stop) for run in report.bad_runs] == [(63, 64)]


def test_u6_report_of_an_empty_file(tmp_path: Path, registry: Registry) -> None:
    report = inspect_scid(write(tmp_path / "ESZ25.scid", []), registry, NOW)
    assert (report.record_count, report.first, report.days, report.kinds) == (0, None, (), {})
    assert report.configured_scale is None


def test_u6_golden_rows_under_another_name_use_calendar_days(tmp_path: Path, registry: Registry) -> None:
    report = inspect_scid(write(tmp_path / "EURUSD.scid", golden_records()), registry, NOW)
    assert [(d.trade_date, d.records) for d in report.days] == [(date(2023, 2, 21), 10)]
