"""``tp l2`` with a list: filters, ad-hoc tasks, what a day of the list leaves in the web UI (L4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import pytest

from tests.databento.l2_shop import serving
from trading_platform.cli.l2_choice import Wanted, choose
from trading_platform.cli.platform import open_instance
from trading_platform.clock import FixedClock
from trading_platform.databento.account import open_vendor
from trading_platform.home import create_home, open_home
from trading_platform.instruments import load_registry, load_roll_table
from trading_platform.settings import load_settings
from trading_platform.simulation.databento import DataBentoStandIn

from .conftest import Called, call
from .test_l2 import summary, use

LIST = """ticker,date
AAPL,2025-09-02
MSFT,2025-09-02
AAPL,2025-09-03
SPY,2025-09-03
not one,2025-09-03
AAPL,2025-08-30
NVDA,2025-08-29
"""
AUGUST, SECOND, THIRD = "2025-08-29", "2025-09-02", "2025-09-03"
ALL = [("NVDA", AUGUST), ("AAPL", SECOND), ("MSFT", SECOND), ("AAPL", THIRD), ("SPY", THIRD)]


@dataclass(frozen=True)
class Desk:
    """A home, the stand-in, and the list that TP_WATCHLIST names unless a test takes it away."""

    home: Path
    server: DataBentoStandIn
    path: Path

    def l2(self, verb: str, *options: str | Path) -> Called:
        return call("l2", verb, *options, home=self.home)

    def lists(self, content: str) -> None:
        self.path.write_text(content, encoding="utf-8")

    def forgets_the_list(self) -> None:
        use(self.path.parent, self.server)

    def recorded(self) -> set[str]:
        """Return the days of ``watchlist/l2`` that the web UI shows as done."""
        import dagster as dg

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_HOME", "")
            patch.setenv("TP_HOME", "")
            with open_instance(open_home(self.home)) as instance:
                return instance.get_materialized_partitions(dg.AssetKey(["watchlist", "l2"]))


@pytest.fixture
def desk(elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Return a desk on which SPY is an active instrument; a row of the list is unusable, and one of its days is a Saturday."""
    home = create_home(tmp_path / "home")
    home.instruments_toml.write_text('active = ["ES", "SPY"]\n', encoding="utf-8")
    with serving(elsewhere, monkeypatch) as server:
        made = Desk(home.path, server, elsewhere / "list.csv")
        made.lists(LIST)
        use(elsewhere, server, TP_WATCHLIST=made.path)
        yield made


def chosen(folder: Path, wanted: Wanted, *, has_list: bool = True) -> list[tuple[str, str]]:
    """Return the tasks of options, without asking anybody."""
    path = folder / "list.csv"
    path.write_text(LIST, encoding="utf-8")
    home, registry, clock = create_home(folder / "home"), load_registry(), FixedClock(datetime(2025, 10, 1, tzinfo=UTC))
    settings = load_settings(watchlist=path if has_list else None)
    vendor = open_vendor(home, settings, registry, load_roll_table(registry, None), clock=clock, run_id="run-1")
    return [(symbol, day.isoformat()) for symbol, day in choose(wanted, vendor, clock, "plan").tasks]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), ALL),
        (Wanted(since=date(2025, 9, 3)), ALL[3:]),
        (Wanted(first=date(2025, 8, 30), last=date(2025, 9, 2)), ALL[1:3]),
        (Wanted(last_days=2), ALL[1:]),
        (Wanted(max_tasks=2), ALL[:2]),
        (Wanted(max_tasks=0), []),
        (Wanted(only=["aapl", "SPY"]), [ALL[1], *ALL[3:]]),
        (Wanted(dates=[date(2025, 9, 2)]), ALL[1:3]),
        (Wanted(only=["AAPL,MSFT"], last_days=1), [ALL[3]]),
        (Wanted(only=["QQQ"]), []),
    ],
)
def test_l4_options_narrow_the_list(tmp_path: Path, wanted: Wanted, expected: list[tuple[str, str]]) -> None:
    assert chosen(tmp_path, wanted) == expected


