"""``tp demo`` and what can be asked afterwards: ``tp sql``, ``tp export``."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import socket
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest

from trading_platform.bars.partials import REPAIR
from trading_platform.cli.demo_l2 import open_shop
from trading_platform.clock import FixedClock
from trading_platform.errors import QualityError
from trading_platform.home import create_home, open_home
from trading_platform.l2.agreement import compare_with_ticks
from trading_platform.lake import LocalLake
from trading_platform.settings import SYNTHETIC_LABEL

from .conftest import DATES, TICKS_PER_DAY, Demo, call, listing, small_demo

LAST = DATES[1].isoformat()


def test_u1_demo_runs_the_whole_graph_and_shows_it(demo: Demo) -> None:
    assert demo.called.code == 0, demo.called.err
    assert "SYNTHETIC DATA" in demo.called.out
    # Three datasets of ticks on two open dates, two of market depth on three, two of level 2 on one, each for two instruments;
    # on two dates gamma: three datasets of the feed, four of chains, two of enrichment.
    assert "SUMMARY WRITE=46 SKIP=0 EMPTY=0 CLOSED=6 " in demo.called.out
    for title in ("daily bars per symbol", "busiest minutes", "buy minus sell volume"):
        assert title in demo.called.out
    assert f"make ui   or: TP_HOME={demo.home} tp ui" in demo.called.out
    assert f"look at a day: TP_HOME={demo.home} tp l2 analyze ES 2025-03-14 --plot" in demo.called.out
    assert open_home(demo.home).is_demo


def test_l7_demo_buys_level_2_from_a_stand_in_for_pretend_dollars(demo: Demo) -> None:
    assert re.search(r"level 2: 2 days bought for 0\.0\d pretend dollars .*SYNTHETIC, no money", demo.called.out)
    home = open_home(demo.home)
    assert not home.spend_ledger.exists()
    lake = LocalLake(home.lake_dir)
    for root in ("ES", "MNQ"):
        for dataset in ("l2", "l2_metrics"):
            footer = lake.footer(dataset, root, DATES[0])
            assert footer is not None
            assert (footer.synthetic, footer.rows > 1_000) == (True, True)
        agreed = compare_with_ticks(lake, root, DATES[0], tick_size=0.25)
        assert agreed.passed
        assert agreed.values["volume_difference_frac"] == 0


def test_l7_nothing_of_the_account_of_the_user_gets_into_the_demo(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = {"DATABENTO_API_KEY": "db-mine", "TP_DATABENTO_MAX_USD_PER_RUN": "0", "TP_L2_WINDOW_ET": "09:30-11:00"}
    for name, value in {**mine, "REQUESTS_CA_BUNDLE": "mine.pem"}.items():
        monkeypatch.setenv(name, value)
    with open_shop(open_home(demo.home)) as shop:
        settings = shop.vendor.settings
        assert settings.databento_gateway.startswith("https://127.0.0.1:")
        assert settings.databento_api_key is not None
        assert settings.databento_api_key.get_secret_value() == "db-simulated"
        assert (settings.databento_max_usd_per_run, settings.l2_window_et) == (10.0, None)
        assert os.environ["REQUESTS_CA_BUNDLE"] != "mine.pem"
    assert {name: os.environ[name] for name in mine} == mine
    assert os.environ["REQUESTS_CA_BUNDLE"] == "mine.pem"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", urlsplit(settings.databento_gateway).port or 0), timeout=5)


def test_l7_commands_in_a_demo_home_work_with_what_was_bought_and_never_ask_the_vendor_e385(demo: Demo) -> None:
    day = DATES[0].isoformat()
    range_ = ("--from", day, "--to", day)
    plan = call("l2", "plan", "--symbols", "ES", *range_, "--json", home=demo.home)
    assert (plan.code, plan.json["synthetic"], plan.json["tasks"][0]["step"]) == (0, True, "nothing")
    current = call("backfill", "ES/l2", "ES/l2_metrics", *range_, "--json", home=demo.home)
    assert (current.code, [one["outcomes"]["SKIP"] for one in current.json["assets"]]) == (0, [1, 1])
    spend = call("l2", "spend", "--json", home=demo.home).json
    assert (spend["synthetic"], spend["calls"]) == (True, 2)
    again = call(
        "l2", "plan", "--symbols", "ES", "--from", "2025-03-13", "--to", "2025-03-13", "--json", home=demo.home
    )
    (task,) = again.json["tasks"]
    assert (task["step"], task["reason"][:4]) == ("UNAVAIL", "E385")
    follow = "tp simulate databento -- tp l2 backfill --symbols ES --from 2025-03-13 --to 2025-03-13"
    assert task["next"] == follow


def test_u1_demo_again_finds_all_current(demo: Demo) -> None:
    before = listing(demo.home / "lake") | listing(demo.home / "sierra")
    with small_demo():
        called = call("demo", "--home", demo.home, "--json")
    assert called.code == 0
    assert called.json["all_current"] is True
    assert called.json["files_written"] is False
    assert called.json["synthetic"] is True
    assert (called.json["level_2"]["days"], called.json["level_2"]["usd"]) == (0, 0)
    assert called.json["level_2"]["days_before"] == 2
    assert [query["rows"] != [] for query in called.json["queries"]] == [True, True, True]
    assert listing(demo.home / "lake") | listing(demo.home / "sierra") == before


def test_b3_demo_shows_gamma_beside_bars(demo: Demo) -> None:
    query = (
        "select count(*) as rows, count(spot) as with_spot, avg(abs(basis)) as basis from enriched_bars "
        f"where symbol = 'MNQ' and trade_date = '{LAST}' and ts between '{LAST} 13:30:00Z' and '{LAST} 19:59:59Z'"
    )
    (row,) = call("sql", query, "--json", home=demo.home).json["rows"]
    assert (row["rows"], row["with_spot"]) == (23_400, 23_400)
    # The feed follows the price of the front contract, and both are of one market.
    assert row["basis"] < 5.0
    levels = "select count(*) as n from gex_levels where symbol = 'SPX' and naive_zero_gamma between 4000 and 8000"
    assert call("sql", levels, "--json", home=demo.home).json["rows"] == [{"n": 6}]
    assert {path.name for path in demo.home.iterdir()} >= {"gex", "chains"}


def test_u2_demo_dry_run_creates_nothing(elsewhere: Path) -> None:
    called = call("demo", "--dry-run")
    assert called.code == 0
    assert listing(elsewhere) == {}


def test_u1_demo_never_enters_a_real_home_e104(real_home: Path) -> None:
    before = listing(real_home)
    for option in ((), ("--dry-run",)):
        called = call("demo", *option, home=real_home)
        assert called.error is not None
        assert (called.code, called.error.code) == (2, "E104")
    assert listing(real_home) == before


def test_u1_demo_remove_leaves_what_a_person_put_there(tmp_path: Path) -> None:
    home = create_home(tmp_path / "home", demo=True)
    (home.path / "mine.txt").write_text("keep")
    before = listing(home.path)
    assert call("demo", "--remove", "--dry-run", home=home.path).code == 0
    assert listing(home.path) == before
    assert call("demo", "--remove", home=home.path).code == 0
    assert [path.name for path in home.path.iterdir()] == ["mine.txt"]


def test_u5_demo_remove_of_a_real_home_is_e170(real_home: Path) -> None:
    before = listing(real_home)
    called = call("demo", "--remove", home=real_home)
    assert called.error is not None
    assert (called.code, called.error.code) == (2, "E170")
    assert listing(real_home) == before


def test_u3_sql_prints_rows_with_types(demo: Demo) -> None:
    called = call("sql", "select 1.10::double as price, 'a[b]:x:' as text, null as nothing", home=demo.home)
    assert called.code == 0
    for part in ("double", "varchar", "1.1", "a[b]:x:"):
        assert part in called.out


def test_u3_sql_json_holds_types_and_rows(demo: Demo) -> None:
    query = "select symbol, trade_date, count(*) as n from ticks group by all order by all"
    document = call("sql", query, "--json", home=demo.home).json
    assert document["columns"][1:] == [{"name": "trade_date", "type": "DATE"}, {"name": "n", "type": "BIGINT"}]
    assert [(row["symbol"], row["trade_date"]) for row in document["rows"]] == [
        (symbol, day.isoformat()) for symbol in ("ES", "MNQ") for day in DATES[:2]
    ]
    assert all(TICKS_PER_DAY / 3 < row["n"] < TICKS_PER_DAY * 3 for row in document["rows"])


def test_u3_sql_json_turns_what_json_cannot_hold_into_null(demo: Demo) -> None:
    row = call("sql", "select 'nan'::double as a, 'inf'::double as b", "--json", home=demo.home).json["rows"][0]
    assert row == {"a": None, "b": None}


def test_u3_sql_csv_is_cut_at_the_limit_and_says_so(demo: Demo) -> None:
    called = call("sql", "select i, 'x,y' as t from range(10) r(i)", "--csv", "--limit", "3", home=demo.home)
    rows = list(csv.reader(io.StringIO(called.out)))
    assert rows == [["i", "t"], ["0", "x,y"], ["1", "x,y"], ["2", "x,y"]]
    assert "only the first 3 rows" in called.err
    everything = call("sql", "select i from range(300) r(i)", "--csv", "--limit", "0", home=demo.home)
    assert len(everything.out.splitlines()) == 301


@pytest.mark.parametrize("statement", ["describe ticks", "show tables"])
def test_u5_commands_that_errors_recommend_work(demo: Demo, statement: str) -> None:
    assert call("sql", statement, home=demo.home).code == 0


def test_u5_a_sql_error_is_e167_with_the_message_and_the_views(demo: Demo) -> None:
    called = call("sql", "select * from tikcs", "--json", home=demo.home)
    error = json.loads(called.out)["error"]
    assert (called.code, error["code"]) == (2, "E167")
    assert "tikcs" in error["what"]
    assert "bars_1m, bars_1s, " in error["why"]


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1) to '{out}/a.csv'",
        "copy (select 1) to '{lake}/a.csv'",
        "select 1; copy (select 1) to '{lake}/a.csv'",
        "explain analyze copy (select 1) to '{lake}/a.csv'",
        "prepare p as copy (select 1) to '{lake}/a.csv'",
        "export database '{out}/all'",
        "attach '{lake}/new.duckdb'",
        "set allowed_directories = ['{out}']",
        "set log_query_path = '{out}/log'",
        "select * from read_csv('{out}/mine.csv')",
    ],
)
def test_u3_sql_writes_no_file_and_reads_none_outside_the_lake(demo: Demo, tmp_path: Path, statement: str) -> None:
    (tmp_path / "mine.csv").write_text("a\n1\n")
    before = listing(tmp_path) | listing(demo.home / "lake")
    called = call("sql", statement.format(out=tmp_path, lake=demo.home / "lake"), home=demo.home)
    assert called.error is not None
    assert (called.code, called.error.code) == (2, "E167")
    assert listing(tmp_path) | listing(demo.home / "lake") == before


def test_u3_sql_works_in_memory_and_in_a_home_with_spaces_and_quotes(tmp_path: Path) -> None:
    home = create_home(tmp_path / "it's mine")
    query = "create table t as select count(*) as n from ticks; insert into t values (7); from t order by n"
    document = call("sql", query, "--json", home=home.path).json
    assert document["rows"] == [{"n": 0}, {"n": 7}]
    assert document["synthetic"] is False


def test_u1_sql_and_backfill_on_synthetic_data_say_so(demo: Demo, real_home: Path) -> None:
    backfill = ("backfill", "MNQ/ticks", "--day", LAST)
    for arguments in (("sql", "select 1"), ("sql", "select 1", "--csv"), backfill, (*backfill, "--dry-run")):
        called = call(*arguments, home=demo.home)
        assert called.err.count(SYNTHETIC_LABEL) == 1
        assert SYNTHETIC_LABEL not in called.out
    for arguments in (("sql", "select 1"), backfill):
        assert call(*arguments, "--json", home=demo.home).json["synthetic"] is True
        assert call(*arguments, home=real_home).err.count(SYNTHETIC_LABEL) == 0
        assert call(*arguments, "--json", home=real_home).json["synthetic"] is False


def test_u5_json_and_csv_together_are_e160(demo: Demo) -> None:
    called = call("sql", "select 1", "--json", "--csv", home=demo.home)
    assert called.error is not None
    assert called.error.code == "E160"


def test_b4_export_writes_named_files_that_add_up(demo: Demo, tmp_path: Path) -> None:
    for file_format in ("parquet", "csv", "feather"):
        options = ("--clock", "5m", "--format", file_format, "--out", tmp_path)
        called = call("export", "bars", "MNQ", "--day", LAST, *options, "--json", home=demo.home)
        assert called.code == 0, called.err
    paths = {f: tmp_path / f"MNQ_bars_5m_{LAST}_synthetic.{f}" for f in ("parquet", "csv", "feather")}
    stored = call(
        "sql",
        f"select sum(volume) as v from ticks where symbol = 'MNQ' and trade_date = '{LAST}'",
        "--json",
        home=demo.home,
    )
    volume = stored.json["rows"][0]["v"]
    assert volume > 0
    assert pl.read_parquet(paths["parquet"])["volume"].sum() == volume
    assert pl.read_csv(paths["csv"])["volume"].sum() == volume
    assert pl.read_ipc(paths["feather"])["volume"].sum() == volume


def test_b4_export_over_a_range_names_days_without_a_file(demo: Demo, tmp_path: Path) -> None:
    options = ("--from", DATES[0].isoformat(), "--to", LAST, "--volume", "500", "--out", tmp_path)
    days = call("export", "bars", "ES", *options, "--json", home=demo.home).json["days"]
    assert [day["trade_date"] for day in days] == [day.isoformat() for day in DATES[:2]]
    closed = call("export", "bars", "ES", "--day", DATES[2].isoformat(), "--out", tmp_path, "--json", home=demo.home)
    assert (closed.code, closed.json["days"][0]["path"]) == (0, None)
    assert closed.json["days"][0]["reason"]


def test_b4_export_to_one_file_takes_the_format_from_its_name(demo: Demo, tmp_path: Path) -> None:
    target = tmp_path / "new" / "bars.feather"
    options = ("--day", LAST, "--out", target)
    assert call("export", "bars", "MNQ", *options, home=demo.home).code == 0
    assert [path.name for path in target.parent.iterdir()] == ["bars_synthetic.feather"]
    assert pl.read_ipc(target.with_name("bars_synthetic.feather")).height > 0


@pytest.mark.parametrize("name", ["bars.csv", "bars_synthetic.csv", "bars.parquet"])
def test_u1_a_file_of_synthetic_data_says_so_in_its_name_whoever_chose_it(
    demo: Demo, tmp_path: Path, name: str
) -> None:
    real = tmp_path / "new" / f"bars_synthetic{Path(name).suffix}"
    options = ("bars", "MNQ", "--day", LAST, "--out", tmp_path / "new" / name)
    for option in ("--dry-run", "--force"):
        days = call("export", *options, option, "--json", home=demo.home).json["days"]
        assert [(day["path"], day["synthetic"]) for day in days] == [(str(real), True)]
    assert list(real.parent.iterdir()) == [real]


@pytest.mark.parametrize("form", ["file", "folder"])
def test_u5_the_next_command_of_an_export_that_exists_replaces_it_e427(demo: Demo, tmp_path: Path, form: str) -> None:
    out = tmp_path / "my exports" / ("bars.csv" if form == "file" else "")
    options = ("--day", LAST, "--dollars", "5000000", "--format", "csv", "--out", out)
    [written] = call("export", "bars", "MNQ", *options, "--json", home=demo.home).json["days"]
    content = Path(written["path"]).read_bytes()
    Path(written["path"]).write_bytes(b"older")
    for option in ((), ("--dry-run",)):
        again = call("export", "bars", "MNQ", *options, *option, home=demo.home)
        assert again.error is not None
        assert (again.code, again.error.code) == (3, "E427")
    assert Path(written["path"]).read_bytes() == b"older"
    program, *arguments = shlex.split(again.error.next_command)
    assert program == "tp"
    assert call(*arguments, home=demo.home).code == 0
    assert Path(written["path"]).read_bytes() == content
    assert len(list(Path(written["path"]).parent.iterdir())) == 1


def test_u5_an_export_whose_folder_cannot_be_made_is_e429(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    called = call("export", "bars", "MNQ", "--day", LAST, "--out", tmp_path / "file" / "bars.csv", home=demo.home)
    assert called.error is not None
    assert called.error.code == "E429"


def test_u5_an_export_of_broken_ticks_names_the_command_that_rebuilds_them(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise QualityError("E422", "tick 0 lies outside", "nothing was written", REPAIR)

    monkeypatch.setattr("trading_platform.bars.export.day_bars", refuse)
    called = call("export", "bars", "MNQ", "--day", LAST, "--out", tmp_path, home=demo.home)
    assert called.error is not None
    assert called.error.what == f"MNQ/ticks {LAST}: tick 0 lies outside"
    assert called.error.next_command == f"tp backfill MNQ/ticks --from {LAST} --to {LAST} --force"


def test_u2_export_without_an_end_goes_to_the_latest_opened_trade_date(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sunday evening in UTC: at CME the session of Monday, 17 March, has opened.
    clock = FixedClock(datetime(2025, 3, 16, 23, 30, tzinfo=UTC))
    monkeypatch.setattr("trading_platform.cli.commands.export.SystemClock", lambda: clock)
    options = ("--from", DATES[0].isoformat(), "--out", tmp_path, "--json")
    days = call("export", "bars", "MNQ", *options, home=demo.home).json["days"]
    assert [day["trade_date"] for day in days] == ["2025-03-14", "2025-03-17"]
    called = call("export", "bars", "MNQ", "--from", "2025-03-18", home=demo.home)
    assert called.error is not None
    assert called.error.code == "E162"
    assert called.error.next_command == "tp export bars MNQ --from 2025-03-17 --to 2025-03-17"


def test_u5_export_of_several_days_into_one_file_is_e171(demo: Demo, tmp_path: Path) -> None:
    options = ("--from", DATES[0].isoformat(), "--to", LAST, "--out", tmp_path / "bars.csv")
    called = call("export", "bars", "MNQ", *options, home=demo.home)
    assert called.error is not None
    assert called.error.code == "E171"


def test_u2_export_dry_run_writes_nothing_and_refuses_what_would_be_refused(demo: Demo, tmp_path: Path) -> None:
    options = ("--day", LAST, "--out", tmp_path / "out", "--dry-run", "--json")
    called = call("export", "bars", "MNQ", *options, home=demo.home)
    assert called.json["days"][0]["path"] == str(tmp_path / "out" / f"MNQ_bars_1m_{LAST}_synthetic.parquet")
    assert not (tmp_path / "out").exists()
    missing = call("export", "bars", "MNQ", "--day", "2025-03-21", "--dry-run", home=demo.home)
    assert missing.error is not None
    assert (missing.code, missing.error.code) == (3, "E420")


@pytest.mark.parametrize(
    ("options", "code"), [((), "E162"), (("--day", LAST, "--from", LAST), "E160"), (("--to", LAST), "E162")]
)
def test_u5_export_without_a_clear_range_is_refused(demo: Demo, options: tuple[str, ...], code: str) -> None:
    called = call("export", "bars", "MNQ", *options, home=demo.home)
    assert called.error is not None
    assert called.error.code == code
