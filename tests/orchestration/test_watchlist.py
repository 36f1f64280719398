"""``watchlist/l2``: one file per listed symbol, paid once; the sensor asks for exactly the days that changed (L4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import structlog

from assets import keys
from jobs.claims import claim, partition_name
from jobs.planning import DayState, Mode
from jobs.ranges import TAG_RANGE_END, TAG_RANGE_START, days_of_run
from sensors.watchlist import ALERTS, DAY_GIVEN_UP, watchlist_sensor
from tests.databento.l2_shop import serving
from trading_platform.lake.building import Outcome
from trading_platform.simulation.databento import DataBentoStandIn, Fault, FaultKind

from .conftest import SmallPlatform
from .ticks_only import MovingClock, resources_of

MONDAY, TUESDAY = date(2025, 3, 10), date(2025, 3, 11)
WEDNESDAY = date(2025, 3, 12)
NOW = datetime(2025, 3, 20, 12, tzinfo=UTC)
LIST = (
    "ticker,date\nAAPL,2025-03-10\nMSFT,2025-03-10\nSPY,2025-03-10\nAAPL,2025-03-11\nMSFT,2025-03-11\nNVDA,2025-03-11\n"
)
SIX = {
    (symbol, day)
    for day, symbols in (("2025-03-10", ("AAPL", "MSFT", "SPY")), ("2025-03-11", ("AAPL", "MSFT", "NVDA")))
    for symbol in symbols
}


class Desk:
    """A small platform, a list, and the stand-in."""

    def __init__(self, platform: SmallPlatform, server: DataBentoStandIn, path: Path) -> None:
        self.platform = platform
        self.server = server
        self.path = path
        self.cursor: str | None = None
        self.text = ""
        self._clock_file = platform.home.cache_dir / "clock"
        platform.overrides["clock"] = MovingClock(file=str(self._clock_file))
        self.goes_to(NOW)

    def goes_to(self, instant: datetime) -> None:
        self._clock_file.write_text(instant.isoformat(), encoding="ascii")

    def lists(self, content: str) -> None:
        self.path.write_text(content, encoding="utf-8")

    def backfill(self, first: date = MONDAY, last: date = TUESDAY, mode: Mode = Mode.DEFAULT) -> Any:
        return self.platform.backfill("watchlist/l2", first=first, last=last, mode=mode)["watchlist/l2"]

    def materialized(self) -> set[str]:
        return self.platform.instance.get_materialized_partitions(keys.WATCHLIST)

    def stored(self) -> set[tuple[str, str]]:
        folder = self.platform.home.lake_dir / "l2"
        paths = folder.glob("symbol=*/date=*/part-0.parquet")
        return {(path.parts[-3].removeprefix("symbol="), path.parts[-2].removeprefix("date=")) for path in paths}

    def run(self, tags: dict[str, str]) -> bool:
        """Run days as the web UI does, without the command in between."""
        job = self.platform.defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={keys.WATCHLIST})
        return job.execute_in_process(instance=self.platform.instance, raise_on_error=False, tags=tags).success

    def look(self) -> list[list[date]]:
        """Let the sensor look once; returns the days of each requested run."""
        defs = self.platform.defs
        sensor = watchlist_sensor(self.platform.home.claims_dir, interval_s=30)
        with (
            dg.build_sensor_context(
                instance=self.platform.instance,
                cursor=self.cursor,
                repository_def=defs.get_repository_def(),
                resources=resources_of(defs),
            ) as context,
            structlog.testing.capture_logs() as self.logs,
        ):
            result = sensor.evaluate_tick(context)
        self.cursor, self.text = result.cursor, result.skip_message or ""
        self.requests = list(result.run_requests or [])
        return [days_of_run(request.tags) for request in self.requests]

    def metadata(self, day: date, kind: str = "materialization") -> dict[str, Any]:
        fetch = getattr(self.platform.instance, f"fetch_{kind}s")
        wanted = dg.AssetRecordsFilter(asset_key=keys.WATCHLIST, asset_partitions=[day.isoformat()])
        event = getattr(fetch(wanted, limit=1).records[0], f"asset_{kind}")
        return {name: value.value for name, value in event.metadata.items()}


@pytest.fixture
def desk(platform_of: Callable[..., SmallPlatform], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Return a desk whose list names three symbols on each of two days; the only active instrument is an index."""
    path = tmp_path / "list.csv"
    with serving(tmp_path, monkeypatch) as server:
        monkeypatch.setenv("TP_WATCHLIST", str(path))
        made = Desk(platform_of(days=(), active=("SPX",)), server, path)
        made.lists(LIST)
        yield made