@pytest.mark.parametrize("has_list", [True, False])
def test_l4_symbol_and_date_make_a_task_of_their_own(tmp_path: Path, *, has_list: bool) -> None:
    wanted = Wanted(only=["qqq"], dates=[date(2025, 7, 29), date(2025, 7, 26)])
    assert chosen(tmp_path, wanted, has_list=has_list) == [("QQQ", "2025-07-29")]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(["MSFT,AAPL"], dates=[date(2025, 9, 2)]), [("MSFT", SECOND), ("AAPL", SECOND)]),
        (Wanted(["MSFT,AAPL"], only=["AAPL"], last=date(2025, 9, 3), last_days=1), [("AAPL", THIRD)]),
        (Wanted(["MSFT,AAPL"], since=date(2025, 9, 2), last=date(2025, 9, 3), max_tasks=1), [("AAPL", SECOND)]),
        (Wanted(["QQQ"], last_days=2), [("QQQ", "2025-09-29"), ("QQQ", "2025-09-30")]),
        (
            Wanted(["nvda,NVDA,es,es.v.0"], dates=[date(2025, 9, 2)]),
            [("NVDA", SECOND), ("ES", SECOND), ("ES.v.0", SECOND)],
        ),
    ],
)
def test_l4_options_narrow_a_range(tmp_path: Path, wanted: Wanted, expected: list[tuple[str, str]]) -> None:
    assert chosen(tmp_path, wanted) == expected


def test_l4_plan_of_a_list_says_what_is_left_out_and_pays_nothing(desk: Desk) -> None:
    planned = desk.l2("plan", "--json", "--since", SECOND, "--last", "2", "--max-tasks", "3", "--symbol", "AAPL").json
    assert [(task["symbol"], task["date"], task["step"]) for task in planned["tasks"]] == [
        ("AAPL", SECOND, "buy"),
        ("AAPL", THIRD, "buy"),
    ]
    assert planned["watchlist"] == {
        "path": str(desk.path),
        "tasks": 6,
        "chosen": 2,
        "duplicates": 0,
        "weekends": 0,
        "refused": [{"row": 6, "ticker": "not one", "date": THIRD, "reason": "not a ticker"}],
    }
    text = desk.l2("plan", "--date", "2025-08-30")
    assert "list.csv row 6 is left out, not a ticker: 'not one', '2025-09-03'" in text.err
    assert "1 task on Saturdays and Sundays is left out" in text.err
    assert desk.server.paid_calls == []


def test_l4_backfill_of_the_list_pays_once_and_its_days_are_done_in_the_web_ui(desk: Desk) -> None:
    first = desk.l2("backfill", "--symbol", "AAPL")
    assert (first.code, summary(first)) == (0, {"WRITE": 2, "total": 2, "concurrency": 4}), first.err
    # Of the 2nd a symbol is still to be bought; on the 3rd the other one is an active instrument.
    assert desk.recorded() == {THIRD}
    done = desk.l2("backfill")
    assert (done.code, summary(done)) == (0, {"WRITE": 3, "SKIP": 2, "total": 5, "concurrency": 4}), done.err
    assert desk.server.billing == dict.fromkeys(ALL, 1)
    assert desk.recorded() == {AUGUST, SECOND, THIRD}
    assert (open_home(desk.home).lake_dir / "l2_metrics" / "symbol=SPY" / f"date={THIRD}").is_dir()
    asked = len(desk.server.requests)
    again = call("backfill", "watchlist/l2", "--from", AUGUST, "--to", THIRD, home=desk.home)
    assert (again.code, len(desk.server.requests)) == (0, asked), again.err
    assert "SKIP=3 EMPTY=1 " in again.out.splitlines()[-1]


