"""The run history: what is the latest, what may be remembered, and what happens if it cannot be read (P12)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.run_history import InstanceHistory
from trading_platform.coverage.history import RunHistory, SqliteHistory, failure_text
from trading_platform.errors import LakeError

from .boards import series

KEY, ROW = dg.AssetKey(["MNQ", "ticks"]), series()
FIRST, LAST = date(2025, 3, 10), date(2025, 3, 14)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "dagster"])
def history(request: pytest.FixtureRequest, instance: dg.DagsterInstance, tmp_path: Path) -> Iterator[RunHistory]:
    if request.param == "dagster":
        yield InstanceHistory(instance)
        return
    opened = SqliteHistory(tmp_path / "history" / "runs" / "index.db")
    yield opened
    opened.close()


def made(instance: dg.DagsterInstance, day: str, *, complete: bool = True) -> None:
    metadata: dict[str, Any] = {"outcome": "WRITE", "complete": dg.MetadataValue.bool(complete)}
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=day, metadata=metadata))


def noted(instance: dg.DagsterInstance, day: str | None, **metadata: str) -> None:
    instance.report_runless_asset_event(dg.AssetObservation(KEY, partition=day, metadata=metadata))


def test_p12_latest_success_and_the_failure_after_it(instance: dg.DagsterInstance, history: RunHistory) -> None:
    noted(instance, "2025-03-10", outcome="ERROR", error="E403 bad")
    made(instance, "2025-03-10", complete=False)
    made(instance, "2025-03-10")
    made(instance, "2025-03-11")
    noted(instance, "2025-03-11", outcome="MISSING", error="E210 no file\nwhy:  -\nnext: -")
    noted(instance, "2025-03-11", remark="not an attempt")
    noted(instance, "2025-03-12", outcome="PENDING", reason="not yet open")
    noted(instance, None, remark="of the whole asset")
    made(instance, "2025-03-03")
    events = history.latest(ROW, FIRST, LAST)
    assert [date.fromordinal(day) for day in events.days.tolist()] == [FIRST, date(2025, 3, 11)]
    assert dict(events.failures) == {
        date(2025, 3, 11).toordinal(): "MISSING: E210 no file",
        date(2025, 3, 12).toordinal(): "PENDING: not yet open",
    }
    assert events.first_day == date(2025, 3, 3).toordinal()
    assert list(history.complete(ROW, events.event_ids.tolist()).values()) == [True, True]


def test_p12_series_without_events(instance: dg.DagsterInstance, history: RunHistory) -> None:
    made(instance, "2025-03-10")
    events = history.latest(series("ES"), FIRST, LAST)
    assert (len(events.days), dict(events.failures), events.first_day) == (0, {}, None)


def test_p12_wiped_assets_were_never_made(instance: dg.DagsterInstance, history: RunHistory) -> None:
    made(instance, "2025-03-10")
    instance.wipe_assets([KEY])
    assert len(history.latest(ROW, FIRST, LAST).days) == 0


def test_p12_what_is_remembered_ends_with_the_event_it_hangs_on(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    made(instance, "2025-03-10", complete=False)
    path = tmp_path / "history" / "runs" / "index.db"
    before = SqliteHistory(path)
    anchor = before.anchor()
    assert before.holds(anchor)
    assert not before.holds(None)
    before.close()
    instance.wipe_assets([KEY])
    made(instance, "2025-03-10", complete=True)
    after = SqliteHistory(path)
    ids = after.latest(ROW, FIRST, LAST).event_ids.tolist()
    assert anchor is not None
    assert ids[0] <= anchor[0]  # the number was given out again
    assert not after.holds(anchor)
    assert after.complete(ROW, ids) == {ids[0]: True}
    after.close()


def test_p12_damaged_history_is_e546(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(LakeError) as caught:
        SqliteHistory(path).latest(ROW, FIRST, LAST)
    assert caught.value.code == "E546"


def test_p12_only_failed_outcomes_are_failures() -> None:
    assert failure_text("ERROR", "E403 bad\nwhy: -", "ignored") == "ERROR: E403 bad"
    assert failure_text("UNAVAIL", "", "no price scale") == "UNAVAIL: no price scale"
    assert failure_text("MISSING", "", "") == "MISSING"
    assert failure_text("WRITE", "", "") is None
    assert failure_text("", "E403", "") is None
