"""The manifest only grows, in a fixed order; the summary is about the tasks as they are now."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from trading_platform.errors import QualityError
from trading_platform.l2.manifest import MANIFEST_NAME, SUMMARY_NAME, ManifestTask, export_manifest

WINDOW = ("2025-09-03T13:30:00+00:00", "2025-09-03T20:00:00+00:00")
WRITTEN = ManifestTask(
    "SPY", date(2025, 9, 3), "WRITE", "run-1", rows=10, path="/lake/a", content_hash="aa", window=WINDOW, cost_usd=0.5
)
CLOSED = ManifestTask("SPY", date(2025, 9, 1), "CLOSED", "run-1", "Labor Day", path="/lake/b", content_hash="bb")
MISSING = ManifestTask("AAPL", date(2025, 9, 3), "MISSING", "run-1", "E381 not there")
FAILED = ManifestTask("AAPL", date(2025, 9, 4), "ERROR", "run-1", "E304 truncated", duration_ms=1500.0)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / MANIFEST_NAME).read_text(encoding="utf-8").splitlines()]


def test_l6_lines_are_ordered_by_day_and_symbol_with_the_words_of_old_readers(tmp_path: Path) -> None:
    export_manifest(tmp_path / "new", [FAILED, WRITTEN, MISSING, CLOSED], {"run_id": "export-1"}).write()
    told = [(line["date"], line["symbol"], line["status"], line["legacy_status"]) for line in lines(tmp_path / "new")]
    assert told == [
        ("2025-09-01", "SPY", "CLOSED", "EMPTY"),
        ("2025-09-03", "AAPL", "MISSING", "UNAVAIL"),
        ("2025-09-03", "SPY", "WRITE", "WRITE"),
        ("2025-09-04", "AAPL", "ERROR", "ERROR"),
    ]
    assert lines(tmp_path / "new")[2]["window"] == {"start": WINDOW[0], "end": WINDOW[1]}
    summary = json.loads((tmp_path / "new" / SUMMARY_NAME).read_text(encoding="utf-8"))
    assert summary == {
        "run_id": "export-1",
        "counts": {
            "WRITE": 1,
            "SKIP": 0,
            "EMPTY": 0,
            "CLOSED": 1,
            "DEGRADED": 0,
            "PENDING": 0,
            "MISSING": 1,
            "UNAVAIL": 0,
            "ERROR": 1,
        },
        "total_tasks": 4,
        "zero_row_tasks": [["SPY", "2025-09-01"]],
        "errors": [{"symbol": "AAPL", "date": "2025-09-04", "error": "E304 truncated"}],
        "duration_sec": 1.5,
        "tasks_without_duration": 3,
        "cost_usd": 0.5,
        "tasks_without_cost": 0,
        "synthetic": False,
        "effective_window_et": "09:30-16:00",
        "manifest_lines": 4,
        "manifest_lines_new": 4,
    }


def test_l6_lines_that_are_there_are_kept_and_only_changes_are_appended(tmp_path: Path) -> None:
    export_manifest(tmp_path, [WRITTEN, MISSING], {}).write()
    path = tmp_path / MANIFEST_NAME
    # A foreign field and the missing end of the last line are kept and mended.
    old = path.read_bytes().replace(b'"run_id"', b'"mine": 1, "run_id"', 1).rstrip(b"\n")
    path.write_bytes(old)
    again = export_manifest(tmp_path, [WRITTEN, MISSING], {})
    again.write()
    assert (again.old_lines, again.new_lines, path.read_bytes()) == (2, (), old)
    export_manifest(tmp_path, [replace(MISSING, run_id="run-2", outcome="WRITE"), WRITTEN], {}).write()
    assert path.read_bytes().startswith(old + b"\n")
    assert [(line["symbol"], line["outcome"]) for line in lines(tmp_path)] == [
        ("AAPL", "MISSING"),
        ("SPY", "WRITE"),
        ("AAPL", "WRITE"),
    ]


def test_l6_nothing_done_gives_an_empty_manifest_and_a_summary_of_zeros(tmp_path: Path) -> None:
    export_manifest(tmp_path, [], {}).write()
    assert (tmp_path / MANIFEST_NAME).read_bytes() == b""
    summary = json.loads((tmp_path / SUMMARY_NAME).read_text(encoding="utf-8"))
    assert (summary["total_tasks"], sum(summary["counts"].values()), summary["effective_window_et"]) == (0, 0, None)


@pytest.mark.parametrize("content", ["not json\n", "[1]\n", '{"symbol": "SPY"}\n', '{"symbol": "SPY", "da'])
def test_l6_file_that_is_no_manifest_is_left_alone_e476(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(QualityError) as raised:
        export_manifest(tmp_path, [WRITTEN], {})
    assert raised.value.code == "E476"
    assert (tmp_path / MANIFEST_NAME).read_text(encoding="utf-8") == content


def test_l6_folder_that_is_a_file_is_told_e477(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(QualityError) as raised:
        export_manifest(tmp_path / "out", [WRITTEN], {}).write()
    assert raised.value.code == "E477"


def test_l6_cost_that_is_not_known_is_counted_and_a_sum_of_nothing_known_is_null(tmp_path: Path) -> None:
    unknown = replace(WRITTEN, cost_usd=None)
    content = export_manifest(tmp_path, [unknown, CLOSED, MISSING], {}).content
    # A day without rows was never bought, so it has no cost that could be unknown.
    assert (content["cost_usd"], content["tasks_without_cost"]) == (None, 1)
    assert (content["duration_sec"], content["tasks_without_duration"]) == (None, 3)
    other = replace(WRITTEN, symbol="AAPL")
    content = export_manifest(tmp_path, [unknown, other], {}).content
    assert (content["cost_usd"], content["tasks_without_cost"]) == (0.5, 1)
    content = export_manifest(tmp_path, [CLOSED], {}).content
    assert (content["cost_usd"], content["tasks_without_cost"]) == (0.0, 0)
