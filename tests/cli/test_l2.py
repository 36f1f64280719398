"""``tp l2``: a plan pays nothing, a backfill pays each day once, more than the budget is refused before the first paid call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.databento.l2_shop import serving
from tests.databento.shop import market
from trading_platform import lake
from trading_platform.cli import l2_tasks
from trading_platform.home import create_home, open_home
from trading_platform.lake import build_day
from trading_platform.simulation.databento import DataBentoStandIn, Fault, FaultKind
from trading_platform.simulation.dbn import dbn_metadata, dbn_zstd

from .conftest import Called, call

SUMMARY = re.compile(
    r"^SUMMARY WRITE=(\d+) SKIP=(\d+) EMPTY=(\d+) CLOSED=(\d+) DEGRADED=(\d+) PENDING=(\d+) MISSING=(\d+) UNAVAIL=(\d+) "
    r"ERROR=(\d+) total=(\d+) concurrency=(\d+) duration=\d+\.\d{3}s$"
)
FIRST, LAST = "2025-08-29", "2025-09-03"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    create_home(folder)
    (folder / "instruments.toml").write_text('active = ["ES", "SPY"]\n', encoding="utf-8")
    return folder


@pytest.fixture
def server(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataBentoStandIn]:
    """Serve the simulated market to commands that are called in this folder."""
    with serving(elsewhere, monkeypatch) as running:
        use(elsewhere, running)
        yield running


def use(folder: Path, server: DataBentoStandIn, **settings: object) -> None:
    """Write the settings into ``.env``: the environment of a called command has none of its own."""
    values = {
        "DATABENTO_API_KEY": server.environment["DATABENTO_API_KEY"],
        "TP_DATABENTO_GATEWAY": server.gateway,
        "TP_DATABENTO_RETRY_BASE_MS": 1,
        "TP_DATABENTO_RETRY_CAP_MS": 2,
        **settings,
    }
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")


def l2(home: Path, verb: str, *options: str | Path, first: str = FIRST, last: str = LAST) -> Called:
    return call("l2", verb, *options, "--from", first, "--to", last, home=home)


def summary(called: Called) -> dict[str, int]:
    match = SUMMARY.match(called.out.splitlines()[-1])
    assert match is not None, called.out
    names = (
        "WRITE",
        "SKIP",
        "EMPTY",
        "CLOSED",
        "DEGRADED",
        "PENDING",
        "MISSING",
        "UNAVAIL",
        "ERROR",
        "total",
        "concurrency",
    )
    found = dict(zip(names, map(int, match.groups()), strict=True))
    assert sum(found[name] for name in names[:9]) == found["total"]
    return {name: number for name, number in found.items() if number}


def test_l1_plan_shows_every_day_and_pays_nothing(home: Path, server: DataBentoStandIn) -> None:
    planned = l2(home, "plan", "--symbols", "ES,SPY", "--json")
    assert planned.code == 0
    content = planned.json
    tasks = {(task["symbol"], task["date"]): task for task in content["tasks"]}
    assert len(tasks) == content["task_count"] == 8
    es, holiday = tasks["ES", "2025-09-03"], tasks["SPY", "2025-09-01"]
    assert es["window"] == {"start": "2025-09-02T22:00:00+00:00", "end": "2025-09-03T22:00:00+00:00"}
    assert (es["raw_symbol"], es["condition"], es["step"]) == ("ESU5", "available", "buy")
    assert es["records"] * 368 == es["bytes"]
    assert es["usd"] == pytest.approx(es["bytes"] / 1e9 * 2)
    assert (holiday["calendar"], holiday["step"], holiday["usd"]) == ("closed: Labor Day", "CLOSED", 0)
    assert content["usd"] == pytest.approx(sum(task["usd"] for task in tasks.values()))
    assert content["budget"]["fits"]
    assert content["disk_bytes"] > 0
    assert content["synthetic"]
    assert server.paid_calls == []
    text = l2(home, "plan", "--symbols", "ES,SPY")
    assert "closed: Labor Day" in text.out
    assert text.out.splitlines()[-1].startswith("PLAN to_buy=7 usd=")
    assert server.paid_calls == []


def test_l1_plan_prices_one_file_once_whatever_names_ask_for_it(home: Path, server: DataBentoStandIn) -> None:
    once = l2(home, "plan", "--symbols", "ES", "--json").json
    twice = l2(home, "plan", "--symbols", "ES,ESU5,ES.v.0", "--json").json
    assert twice["task_count"] == 3 * once["task_count"]
    assert (twice["to_buy"], twice["usd"], twice["records"]) == (once["to_buy"], once["usd"], once["records"])


@pytest.mark.slow
def test_l2_backfill_pays_each_day_once_and_a_second_one_nothing(home: Path, server: DataBentoStandIn) -> None:
    done = l2(home, "backfill", "--symbols", "ES,SPY", "--max-workers", "3")
    assert done.code == 0, done.err
    assert summary(done) == {"WRITE": 7, "CLOSED": 1, "total": 8, "concurrency": 3}
    assert len(server.billing) == 7
    assert set(server.billing.values()) == {1}
    again = l2(home, "backfill", "--symbols", "ES,SPY", "--json")
    assert (again.code, len(server.paid_calls)) == (0, 7)
    assert [(task["date"], task["symbol"]) for task in again.json["tasks"]] == sorted(
        (task["date"], task["symbol"]) for task in again.json["tasks"]
    )
    assert {task["status"] for task in again.json["tasks"]} == {"SKIP"}
    assert SUMMARY.match(again.json["summary"])
    assert all(Path(task["path"]).is_file() for task in again.json["tasks"])
    assert (open_home(home).lake_dir / "l2_metrics" / "symbol=ES" / f"date={LAST}" / "part-0.parquet").is_file()
    plan = l2(home, "plan", "--symbols", "ES,SPY", "--json").json
    assert (plan["to_buy"], plan["usd"], plan["completed_tasks_count"]) == (0, 0, 8)


def test_l2_plan_ends_with_the_command_that_buys_what_it_shows(home: Path, server: DataBentoStandIn) -> None:
    asked = ("--symbols", "aapl", "--from", LAST, "--to", LAST, "--max-usd", "2", "--max-workers", "2")
    plan = call("l2", "plan", *asked, home=home)
    following = plan.err.splitlines()[-1].partition("next: tp ")[2]
    assert following == f"l2 backfill {' '.join(asked)}"
    done = call(*following.split(), home=home)
    assert summary(done) == {"WRITE": 1, "total": 1, "concurrency": 2}
    lines = [line for line in done.err.splitlines() if re.match(rf"AAPL {LAST} WRITE [\d,]+ rows paid \$0", line)]
    assert len(lines) == 1


@pytest.mark.parametrize(("where", "paid"), [("gather", False), ("build_day", True)])
def test_l2_interrupted_backfill_says_what_was_paid(
    home: Path, server: DataBentoStandIn, monkeypatch: pytest.MonkeyPatch, where: str, *, paid: bool
) -> None:
    made = build_day

    def interrupt(*arguments: Any, **options: Any) -> None:
        if where == "build_day":
            made(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(lake if where == "build_day" else l2_tasks, where, interrupt)
    stopped = l2(home, "backfill", "--symbols", "AAPL", first=LAST)
    assert stopped.code == 130
    said = stopped.err.splitlines()[-1]
    assert re.match(r"interrupted: \$0\.\d+ was paid for 1 day" if paid else "interrupted: nothing was paid$", said)
    assert len(server.paid_calls) == int(paid)


def test_l2_dry_run_of_a_backfill_is_the_plan(home: Path, server: DataBentoStandIn) -> None:
    done = l2(home, "backfill", "--symbols", "AAPL", "--dry-run", "--json")
    assert (done.code, done.json["dry_run"], done.json["to_buy"]) == (0, True, 3)
    assert server.paid_calls == []


def test_l2_plan_of_five_dollars_with_a_budget_of_one_pays_nothing_and_ends_with_3(
    home: Path, server: DataBentoStandIn, elsewhere: Path
) -> None:
    cost = l2(home, "plan", "--symbols", "AAPL,MSFT", "--json").json["usd"]
    server._service._usd_per_gb["mbp-10"] *= 5 / cost
    refused = l2(home, "backfill", "--symbols", "AAPL,MSFT", "--max-usd", "1")
    assert refused.code == 3
    assert server.paid_calls == []
    assert "E350" in refused.err
    assert re.search(r"next: tp l2 (backfill|plan) --symbols \w+ --from 2025", refused.err)
    assert summary(refused) == {"UNAVAIL": 6, "CLOSED": 2, "total": 8, "concurrency": 4}
    # The command that is named works: the cheapest day, with the limit that it names.
    following = re.findall(r"next: tp (.*)", refused.err)[-1].split()
    bought = call(*following, home=home)
    assert bought.code == 0, bought.err
    assert len(server.paid_calls) == 1


def test_l2_symbol_that_is_no_instrument_is_made_too(home: Path, server: DataBentoStandIn) -> None:
    done = l2(home, "backfill", "--symbols", "AAPL,ES.v.0", first="2025-09-03")
    assert done.code == 0, done.err
    assert summary(done) == {"WRITE": 2, "total": 2, "concurrency": 4}
    again = l2(home, "backfill", "--symbols", "AAPL,ES.v.0", first="2025-09-03")
    assert summary(again) == {"SKIP": 2, "total": 2, "concurrency": 4}
    assert len(server.paid_calls) == 2


@pytest.mark.parametrize("symbol", ["AAPL", pytest.param("SPY", marks=pytest.mark.slow)])
def test_l2_force_pays_once_more(home: Path, server: DataBentoStandIn, symbol: str) -> None:
    l2(home, "backfill", "--symbols", symbol, first=LAST)
    forced = l2(home, "backfill", "--symbols", symbol, "--force", first=LAST)
    assert summary(forced) == {"WRITE": 1, "total": 1, "concurrency": 4}
    assert server.billing == {(symbol, LAST): 2}


def test_l2_summary_is_printed_for_zero_tasks(home: Path, server: DataBentoStandIn) -> None:
    done = l2(home, "backfill", "--symbols", "ES", first="2025-08-30", last="2025-08-31")
    assert (done.code, summary(done)) == (0, {"concurrency": 4})
    assert server.requests == []


def test_l7_without_a_key_days_are_unavailable_and_the_next_step_is_named(home: Path) -> None:
    done = l2(home, "backfill", "--symbols", "ES,AAPL")
    assert done.code == 1
    assert summary(done) == {"CLOSED": 1, "UNAVAIL": 7, "total": 8, "concurrency": 4}
    assert "tp simulate databento" in done.err
    plan = l2(home, "plan", "--symbols", "ES", "--json")
    assert (plan.code, {task["step"] for task in plan.json["tasks"]}) == (1, {"UNAVAIL"})
    assert plan.json["tasks"][0]["next"] == "tp simulate databento"


def test_l1_pending_and_missing_days_fail_only_when_strict(home: Path, server: DataBentoStandIn) -> None:
    server.faults.append(Fault(FaultKind.CONDITION, day=date(2025, 9, 3), value="pending"))
    relaxed = l2(home, "backfill", "--symbols", "AAPL", first=LAST)
    strict = l2(home, "backfill", "--symbols", "AAPL", "--strict", first=LAST)
    assert (relaxed.code, strict.code) == (0, 1)
    assert summary(strict) == {"PENDING": 1, "total": 1, "concurrency": 4}
    assert server.paid_calls == []


def test_l3_one_bad_day_does_not_hold_up_the_others(home: Path, server: DataBentoStandIn) -> None:
    server.faults.append(Fault(FaultKind.FLIPPED_BYTE, symbol="AAPL", day=date(2025, 9, 2)))
    done = l2(home, "backfill", "--symbols", "AAPL,MSFT")
    assert done.code == 1
    assert summary(done) == {"WRITE": 5, "CLOSED": 2, "ERROR": 1, "total": 8, "concurrency": 4}
    assert server.billing["AAPL", "2025-09-02"] == 2


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (("--symbols", "ES,,NQ", "--from", FIRST), 3, "E367"),
        (("--symbols", "ES", "--from", LAST, "--to", FIRST), 2, "E162"),
        (("--symbols", "ES"), 2, "E162"),
        (("--symbols", "ES", "--from", FIRST, "--max-usd", "-1"), 2, None),
    ],
)
def test_l2_wrong_usage_names_what_helps(
    home: Path, arguments: tuple[str, ...], exit_code: int, code: str | None
) -> None:
    for verb in ("plan", "backfill"):
        called = call("l2", verb, *arguments, home=home)
        assert (called.code, called.error and called.error.code) == (exit_code, code)


def test_l2_spend_shows_month_symbol_and_run(home: Path, server: DataBentoStandIn) -> None:
    run = l2(home, "backfill", "--symbols", "ES.v.0,AAPL", "--json", first=LAST).json
    spent = call("l2", "spend", "--json", home=home).json
    assert spent["usd"] == pytest.approx(sum(request.billed_usd or 0 for request in server.paid_calls))
    assert (spent["calls"], spent["unfinished"], spent["synthetic"]) == (2, 0, True)
    assert set(spent["by_symbol"]) == {"ES.v.0", "AAPL"}
    assert list(spent["by_run"]) == [run["run_id"]]
    assert spent["by_run"][run["run_id"]] == pytest.approx(run["cost_usd"])
    text = call("l2", "spend", home=home)
    assert "paid by symbol" in text.out
    assert text.out.splitlines()[-1].startswith("SPEND usd=")


@pytest.mark.slow
def test_l10_import_makes_days_without_a_question(home: Path, tmp_path: Path) -> None:
    window = (1_756_857_600_000_000_000, 1_756_944_000_000_000_000)  # 2025-09-03, UTC
    symbol = market().dbn_symbol("GLBX.MDP3", "ESU5")
    path = tmp_path / "glbx.dbn.zst"
    records = market().records("GLBX.MDP3", "ESU5", *window)
    path.write_bytes(b"".join(dbn_zstd(dbn_metadata(symbol, *window), [records], synthetic=False)))
    looked = call("l2", "import", path, "--dry-run", "--json", home=home)
    assert (looked.code, looked.json["files"][0]["records"], looked.json["days"]) == (0, len(records), [])
    assert not (open_home(home).cache_dir / "dbn").exists()
    wrong = tmp_path / "wrong.dbn.zst"
    wrong.write_bytes(path.read_bytes()[:-100])
    done = call("l2", "import", path, wrong, "--json", home=home)
    assert done.code == 3
    assert [file["error"] and file["error"]["code"] for file in done.json["files"]] == [None, "E303"]
    assert [(day["date"], day["status"]) for day in done.json["days"]] == [
        ("2025-09-03", "WRITE"),
        ("2025-09-04", "WRITE"),
    ]
    assert sum(day["rows"] for day in done.json["days"]) == len(records)
    again = call("l2", "import", path, home=home)
    assert (again.code, again.out.count("WRITE")) == (0, 0)


@pytest.mark.slow
def test_p9_days_that_somebody_else_makes_are_neither_made_nor_paid_e602(home: Path, server: DataBentoStandIn) -> None:
    from jobs.claims import claim, partition_name

    with claim(open_home(home).cache_dir / "claims", {partition_name("SPY/l2", LAST)}):
        refused = l2(home, "backfill", "--symbols", "SPY", first=LAST)
    assert (refused.code, refused.error and refused.error.code) == (1, "E602")
    assert server.paid_calls == []


@pytest.mark.parametrize("symbol", ["SPY", "AAPL"])
def test_l7_synthetic_day_of_a_home_for_real_data_is_no_day_of_the_vendor(
    home: Path, server: DataBentoStandIn, elsewhere: Path, symbol: str
) -> None:
    """Without a key nobody can be asked, and the day that a stand-in sold is marked and not taken for done."""
    l2(home, "backfill", "--symbols", symbol, first=LAST)
    query = "select count(*) as n from l2"
    assert "SYNTHETIC" in call("sql", query, home=home).err
    assert call("sql", query, "--json", home=home).json["synthetic"]
    assert "SYNTHETIC" not in call("sql", "select count(*) as n from ticks", home=home).err
    (elsewhere / ".env").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABENTO_API_KEY", raising=False)
        plan = l2(home, "plan", "--symbols", symbol, "--json", first=LAST)
        done = l2(home, "backfill", "--symbols", symbol, first=LAST)
    (task,) = plan.json["tasks"]
    assert re.fullmatch(r"WRITE [\d,]+ rows \(synthetic\)", task["there"])
    assert (plan.code, task["to_do"]) == (1, "UNAVAIL (the stored day is synthetic)")
    assert summary(done) == {"UNAVAIL": 1, "total": 1, "concurrency": 4}


@pytest.mark.slow
def test_l10_plan_says_how_much_of_a_day_an_imported_file_covers(home: Path, tmp_path: Path) -> None:
    window = (1_756_906_200_000_000_000, 1_756_908_000_000_000_000)  # 2025-09-03 13:30 to 14:00 UTC
    symbol = market().dbn_symbol("XNAS.ITCH", "SPY")
    path = tmp_path / "half_hour.dbn.zst"
    records = market().records("XNAS.ITCH", "SPY", *window)
    path.write_bytes(b"".join(dbn_zstd(dbn_metadata(symbol, *window), [records], synthetic=False)))
    assert call("l2", "import", path, home=home).code == 0
    (task,) = l2(home, "plan", "--symbols", "SPY", "--json", first=LAST).json["tasks"]
    assert task["there"] == f"WRITE {len(records):,} rows, imported, covers 0.5 of 6.5 h"
