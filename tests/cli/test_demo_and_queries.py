"""``tp demo`` and what can be asked afterwards: ``tp sql``, ``tp export``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest

from trading_platform.settings import create_home, open_home

from .conftest import DATES, TICKS_PER_DAY, Demo, call, listing, small_demo

LAST = DATES[1].isoformat()


def test_u1_demo_runs_the_whole_graph_and_shows_it(demo: Demo) -> None:
    assert demo.called.code == 0, demo.called.err
    assert "SYNTHETIC DATA" in demo.called.out
    assert "SUMMARY WRITE=12 SKIP=0 EMPTY=0 CLOSED=6 " in demo.called.out
    for title in ("daily bars per symbol", "busiest minutes", "buy minus sell volume"):
        assert title in demo.called.out
    assert f"make ui   or: TP_HOME={demo.home} tp ui" in demo.called.out
    assert open_home(demo.home).is_demo


def test_u1_demo_again_finds_all_current(demo: Demo) -> None:
    before = listing(demo.home / "lake") | listing(demo.home / "sierra")
    with small_demo():
        called = call("demo", "--home", demo.home, "--json")
    assert called.code == 0
    assert called.json["all_current"] is True
    assert called.json["files_written"] is False
    assert called.json["synthetic"] is True
    assert [query["rows"] != [] for query in called.json["queries"]] == [True, True, True]
    assert listing(demo.home / "lake") | listing(demo.home / "sierra") == before


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


def test_u5_json_and_csv_together_are_e160(demo: Demo) -> None:
    called = call("sql", "select 1", "--json", "--csv", home=demo.home)
    assert called.error is not None
    assert called.error.code == "E160"


def test_b4_export_writes_named_files_that_add_up(demo: Demo, tmp_path: Path) -> None:
    for file_format in ("parquet", "csv", "feather"):
        options = ("--clock", "5m", "--format", file_format, "--out", tmp_path)
        called = call("export", "bars", "MNQ", "--day", LAST, *options, "--json", home=demo.home)
        assert called.code == 0, called.err
    mark = {"parquet": "", "csv": "_synthetic", "feather": ""}
    paths = {f: tmp_path / f"MNQ_bars_5m_{LAST}{mark[f]}.{f}" for f in mark}
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
    target = tmp_path / "new" / "bars.csv"
    options = ("--day", LAST, "--out", target)
    assert call("export", "bars", "MNQ", *options, home=demo.home).code == 0
    assert [path.name for path in target.parent.iterdir()] == ["bars.csv"]
    again = call("export", "bars", "MNQ", *options, home=demo.home)
    assert again.error is not None
    assert again.error.code == "E172"
    assert call("export", "bars", "MNQ", *options, "--force", home=demo.home).code == 0


def test_u5_export_of_several_days_into_one_file_is_e171(demo: Demo, tmp_path: Path) -> None:
    options = ("--from", DATES[0].isoformat(), "--to", LAST, "--out", tmp_path / "bars.csv")
    called = call("export", "bars", "MNQ", *options, home=demo.home)
    assert called.error is not None
    assert called.error.code == "E171"


def test_u2_export_dry_run_writes_nothing_and_refuses_what_would_be_refused(demo: Demo, tmp_path: Path) -> None:
    options = ("--day", LAST, "--out", tmp_path / "out", "--dry-run", "--json")
    called = call("export", "bars", "MNQ", *options, home=demo.home)
    assert called.json["days"][0]["path"] == str(tmp_path / "out" / f"MNQ_bars_1m_{LAST}.parquet")
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
