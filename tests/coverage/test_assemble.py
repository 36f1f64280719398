"""Many days at once are judged as ``judge_day`` would judge each of them (P12)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from trading_platform.coverage import assemble, files
from trading_platform.coverage.assemble import Surroundings, make_board
from trading_platform.coverage.calendar import CalendarDays, calendar_days, pack, unpack
from trading_platform.coverage.files import DTYPE, NO_EVENT, OUTCOMES, StoredDays, Texts
from trading_platform.coverage.history import DayEvents, NoHistory
from trading_platform.coverage.judge import EventFacts, FileFacts, SessionFacts, judge_day
from trading_platform.coverage.states import State
from trading_platform.errors import ConfigurationError
from trading_platform.sessions import calendar_for, weekdays_between

from .boards import series

FIRST, LAST = date(2025, 3, 3), date(2025, 5, 30)
NOW = datetime(2025, 5, 28, 19, tzinfo=UTC)
DAYS = weekdays_between(FIRST, LAST)


@pytest.fixture(scope="module")
def calendar() -> CalendarDays:
    return calendar_days("CME_EQUITY")


def random_row(random: np.random.Generator, calendar: CalendarDays) -> assemble._Row:
    """Return facts in any combination, also in those that no builder makes."""
    stored = np.sort(random.choice(len(DAYS), 40, replace=False))
    table = np.zeros(len(stored), DTYPE)
    table["day"] = [DAYS[at].toordinal() for at in stored]
    table["outcome"] = random.integers(0, len(OUTCOMES), len(stored))
    table["rejected"] = random.choice([0, 0, 0, 5], len(stored))
    table["remark"] = random.integers(0, 3, len(stored))
    table["code"], table["contract"] = random.choice([3, 3, 3, 4], len(stored)), random.choice([1, 1, 2], len(stored))
    table["session"] = calendar.of([DAYS[at] for at in stored]).digest
    made = np.sort(random.choice(len(DAYS), 45, replace=False))
    failed = random.choice(len(DAYS), 8, replace=False)
    ordinals = np.array([DAYS[at].toordinal() for at in made], np.int32)
    failures = {DAYS[at].toordinal(): random.choice(["ERROR: E403", "PENDING: E213"]) for at in failed}
    is_made = np.isin(table["day"], ordinals)
    events = DayEvents(ordinals, np.arange(len(made)), failures, int(ordinals[0]))
    complete = random.random(len(stored)) < 0.8
    event_ids = np.where(is_made, 7, NO_EVENT)
    texts = Texts(["", "Good Friday", "5 zero_volume", "1", "0"])
    first_day = int(table["day"][0])
    return assemble._Row(StoredDays(table, texts, first_day), events, event_ids, complete & is_made)


@pytest.mark.parametrize("on_demand", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_p12_arrays_and_single_days_agree(
    seed: int,
    on_demand: bool,  # noqa: FBT001 - pytest hands it over
    calendar: CalendarDays,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    row = random_row(np.random.default_rng(seed), calendar)
    monkeypatch.setattr(assemble, "_facts_of", lambda *_: {"MNQ/ticks": row})
    around = Surroundings(tmp_path, tmp_path, NoHistory(), NOW, {"CME_EQUITY": calendar})
    board = make_board([series(on_demand=on_demand)], {}, FIRST, LAST, around)
    stored = {int(day): at for at, day in enumerate(row.stored.table["day"])}
    made = set(row.events.days.tolist())
    assert row.stored.first_day is not None
    assert row.events.first_day is not None
    first_known = min(row.stored.first_day, row.events.first_day)
    for column, day in enumerate(DAYS):
        ordinal = day.toordinal()
        session = calendar_for("CME_EQUITY").session(day)
        facts = SessionFacts(session.is_open, session.is_final(NOW), session.reason or "")
        at = stored.get(ordinal)
        complete = at is not None and bool(row.complete[at])
        events = EventFacts(ordinal in made, complete, row.events.failures.get(ordinal, ""))
        is_expected = ordinal >= first_known and not on_demand
        expected = judge_day(facts, file_of(row, at), events, is_expected=is_expected)
        assert board.state(0, column) is expected.state, day
        assert board.cell(0, column).reason == expected.reason, day


def file_of(row: assemble._Row, at: int | None) -> FileFacts | None:
    if at is None:
        return None
    entry, texts = row.stored.table[at], row.stored.texts
    remark = texts[int(entry["remark"])]
    if entry["outcome"] == files.DAMAGED:
        return FileFacts(damage=remark)
    changes = []
    if texts[int(entry["code"])] != "1":
        changes.append(f"made by code version {texts[int(entry['code'])]}, now 1")
    if entry["contract"] != 1:
        changes.append(f"made under contract version {entry['contract']}, now 1")
    return FileFacts("", OUTCOMES[entry["outcome"]], remark, int(entry["rejected"]), "; ".join(changes))


def test_p12_calendar_says_what_sessions_say(calendar: CalendarDays) -> None:
    facts = calendar.of(DAYS)
    sessions = [calendar_for("CME_EQUITY").session(day) for day in DAYS]
    assert facts.is_open.tolist() == [session.is_open for session in sessions]
    for now in (NOW, datetime(2025, 4, 18, 2, tzinfo=UTC), datetime(2025, 3, 14, 22, 15, 6, tzinfo=UTC)):
        assert facts.is_over(now).tolist() == [session.is_final(now) for session in sessions]
    assert facts.reasons[date(2025, 4, 18).toordinal()] == "Good Friday"
    again = unpack(pack({"CME_EQUITY": calendar}))["CME_EQUITY"]
    assert (again.digest == calendar.digest).all()
    assert again.reasons == calendar.reasons


def test_p12_days_beyond_the_calendar_are_refused(calendar: CalendarDays) -> None:
    with pytest.raises(ConfigurationError) as caught:
        calendar.of([date(2051, 3, 10)])
    assert caught.value.code == "E140"


def test_p12_series_of_which_nothing_is_known_is_one_line(calendar: CalendarDays, tmp_path: Path) -> None:
    around = Surroundings(tmp_path / "lake", tmp_path / "cache", NoHistory(), NOW, {"CME_EQUITY": calendar})
    board = make_board([series()], {}, FIRST, LAST, around, from_first=True)
    assert board.nothing_yet == {0}
    assert board.counts() == {}
    assert board.needs_work() == 0
    assert State.MISSING not in {board.state(0, column) for column in range(len(DAYS))}


def test_p12_what_is_made_on_demand_is_missing_only_where_somebody_asked(
    calendar: CalendarDays, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stored, refused = date(2025, 3, 12), date(2025, 3, 14)
    table = np.zeros(1, DTYPE)
    table["day"], table["outcome"], table["code"], table["contract"] = stored.toordinal(), OUTCOMES.index("WRITE"), 3, 1
    table["session"] = calendar.of([stored]).digest
    failure = "UNAVAIL: E350 the plan costs $5.00, $1.00 is left of the limit per run"
    events = DayEvents(
        np.array([stored.toordinal()], np.int32), np.zeros(1), {refused.toordinal(): failure}, stored.toordinal()
    )
    days = StoredDays(table, Texts(["", "", "", "1"]), stored.toordinal())
    row = assemble._Row(days, events, np.array([7]), np.array([True]))
    monkeypatch.setattr(assemble, "_facts_of", lambda *_: {"MNQ/l2": row})
    around = Surroundings(tmp_path, tmp_path, NoHistory(), NOW, {"CME_EQUITY": calendar})
    board = make_board([series("MNQ", "l2", on_demand=True)], {}, FIRST, LAST, around, from_first=True)
    assert board.counts(0) == {State.COMPLETE: 1, State.MISSING: 1, State.NOT_DUE: 3}
    assert board.cell(0, DAYS.index(refused)).reason == failure
    assert [group.next_command for group in board.groups(0)] == [f"tp backfill MNQ/l2 --from {refused} --to {refused}"]


@pytest.mark.parametrize("from_first", [False, True])
def test_p12_days_before_a_source_was_recorded_are_no_holes_whoever_asks(
    calendar: CalendarDays,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    from_first: bool,  # noqa: FBT001 - pytest hands it over
) -> None:
    tried, stored = date(2025, 3, 10), date(2025, 3, 12)
    table = np.zeros(1, DTYPE)
    table["day"], table["outcome"], table["code"], table["contract"] = stored.toordinal(), OUTCOMES.index("WRITE"), 3, 1
    table["session"] = calendar.of([stored]).digest
    failure = "MISSING: E267 no history file of that day"
    events = DayEvents(
        np.array([stored.toordinal()], np.int32), np.zeros(1), {tried.toordinal(): failure}, tried.toordinal()
    )
    days = StoredDays(table, Texts(["", "", "", "1"]), stored.toordinal())
    row = assemble._Row(days, events, np.array([7]), np.array([True]))
    monkeypatch.setattr(assemble, "_facts_of", lambda *_: {"NQ_NDX/gex_snapshots": row})
    around = Surroundings(tmp_path, tmp_path, NoHistory(), NOW, {"CME_EQUITY": calendar})
    feed = replace(series("NQ_NDX", "gex_snapshots"), recorded=True)
    board = make_board([feed], {}, FIRST, LAST, around, from_first=from_first)
    # The attempt that failed is told, the days around it are not.
    assert board.cell(0, DAYS.index(tried)).reason == failure
    blank = [day for column, day in enumerate(DAYS) if day < stored and board.state(0, column) is State.NOT_EXPECTED]
    assert blank == [day for day in DAYS if day < stored and day != tried]
    assert board.state(0, DAYS.index(date(2025, 3, 13))) is State.MISSING
