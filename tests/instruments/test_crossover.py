"""The volume rule: decided from earlier sessions, one way, and absent where the volumes do not prove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_platform.instruments import Contract, RollTable, load_registry
from trading_platform.instruments.crossover import ContractVolumes, RollProposal, SessionVolume, propose_rolls
from trading_platform.instruments.rolls import roll_table_of
from trading_platform.instruments.rolls_csv import with_volume_rolls

REGISTRY = load_registry()
CALENDAR = RollTable(REGISTRY, {})


def weekdays(first: str, last: str, closed: Sequence[str] = ()) -> list[date]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    days = [begin + timedelta(days=i) for i in range((end - begin).days + 1)]
    return [day for day in days if day.weekday() < 5 and day.isoformat() not in closed]


SESSIONS = weekdays("2025-09-01", "2025-09-19", closed=["2025-09-01"])  # Labor Day
AFTER = date(2025, 9, 22)


def volumes(**of: Mapping[str, int | None] | str) -> dict[Contract, ContractVolumes]:
    """Return volumes from ``ESU25={"09-08": 100}``; None is a session that is not known, a text a file that is not."""
    found = {}
    for name, known in of.items():
        if isinstance(known, str):
            found[Contract.parse(name)] = ContractVolumes({}, known)
            continue
        sessions = {
            date.fromisoformat(f"2025-{day}"): SessionVolume(volume, "torn" if volume is None else None)
            for day, volume in known.items()
        }
        found[Contract.parse(name)] = ContractVolumes(sessions)
    return found


def crossing_on(day: str, old: str = "ESU25", new: str = "ESZ25") -> dict[Contract, ContractVolumes]:
    """Return volumes in which the new contract trades more from one session on."""
    names = [session.strftime("%m-%d") for session in SESSIONS]
    return volumes(
        **{
            old: {name: 900 if name < day else 100 for name in names},
            new: {name: 100 if name < day else 900 for name in names},
        }
    )


def rolls(
    known: Mapping[Contract, ContractVolumes],
    *,
    root: str = "ES",
    rows: str = "",
    sessions: Sequence[date] = SESSIONS,
    after: date = AFTER,
    replace_explicit: bool = False,
) -> tuple[RollProposal, ...]:
    table = roll_table_of(REGISTRY, rows and f"root,contract,first_trade_date,rule\n{rows}\n")
    return propose_rolls(table, CALENDAR, root, known, sessions, after, replace_explicit=replace_explicit)


def test_s3_roll_is_the_session_after_the_next_contract_traded_more() -> None:
    roll = rolls(crossing_on("09-10"))[0]

    assert (roll.from_contract.symbol, roll.to_contract.symbol) == ("ESU25", "ESZ25")
    assert roll.deciding_session == date(2025, 9, 10)
    assert roll.volume_date == date(2025, 9, 11)
    assert (roll.from_volume, roll.to_volume) == (100, 900)
    assert (roll.calendar_date, roll.table_date, roll.table_rule) == (date(2025, 9, 15), date(2025, 9, 15), "calendar")
    assert roll.reason is None


def test_s3_roll_decided_on_a_friday_falls_on_the_next_open_session() -> None:
    closed_monday = [day for day in SESSIONS if day != date(2025, 9, 8)]

    assert rolls(crossing_on("09-05"))[0].volume_date == date(2025, 9, 8)
    assert rolls(crossing_on("09-05"), sessions=closed_monday)[0].volume_date == date(2025, 9, 9)


def test_s3_decision_of_the_last_session_concerns_the_one_after_it() -> None:
    until_tenth = [day for day in SESSIONS if day <= date(2025, 9, 10)]

    roll = rolls(crossing_on("09-10"), sessions=until_tenth, after=date(2025, 9, 11))[0]

    assert roll.volume_date == date(2025, 9, 11)
    assert rolls(crossing_on("09-11"), sessions=until_tenth, after=date(2025, 9, 11))[0].volume_date is None


def test_s3_equal_volume_is_not_more() -> None:
    known = volumes(ESU25={"09-09": 5, "09-10": 5, "09-11": 5}, ESZ25={"09-09": 4, "09-10": 5, "09-11": 6})

    assert rolls(known)[0].deciding_session == date(2025, 9, 11)


@given(st.data())
def test_s3_volumes_from_the_roll_on_never_change_the_roll(data: st.DataObject) -> None:
    known = crossing_on(data.draw(st.sampled_from([day.strftime("%m-%d") for day in SESSIONS[2:12]])))
    roll = rolls(known)[0]
    assert roll.volume_date is not None
    volume = st.one_of(st.none(), st.integers(0, 2_000))
    future = {
        contract: ContractVolumes(
            {
                day: found if day < roll.volume_date else SessionVolume(data.draw(volume), "altered")
                for day, found in of.sessions.items()
            }
        )
        for contract, of in known.items()
    }

    altered = rolls(future)[0]

    assert (altered.volume_date, altered.deciding_session) == (roll.volume_date, roll.deciding_session)
    assert (altered.from_volume, altered.to_volume, altered.undecided) == (
        roll.from_volume,
        roll.to_volume,
        roll.undecided,
    )


def test_s3_volume_that_goes_back_does_not_roll_back() -> None:
    names = [day.strftime("%m-%d") for day in SESSIONS]
    known = volumes(
        ESU25={name: 100 if name == "09-09" else 900 for name in names}, ESZ25=dict.fromkeys(names, 500), ESH26={}
    )

    found = rolls(known)

    assert [roll.volume_date for roll in found] == [date(2025, 9, 10), None]
    assert [roll.to_contract.symbol for roll in found] == ["ESZ25", "ESH26"]


def test_s3_session_unknown_right_before_the_crossing_leaves_the_roll_unproven() -> None:
    known = volumes(ESU25={"09-08": 9, "09-09": None, "09-10": 1}, ESZ25={"09-08": 1, "09-09": 5, "09-10": 9})

    roll = rolls(known)[0]

    assert roll.volume_date is None
    assert roll.reason == "ESZ25 traded more on 2025-09-10, but may have done so before (2025-09-09: ESU25: torn)"


def test_s3_session_missing_for_one_contract_decides_nothing_and_is_reported() -> None:
    known = volumes(ESU25={"09-08": 9, "09-10": 9, "09-11": 1}, ESZ25={"09-08": 1, "09-09": 99, "09-10": 1, "09-11": 9})

    roll = rolls(known)[0]

    assert roll.volume_date == date(2025, 9, 12)
    assert roll.undecided == ((date(2025, 9, 9), "ESU25: no records of this session"),)


def test_s3_crossing_in_the_first_session_of_the_archive_is_not_proven() -> None:
    roll = rolls(crossing_on("09-02"))[0]

    assert roll.volume_date is None
    assert roll.reason == (
        "ESZ25 traded more on 2025-09-02, but may have done so before (sessions before it were not looked at)"
    )


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"ESU25": {"09-08": 9}}, "the volume of ESZ25 is not known: there is no file of it"),
        (
            {"ESU25": "E203 no permission", "ESZ25": {"09-08": 9}},
            "the volume of ESU25 is not known: E203 no permission",
        ),
        (
            {"ESU25": {"09-08": 9}, "ESZ25": {"09-09": 9}},
            "there is no session of which the volumes of both ESU25 and ESZ25 are known",
        ),
        (
            {"ESU25": {"09-08": 9, "09-09": 8}, "ESZ25": {"09-08": 1, "09-09": 2}},
            "ESZ25 did not trade more than ESU25 on any of 2 sessions up to 2025-09-19",
        ),
    ],
)
def test_s3_what_the_volumes_do_not_prove_is_not_proposed(
    known: Mapping[str, Mapping[str, int | None] | str], reason: str
) -> None:
    roll = rolls(volumes(**known))[0]

    assert (roll.volume_date, roll.reason, roll.table_date) == (None, reason, date(2025, 9, 15))


def test_s3_unproven_roll_leaves_the_calendar_date_to_the_next_one() -> None:
    days = weekdays("2025-09-10", "2025-12-12")
    after_rule = {day.strftime("%m-%d"): 9 if day.month < 12 else 1 for day in days}
    known = volumes(ESZ25=after_rule, ESH26={name: 10 - volume for name, volume in after_rule.items()})

    found = rolls(known, sessions=days, after=date(2025, 12, 15))

    assert [(roll.to_contract.symbol, roll.volume_date) for roll in found] == [
        ("ESZ25", None),
        ("ESH26", date(2025, 12, 2)),
        ("ESM26", None),
    ]


def test_s3_monthly_contracts_roll_one_by_one() -> None:
    days = weekdays("2025-03-03", "2025-05-09", closed=["2025-04-18"])

    def of(first: str, last: str) -> dict[str, int | None]:
        return {day.strftime("%m-%d"): 900 if first <= day.strftime("%m-%d") < last else 50 for day in days}

    known = volumes(CLJ25=of("01-01", "03-13"), CLK25=of("03-13", "04-14"), CLM25=of("04-14", "12-31"))
    found = rolls(known, root="CL", sessions=days, after=date(2025, 5, 12))

    assert [(str(r.from_contract), str(r.to_contract), str(r.volume_date), str(r.calendar_date)) for r in found] == [
        ("CLJ25", "CLK25", "2025-03-14", "2025-03-17"),
        ("CLK25", "CLM25", "2025-04-15", "2025-04-17"),
        ("CLM25", "CLN25", "None", "2025-05-15"),
    ]


def test_s3_crossing_after_the_contract_is_replaced_itself_is_no_roll() -> None:
    days = weekdays("2025-03-03", "2025-05-09")
    late = {day.strftime("%m-%d"): 9 if day >= date(2025, 4, 17) else 1 for day in days}
    known = volumes(CLJ25=dict.fromkeys(late, 5), CLK25=late)

    roll = rolls(known, root="CL", sessions=days, after=date(2025, 5, 12))[0]

    assert roll.volume_date is None
    assert roll.reason == (
        "CLK25 did not trade more than CLJ25 on any of 32 sessions before 2025-04-17, when CLK25 is replaced itself"
    )


def test_s3_explicit_row_wins_unless_it_is_to_be_replaced() -> None:
    row = "ES,ESZ25,2025-09-09,explicit"

    kept, replaced = (rolls(crossing_on("09-10"), rows=row, replace_explicit=replace)[0] for replace in (False, True))

    assert (kept.table_date, kept.table_rule, kept.volume_date) == (date(2025, 9, 9), "explicit", date(2025, 9, 11))
    assert kept.contradicts_explicit
    assert replaced.volume_date == date(2025, 9, 11)
    assert not rolls(crossing_on("09-08"), rows=row)[0].contradicts_explicit


def test_s3_earlier_volume_row_is_decided_again_from_the_volumes() -> None:
    roll = rolls(crossing_on("09-10"), rows="ES,ESZ25,2025-09-09,volume")[0]

    assert (roll.table_rule, roll.volume_date) == ("volume", date(2025, 9, 11))
    assert not roll.contradicts_explicit


def test_s3_no_sessions_propose_nothing() -> None:
    assert rolls({}, sessions=[]) == ()


@given(st.lists(st.integers(0, 60), min_size=3, max_size=3), st.sampled_from(["ES", "CL", "GC", "6E"]))
def test_s3_proposed_table_has_no_gap_and_no_overlap(shifts: list[int], root: str) -> None:
    days = weekdays("2025-02-03", "2025-12-31")
    windows = CALENDAR.windows(root, days[0], days[-1])
    known: dict[Contract, ContractVolumes] = {}
    peaks = [window.first_trade_date + timedelta(days=shifts[i % len(shifts)] - 30) for i, window in enumerate(windows)]
    for window, peak in zip(windows, peaks, strict=True):
        # The nearer to its own start a contract is, the more it trades.
        known[window.contract] = ContractVolumes({day: SessionVolume(10_000 - abs((day - peak).days)) for day in days})

    found = rolls(known, root=root, sessions=days, after=date(2026, 1, 2))
    proven = {roll.to_contract: roll.volume_date for roll in found if roll.volume_date is not None}
    table = roll_table_of(REGISTRY, with_volume_rolls("", proven, REGISTRY, replace_explicit=False))
    result = table.windows(root, days[0], days[-1])

    assert all(a.end_trade_date == b.first_trade_date and a.contract < b.contract for a, b in pairwise(result))
    assert {w.contract: w.first_trade_date for w in result if w.rule == "volume"} == {
        contract: day for contract, day in proven.items() if day <= days[-1]
    }