def parts(metadata: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {record.data["symbol"]: dict(record.data) for record in metadata["parts"].records}


def test_l4_list_of_two_days_is_paid_once_and_a_second_run_asks_nobody(desk: Desk) -> None:
    report = desk.backfill()
    assert report.counts()[Outcome.WRITE] == 2, report.failures
    assert desk.stored() == SIX
    assert desk.server.billing == dict.fromkeys(SIX, 1)
    assert desk.materialized() == {"2025-03-10", "2025-03-11"}
    found = desk.metadata(MONDAY)
    assert list(parts(found)) == ["AAPL", "MSFT", "SPY"]
    rows = {symbol: desk.platform.lake.read("l2", symbol, MONDAY).height for symbol in parts(found)}
    assert {symbol: part["rows"] for symbol, part in parts(found).items()} == rows
    assert found["dagster/partition_row_count"] == sum(rows.values())
    billed = sum(call.billed_usd or 0 for call in desk.server.paid_calls)
    assert found["source"]["cost_usd"] + desk.metadata(TUESDAY)["source"]["cost_usd"] == pytest.approx(billed)
    assert "SYNTHETIC" in found["synthetic"]
    asked = len(desk.server.requests)
    assert desk.backfill().counts()[Outcome.SKIP] == 2
    assert desk.run({TAG_RANGE_START: "2025-03-10", TAG_RANGE_END: "2025-03-11"})
    assert desk.metadata(MONDAY)["outcome"] == "SKIP"
    assert len(desk.server.requests) == asked


def test_l4_event_says_that_the_cost_is_not_known_while_the_ledger_cannot_be_read(desk: Desk) -> None:
    desk.lists("ticker,date\nAAPL,2025-03-10\n")
    desk.backfill(last=MONDAY)
    desk.platform.home.simulated_spend_ledger.write_text('{"line": "nonsense"}\n', encoding="utf-8")
    assert desk.run({TAG_RANGE_START: "2025-03-10", TAG_RANGE_END: "2025-03-10"})
    found = desk.metadata(MONDAY)
    assert (found["outcome"], parts(found)["AAPL"]["paid_usd"], found["source"]["cost_usd"]) == ("SKIP", None, None)


def test_l4_bad_symbol_holds_up_neither_the_others_nor_the_next_day(desk: Desk) -> None:
    desk.lists("ticker,date\nAAPL,2025-03-10\nNDX,2025-03-10\nMSFT,2025-03-10\nAAPL,2025-03-11\n")
    desk.server.faults.append(Fault(FaultKind.FLIPPED_BYTE, symbol="MSFT"))
    report = desk.backfill()
    assert report.counts()[Outcome.WRITE] == report.counts()[Outcome.ERROR] == 1
    (failed,) = report.failures
    assert (failed.error and failed.error.code) == "E478"
    assert "2 of 3 symbols are not stored: MSFT (E338), NDX (E388)" in str(failed.error)
    assert desk.stored() == {("AAPL", "2025-03-10"), ("AAPL", "2025-03-11")}
    assert desk.materialized() == {"2025-03-11"}
    observed = desk.metadata(MONDAY, "observation")
    assert {symbol: part["outcome"] for symbol, part in parts(observed).items()} == {
        "AAPL": "WRITE",
        "MSFT": "ERROR",
        "NDX": "ERROR",
    }
    # The list is corrected, the vendor is well again: only what is not stored is paid.
    desk.server.faults.clear()
    desk.lists("ticker,date\nAAPL,2025-03-10\nMSFT,2025-03-10\nAAPL,2025-03-11\n")
    report = desk.backfill()
    assert (report.counts()[Outcome.WRITE], report.counts()[Outcome.SKIP]) == (1, 1)
    assert desk.server.billing["AAPL", "2025-03-10"] == 1
    assert desk.materialized() == {"2025-03-10", "2025-03-11"}


def test_l4_active_instrument_is_left_to_its_own_asset(
    desk: Desk, platform_of: Callable[..., SmallPlatform], tmp_path: Path
) -> None:
    desk.platform.home.instruments_toml.write_text('active = ["SPY"]\n', encoding="utf-8")
    desk.lists("ticker,date\nSPY,2025-03-10\nAAPL,2025-03-10\nspy,2025-03-11\n")
    report = desk.backfill()
    assert (report.counts()[Outcome.WRITE], report.counts()[Outcome.EMPTY]) == (1, 1)
    assert desk.stored() == {("AAPL", "2025-03-10")}
    assert list(parts(desk.metadata(MONDAY))) == ["AAPL"]
    assert desk.metadata(MONDAY)["facts"] == {"symbols": 1, "left_to_own_asset": ["SPY"]}
    assert [(day.trade_date, day.state) for day in report.not_listed] == [(TUESDAY, DayState.NOT_LISTED)]
    assert "SPY/l2" in report.not_listed[0].why


def test_l4_days_that_nothing_lists_do_not_run_and_a_run_of_the_web_ui_finds_them_empty(desk: Desk) -> None:
    desk.lists("ticker,date\nAAPL,2025-03-11\n")
    report = desk.backfill(date(2025, 3, 3), date(2025, 3, 21), Mode.FORCE)
    assert (report.counts()[Outcome.WRITE], report.counts()[Outcome.EMPTY]) == (1, 12)
    later = [day.trade_date for day in report.planned if day.state is DayState.NOT_OPEN]
    assert later == [date(2025, 3, 20), date(2025, 3, 21)]
    assert desk.run({TAG_RANGE_START: "2025-03-11", TAG_RANGE_END: "2025-03-12"})
    assert desk.materialized() == {"2025-03-11", "2025-03-12"}
    assert (desk.metadata(WEDNESDAY)["outcome"], desk.metadata(WEDNESDAY)["dagster/partition_row_count"]) == (
        "EMPTY",
        0,
    )
    assert len(desk.server.paid_calls) == 1
    # What was empty is to do again as soon as the list names a symbol.
    desk.lists("ticker,date\nAAPL,2025-03-11\nMSFT,2025-03-12\n")
    report = desk.backfill(last=WEDNESDAY)
    assert [(day.state, day.why) for day in report.planned][-1] == (DayState.STALE, "MSFT not stored")
    assert desk.stored() == {("AAPL", "2025-03-11"), ("MSFT", "2025-03-12")}


def test_l7_without_a_list_days_are_unavailable_e109_and_stored_ones_stay(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.lists("ticker,date\nAAPL,2025-03-10\n")
    desk.backfill(last=MONDAY)
    monkeypatch.delenv("TP_WATCHLIST")
    report = desk.backfill()
    assert [day.why for day in report.notes] == ["there is no watchlist now; stored files kept"]
    (failed,) = report.failures
    assert (failed.outcome, failed.error and failed.error.code) == (Outcome.UNAVAIL, "E109")
    assert desk.look() == []
    assert "E109" in desk.text


def test_l2_budget_looks_at_all_symbols_and_days_of_a_run_before_the_first_paid_call(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster runs the range without the command in between: each day fits the limit, both together do not."""
    policy = desk.platform.defs.resolve_asset_graph().get(keys.WATCHLIST).backfill_policy
    assert policy is not None
    assert policy.max_partitions_per_run == 260  # a year of the web UI is one run
    monkeypatch.setenv("TP_DATABENTO_MAX_USD_PER_RUN", "0.003")
    tags = {TAG_RANGE_START: "2025-03-10", TAG_RANGE_END: "2025-03-11"}
    assert not desk.run(tags)
    assert desk.server.paid_calls == []
    assert desk.metadata(TUESDAY, "observation")["outcome"] == "UNAVAIL"
    assert "E350" in desk.metadata(MONDAY, "observation")["reason"]
    monkeypatch.setenv("TP_DATABENTO_MAX_USD_PER_RUN", "1")
    assert desk.run(tags)
    assert desk.server.billing == dict.fromkeys(SIX, 1)


def test_l4_sensor_asks_for_exactly_the_changed_days(desk: Desk) -> None:
    desk.lists("ticker,date\nAAPL,2025-03-10\nMSFT,2025-03-11\nAAPL,2025-03-14\nAAPL,2025-03-16\n")
    assert desk.look() == [[MONDAY, TUESDAY], [date(2025, 3, 14)]]
    keys_before = {request.run_key for request in desk.requests}
    assert all(desk.run(dict(request.tags)) for request in desk.requests)
    assert desk.look() == []
    assert desk.text == "list.csv has not changed"
    # A symbol more, a symbol less, a day that comes later in the file, a row twice.
    desk.lists("ticker,date\nAAPL,2025-03-14\nAAPL,2025-03-14\nAAPL,2025-03-10\nNVDA,2025-03-10\nAAPL,2025-03-13\n")
    assert desk.look() == [[MONDAY], [date(2025, 3, 13)]]
    assert keys_before.isdisjoint(request.run_key for request in desk.requests)
    assert all(desk.run(dict(request.tags)) for request in desk.requests)
    assert set(desk.server.billing.values()) == {1}
    assert ("MSFT", "2025-03-11") in desk.stored()
    # A sensor that has lost its memory finds everything stored.
    desk.cursor = None
    assert desk.look() == []
    assert "3 days looked at, 0 to make" in desk.text


def test_l4_sensor_waits_for_days_that_cannot_be_had_and_for_a_running_backfill(desk: Desk) -> None:
    desk.lists("ticker,date\nAAPL,2025-03-10\nAAPL,2025-03-19\n")
    with claim(desk.platform.home.claims_dir, {partition_name("watchlist/l2", "2025-03-10")}):
        desk.goes_to(datetime(2025, 3, 20, 23, tzinfo=UTC))
        assert desk.look() == []
        assert "1 day cannot be had yet, 1 day is being made by a backfill" in desk.text
    assert desk.look() == [[MONDAY]]
    assert desk.look() == []
    desk.goes_to(datetime(2025, 3, 21, 0, tzinfo=UTC))
    assert desk.look() == [[date(2025, 3, 19)]]


def test_l4_sensor_asks_again_for_a_day_that_is_not_stored_three_times_and_then_leaves_it_to_a_person(
    desk: Desk,
) -> None:
    desk.lists("ticker,date\nAAPL,2025-03-10\nAAPL,2025-03-11\n")
    pending = Fault(FaultKind.CONDITION, day=MONDAY, value="pending")
    desk.server.faults.append(pending)
    assert desk.look() == [[MONDAY, TUESDAY]]
    run_keys = {request.run_key for request in desk.requests}
    told: list[Any] = []
    for days_later in (1, 2, 3, 4):
        for request in desk.requests:
            desk.run(dict(request.tags))
        assert desk.look() == []
        desk.goes_to(NOW + timedelta(days=days_later, seconds=-1))
        assert desk.look() == []
        desk.goes_to(NOW + timedelta(days=days_later))
        # Tuesday was stored, so only Monday is asked for again.
        assert desk.look() == ([[MONDAY]] if days_later < 3 else [])
        warned = [line for line in desk.logs if line["event"] == DAY_GIVEN_UP]
        assert len(warned) == (days_later == 3)
        told += warned
        run_keys |= {request.run_key for request in desk.requests}
        assert len(run_keys) == min(days_later + 1, 3)
    assert desk.materialized() == {"2025-03-11"}
    line = told[0]
    assert (line["code"], line["runbook"], line["log_level"]) == ("E618", ALERTS[DAY_GIVEN_UP], "warning")
    assert line["next"] == "tp backfill watchlist/l2 --from 2025-03-10 --to 2025-03-10"
    assert "left alone: 2025-03-10" in desk.text
    assert desk.look() == []
    assert desk.text == "list.csv has not changed, left alone: 2025-03-10"
    # Another list leaves it alone, too, as long as the symbols of the day are the same.
    desk.lists("ticker,date\nAAPL,2025-03-10\nAAPL,2025-03-11\nAAPL,2025-03-12\n")
    assert desk.look() == [[WEDNESDAY]]
    # A person makes the day.
    desk.server.faults.remove(pending)
    assert desk.backfill(last=WEDNESDAY).failures == []
    desk.goes_to(NOW + timedelta(days=5))
    assert desk.look() == []
    assert "left alone" not in desk.text


def test_l4_sensor_asks_anew_for_a_day_left_alone_when_its_symbols_change(desk: Desk) -> None:
    desk.lists("ticker,date\nAAPL,2025-03-10\n")
    for days_later in range(4):
        desk.goes_to(NOW + timedelta(days=days_later))
        assert desk.look() == ([[MONDAY]] if days_later < 3 else [])
    desk.lists("ticker,date\nMSFT,2025-03-10\n")
    assert desk.look() == [[MONDAY]]
    desk.goes_to(NOW + timedelta(days=4))
    assert desk.look() == [[MONDAY]]
    # A day that is taken off the list is forgotten.
    desk.lists("ticker,date\nMSFT,2025-03-11\n")
    assert desk.look() == [[TUESDAY]]
    assert set(json.loads(desk.cursor or "")["asked"]) == {"2025-03-11"}


def test_l4_sensor_reads_the_memory_of_an_older_version(desk: Desk) -> None:
    desk.lists("ticker,date\nAAPL,2025-03-10\n")
    desk.cursor = json.dumps({"file": [], "days": {}, "next_due": ""})
    assert desk.look() == [[MONDAY]]
    memory = json.loads(desk.cursor)
    digest = memory["asked"]["2025-03-10"]["digest"]
    desk.cursor = json.dumps({"file": [], "days": {"2025-03-10": digest}, "next_due": ""})
    assert desk.look() == []


def test_l4_sensor_keeps_its_memory_while_the_list_cannot_be_read(desk: Desk) -> None:
    desk.lists("ticker,date\nAAPL,2025-03-10\n")
    assert desk.look() == [[MONDAY]]
    remembered = desk.cursor
    for content, code in (("name,date\nAAPL,2025-03-10\n", "E471"), ("ticker\nAAPL\n", "E472")):
        desk.lists(content)
        assert desk.look() == []
        assert (desk.text[:4], desk.cursor) == (code, remembered)
    desk.path.unlink()
    assert desk.look() == []
    assert (desk.text[:4], desk.cursor) == ("E470", remembered)
    desk.lists("ticker,date\nAAPL,2025-03-10\nAAPL,2025-03-11\n")
    assert desk.look() == [[TUESDAY]]


def test_l4_sensor_is_off_until_a_person_switches_it_on(desk: Desk) -> None:
    sensor = desk.platform.defs.get_repository_def().get_sensor_def("watchlist")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert "spend money" in (sensor.description or "")


def test_p1_event_of_a_long_list_stays_small(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from trading_platform.l2 import watchlist_days
    from trading_platform.lake import DayResult

    def made(builder: Any, day: date, *_: object, **__: object) -> DayResult:
        return DayResult(day, Outcome.WRITE, rows=7, reason=f"{builder.symbol} " + "told at length, " * 40)

    monkeypatch.setattr(watchlist_days, "build_day", made)
    symbols = [f"{letter}{other}{third}" for letter in "ABCDEFGH" for other in "ABCDEFGH" for third in "ABCDEFGH"]
    desk.lists("ticker,date\n" + "".join(f"{symbol},2025-03-10\n" for symbol in symbols))
    desk.server.faults.append(Fault(FaultKind.CONDITION, day=MONDAY, value="missing"))
    desk.backfill(last=MONDAY)
    found = desk.metadata(MONDAY)
    assert found["dagster/partition_row_count"] == 7 * 512
    assert len(json.dumps({name: repr(value) for name, value in found.items()})) <= 16 * 1024
