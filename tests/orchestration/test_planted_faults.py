"""A fault planted in the archive fails exactly the check that is named for it (P5, M5).

One archive of fifteen synthetic days, each with at most one fault; one backfill over all of them. A fault of the source shows in the ticks,
and in the bars too where bars have a check of the same name. Faults that only a defect of the bar builder could make are planted in
``tests/bars/test_checks.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import dagster as dg
import numpy as np
import pytest

from jobs.backfill import AssetReport
from resources import ClockResource
from trading_platform.lake.building import Outcome
from trading_platform.sierra import TicksBuilder
from trading_platform.sierra.format import EPOCH_OFFSET_US, HEADER_SIZE, RECORD, Records

from .conftest import SmallPlatform, make_home

ARCHIVE = "MNQH25_FUT_CME.scid"
TICK = 25.0  # 0.25 points in a file that stores prices x 100
SECOND = 1_000_000
HOUR = 3_600 * SECOND
Plant = Callable[[Records], Records]


def at(text: str) -> int:
    """Return an instant in UTC as Sierra Chart stores it."""
    return int(np.datetime64(text, "us").astype(np.int64)) + EPOCH_OFFSET_US


def lone_row(day: Records) -> int:
    """Return a trade that has two minutes before and after it to itself, so that it is a bar of every length."""
    apart = np.diff(day["dt"]) > 120 * SECOND
    alone = np.flatnonzero(apart[:-1] & apart[1:] & (day["total_volume"][1:-1] > 0)) + 1
    return int(alone[len(alone) // 2])


def price_step(day: Records) -> Records:
    day["close"][lone_row(day)] += np.rint(0.02 * day["close"][0] / TICK) * TICK
    return day


def missing_hours(day: Records) -> Records:
    noon = np.datetime64(int(day["dt"][-1]) - EPOCH_OFFSET_US, "us").astype("datetime64[D]").astype(str) + "T12:00"
    return day[(day["dt"] < at(noon)) | (day["dt"] >= at(noon) + 7 * HOUR)]


def missing_start(day: Records) -> Records:
    return day[day["dt"] >= day["dt"][0] + 8 * HOUR]


def repeated_block(day: Records) -> Records:
    return np.concatenate((day[:300], day[260:300], day[300:]))


def one_crossed_quote(day: Records) -> Records:
    row = lone_row(day)
    day["low"][row] = day["high"][row] + TICK
    return day


def many_crossed_quotes(day: Records) -> Records:
    day["low"][::10] = day["high"][::10] + TICK
    return day


def one_price_doubled(day: Records) -> Records:
    day["close"][lone_row(day)] *= 2
    return day


def prices_times_100(day: Records) -> Records:
    for name in ("high", "low", "close"):
        day[name] *= 100
    return day


def price_not_a_number(day: Records) -> Records:
    day["close"][lone_row(day)] = np.nan
    return day


def rows_on_saturday(day: Records) -> Records:
    stray = np.repeat(day[:1], 20)
    stray["dt"] = at("2025-03-08T15:00") + np.arange(20) * SECOND
    return np.concatenate((stray, day))


def late_record(day: Records) -> Records:
    row = lone_row(day)
    order = np.arange(len(day))
    order[[row, row + 1]] = order[[row + 1, row]]
    return day[order]


def volume_without_side(day: Records) -> Records:
    day["total_volume"][::20] += 1
    return day


def records_of_another_day(day: Records) -> Records:
    other = np.repeat(day[:1], 20)
    other["dt"] = at("2025-02-12T15:00") + np.arange(20) * SECOND
    return np.concatenate((day[:200], other, day[200:]))


def off_the_grid(day: Records) -> Records:
    day["close"][::50] += TICK / 2
    return day


def zeros_at_the_end(day: Records) -> Records:
    return np.concatenate((day, np.zeros(10, RECORD)))


@dataclass(frozen=True)
class Fault:
    """One fault, and for each dataset the checks that must fail; without bars the day is refused."""

    trade_date: date
    plant: Plant
    ticks: frozenset[str]
    bars: frozenset[str] | None = field(default_factory=frozenset)
    code: str = "E403"


def named(*checks: str) -> frozenset[str]:
    return frozenset(checks)


GOOD_DAY = date(2025, 2, 21)
FAULTS = (
    Fault(date(2025, 2, 24), one_price_doubled, named("rejects_below_limit"), None),
    Fault(date(2025, 2, 25), price_step, named("price_jumps"), named("price_jumps")),
    Fault(date(2025, 2, 26), missing_hours, named("session_gaps"), named("session_gaps")),
    Fault(date(2025, 2, 27), missing_start, named("session_gaps"), named("session_gaps")),
    Fault(date(2025, 2, 28), repeated_block, named("duplicate_records"), None),
    Fault(date(2025, 3, 3), one_crossed_quote, named("crossed_quotes"), named("crossed_quotes")),
    Fault(date(2025, 3, 4), many_crossed_quotes, named("crossed_quotes"), None),
    # A wrong scale, or so many prices off the grid that it must be one, is refused before anything is measured.
    Fault(date(2025, 3, 5), prices_times_100, named(), None, "E207"),
    Fault(date(2025, 3, 6), price_not_a_number, named("rejects_below_limit"), None),
    Fault(date(2025, 3, 7), volume_without_side, named("volume_split")),
    Fault(date(2025, 3, 10), rows_on_saturday, named("inside_trading_hours")),
    Fault(date(2025, 3, 11), late_record, named("time_order")),
    Fault(date(2025, 3, 12), records_of_another_day, named("stray_records")),
    Fault(date(2025, 3, 13), off_the_grid, named(), None, "E207"),
    Fault(date(2025, 3, 14), zeros_at_the_end, named("zero_tail"), None),
)
DATASETS = ("MNQ/ticks", "MNQ/bars_1s", "MNQ/bars_1m")
REFUSED = [fault.trade_date for fault in FAULTS if fault.bars is None]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallPlatform]:
    """Return a platform whose archive holds all the faults."""
    folder = tmp_path_factory.mktemp("faults")
    days = [GOOD_DAY, *(fault.trade_date for fault in FAULTS)]
    home = make_home(folder, days)
    path = folder / "sierra" / ARCHIVE
    raw = path.read_bytes()
    records = np.frombuffer(raw, RECORD, offset=HEADER_SIZE)
    # A trade date of these weeks ends at 22:00 UTC, from March 10 on at 21:00; nobody trades in between.
    days_of_records = ((records["dt"] - EPOCH_OFFSET_US + 2 * HOUR) // (24 * HOUR)).astype("datetime64[D]")
    planted = []
    for day in days:
        own = records[days_of_records == np.datetime64(day)].copy()
        plant = next((fault.plant for fault in FAULTS if fault.trade_date == day), None)
        planted.append(own if plant is None else plant(own))
    path.write_bytes(raw[:HEADER_SIZE] + np.concatenate(planted).tobytes())
    with dg.DagsterInstance.ephemeral() as instance:
        yield SmallPlatform(home, instance, {})


@pytest.fixture(scope="module")
def reports(platform: SmallPlatform) -> Mapping[str, AssetReport]:
    return platform.backfill(*DATASETS, first=GOOD_DAY, last=FAULTS[-1].trade_date)


def failed_checks(report: AssetReport, day: date) -> frozenset[str]:
    result = next(result for result in report.results if result.trade_date == day)
    return frozenset(check.name for check in result.checks if not check.passed)


def test_m5_day_without_a_fault_fails_no_check(reports: Mapping[str, AssetReport]) -> None:
    assert {name: failed_checks(reports[name], GOOD_DAY) for name in DATASETS} == dict.fromkeys(DATASETS, frozenset())


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.plant.__name__ for fault in FAULTS])
def test_m5_planted_fault_fails_exactly_its_check(reports: Mapping[str, AssetReport], fault: Fault) -> None:
    ticks = next(result for result in reports["MNQ/ticks"].results if result.trade_date == fault.trade_date)
    assert failed_checks(reports["MNQ/ticks"], fault.trade_date) == fault.ticks
    if fault.bars is None:
        assert ticks.outcome is Outcome.ERROR
        assert ticks.error is not None
        assert ticks.error.code == fault.code
        assert all(f"{name} (" in ticks.error.what for name in fault.ticks)
        return
    assert ticks.outcome is Outcome.WRITE
    for name in DATASETS[1:]:
        assert failed_checks(reports[name], fault.trade_date) == fault.bars, name


def test_p5_bars_of_refused_ticks_are_not_made(platform: SmallPlatform, reports: Mapping[str, AssetReport]) -> None:
    for name in ("bars_1s", "bars_1m"):
        assert [day.trade_date for day in reports[f"MNQ/{name}"].blocked] == REFUSED
        assert not set(platform.lake.days(name, "MNQ")) & set(REFUSED)
    assert not set(platform.lake.days("ticks", "MNQ")) & set(REFUSED)


def test_p5_a_run_of_dagster_stops_before_the_bars_of_a_refused_day(
    platform: SmallPlatform, reports: Mapping[str, AssetReport]
) -> None:
    assert reports
    job = platform.defs.resolve_job_def("daily_ingest")
    done = job.execute_in_process(
        instance=platform.instance, partition_key=REFUSED[0].isoformat(), raise_on_error=False
    )
    assert not done.success
    failed = {event.step_key for event in done.all_events if event.is_step_failure}
    assert "MNQ__ticks" in failed
    assert not [event for event in done.all_events if event.is_step_success and "bars" in (event.step_key or "")]


def run_checks(platform: SmallPlatform, day: date, now: str) -> tuple[set[str], set[str]]:
    """Run the ticks of one day, which are current, with all asset checks at a given time; return what passed and what failed."""
    key = dg.AssetKey(["MNQ", "ticks"])
    defs = SmallPlatform(platform.home, platform.instance, {"clock": ClockResource(fixed_at=now)}).defs
    job = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={key},
        asset_check_selection={
            check for check in defs.resolve_asset_graph().asset_check_keys if check.asset_key == key
        },
    )
    done = job.execute_in_process(instance=platform.instance, partition_key=day.isoformat())
    assert done.success
    found = done.get_asset_check_evaluations()
    return {each.check_name for each in found if each.passed}, {each.check_name for each in found if not each.passed}


def test_p5_asset_checks_show_the_same_failure(platform: SmallPlatform, reports: Mapping[str, AssetReport]) -> None:
    assert reports
    passed, failed = run_checks(platform, FAULTS[1].trade_date, "2025-03-12T18:30:00-04:00")
    assert failed == {"price_jumps"}
    assert passed == {*TicksBuilder.CHECKS, "stored_facts_unchanged", "fresh_by_calendar"} - failed


def test_m5_stale_newest_day_fails_exactly_the_freshness_check(
    platform: SmallPlatform, reports: Mapping[str, AssetReport]
) -> None:
    """The newest stored day is March 12; by Friday evening the sessions of the 13th and 14th are over."""
    assert reports
    assert run_checks(platform, GOOD_DAY, "2025-03-13T17:59:00-04:00")[1] == set()
    assert run_checks(platform, GOOD_DAY, "2025-03-14T18:30:00-04:00")[1] == {"fresh_by_calendar"}


def test_m5_freshness_job_makes_nothing_and_names_the_next_command(
    platform: SmallPlatform, reports: Mapping[str, AssetReport]
) -> None:
    assert reports
    before = platform.hashes()
    late = SmallPlatform(
        platform.home, platform.instance, {"clock": ClockResource(fixed_at="2025-03-14T18:30:00-04:00")}
    )
    done = late.defs.resolve_job_def("freshness").execute_in_process(instance=platform.instance)
    assert done.success
    found = {each.asset_key.to_user_string(): each for each in done.get_asset_check_evaluations()}
    assert set(DATASETS) <= set(found)
    assert {each.check_name for each in found.values()} == {"fresh_by_calendar"}
    assert not any(found[name].passed for name in DATASETS)
    # Nobody has a gamma feed here, so nothing made from it is late.
    assert found["NQ_NDX/gex_snapshots"].passed
    assert found["MNQ/enriched_bars"].passed
    ticks = found["MNQ/ticks"]
    assert ticks.severity is dg.AssetCheckSeverity.WARN
    assert ticks.metadata["newest_complete"].value == "2025-03-12"
    assert ticks.metadata["sessions_late"].value == 2
    assert ticks.metadata["next_command"].value == "tp backfill MNQ/ticks --from 2025-03-13 --to 2025-03-14"
    assert "tp backfill MNQ/ticks --from 2025-03-13 --to 2025-03-14" in (ticks.description or "")
    assert platform.hashes() == before


def test_m5_a_day_made_too_early_is_not_fresh(platform_of: Callable[..., SmallPlatform]) -> None:
    """Wednesday's ticks were imported at noon: when its session is over, the newest complete day is Tuesday."""
    days = (date(2025, 3, 11), date(2025, 3, 12))
    platform = platform_of(days, clock=ClockResource(fixed_at="2025-03-12T12:00:00-04:00"))
    platform.backfill("MNQ/ticks", first=days[0], last=days[1])
    platform.overrides["clock"] = ClockResource(fixed_at="2025-03-12T18:30:00-04:00")
    done = platform.defs.resolve_job_def("freshness").execute_in_process(instance=platform.instance)
    found = {each.asset_key.to_user_string(): each.metadata for each in done.get_asset_check_evaluations()}
    assert found["MNQ/ticks"]["newest_complete"].value == "2025-03-11"
    assert found["MNQ/ticks"]["sessions_late"].value == 1
    assert "newest_complete" not in found["MNQ/bars_1s"]


def test_m5_freshness_is_looked_at_on_weekday_evenings(small_platform: SmallPlatform) -> None:
    schedule = small_platform.defs.resolve_schedule_def("freshness_in_the_evening")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 19 * * 1-5", "America/New_York")