def test_l4_day_of_the_list_that_failed_shows_what_was_bought_for_the_others(desk: Desk) -> None:
    desk.lists("ticker,date\nAAPL,2025-09-02\nNDX,2025-09-02\nMSFT,2025-09-02\n")
    span = ("watchlist/l2", "--from", SECOND, "--to", SECOND)
    failed = call("backfill", *span, home=desk.home)
    assert failed.code == 1
    (line,) = [line for line in failed.err.splitlines() if line.startswith(f"watchlist/l2 {SECOND} paid $")]
    assert re.search(r"paid \$0\.\d+: AAPL WRITE \$0\.\d+, MSFT WRITE \$0\.\d+$", line)
    (day,) = call("backfill", *span, "--json", home=desk.home).json["assets"][0]["days"]
    assert {part["symbol"]: part["outcome"] for part in day["parts"]} == {
        "AAPL": "SKIP",
        "MSFT": "SKIP",
        "NDX": "ERROR",
    }
    assert [part["rows"] > 0 for part in day["parts"]] == [True, True, False]
    assert len(desk.server.paid_calls) == 2


def test_l4_bad_symbol_of_a_list_is_named_and_the_others_are_made(desk: Desk) -> None:
    desk.lists(f"ticker,date\nAAPL,{SECOND}\nNDX,{SECOND}\n")
    done = desk.l2("backfill")
    assert (done.code, summary(done)) == (1, {"WRITE": 1, "ERROR": 1, "total": 2, "concurrency": 4})
    assert "NDX has no order book" in done.out
    assert desk.recorded() == set()


def test_l4_spreadsheet_named_by_the_command_is_made_and_is_not_the_list_of_the_asset(
    desk: Desk, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    for row in [("Symbol", "Trade Date"), ("MSFT", datetime(2025, 9, 2)), ("AAPL", 45902)]:  # noqa: DTZ001 - a cell has no zone
        book.active.append(row)
    book.save(tmp_path / "mine.xlsx")
    done = desk.l2("backfill", "--watchlist", tmp_path / "mine.xlsx", "--json")
    assert (done.code, [(task["symbol"], task["date"]) for task in done.json["tasks"]]) == (0, ALL[1:3]), done.err
    assert done.json["watchlist"]["path"] == str(tmp_path / "mine.xlsx")
    assert desk.server.billing == dict.fromkeys(ALL[1:3], 1)
    assert not (open_home(desk.home).dagster_dir / "storage").exists()


def test_l4_symbol_and_date_need_no_list(desk: Desk) -> None:
    desk.forgets_the_list()
    done = desk.l2("backfill", "--symbol", "AAPL", "--date", "2025-07-29")
    assert (done.code, summary(done)) == (0, {"WRITE": 1, "total": 1, "concurrency": 4}), done.err
    assert desk.server.billing == {("AAPL", "2025-07-29"): 1}


@pytest.mark.parametrize("options", [("--symbol", "QQQ"), ("--date", "2025-08-30", "--max-tasks", "9")])
def test_l4_summary_is_printed_for_zero_tasks_of_a_list(desk: Desk, options: tuple[str, ...]) -> None:
    done = desk.l2("backfill", *options)
    assert (done.code, summary(done)) == (0, {"concurrency": 4}), done.err
    assert desk.server.requests == []


def test_l4_list_that_cannot_be_told_is_refused_with_what_was_seen_e471(desk: Desk) -> None:
    desk.lists(f"name,company,date\nMike,AAPL,{SECOND}\n")
    for verb in ("plan", "backfill"):
        refused = desk.l2(verb)
        assert (refused.code, refused.error and refused.error.code) == (3, "E471")
        assert "'name', 'company', 'date'" in refused.err
    assert desk.server.requests == []


@pytest.mark.parametrize(
    ("options", "exit_code", "code"),
    [
        ((), 2, "E109"),
        (("--symbol", "AAPL"), 2, "E109"),
        (("--date", SECOND), 2, "E109"),
        (("--watchlist", "no.csv"), 3, "E470"),
        (("--symbols", "AAPL", "--watchlist", "no.csv"), 2, "E160"),
        (("--symbol", "AAPL,", "--date", SECOND), 3, "E367"),
        (("--last", "0"), 2, None),
    ],
)
def test_l4_wrong_usage_names_what_helps(
    desk: Desk, options: tuple[str, ...], exit_code: int, code: str | None
) -> None:
    desk.forgets_the_list()
    for verb in ("plan", "backfill"):
        called = desk.l2(verb, *options)
        assert (called.code, called.error and called.error.code) == (exit_code, code)
    assert desk.server.requests == []
