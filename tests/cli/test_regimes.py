"""``tp regimes``: the table in force and the regimes of a day, over a small lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.regimes.frames import chain, regimes
from trading_platform.home import open_home
from trading_platform.lake import FooterFields, LocalLake, Outcome
from trading_platform.lake.contracts import GEX_REGIMES
from trading_platform.regimes import changes_of

from .conftest import call

DAY = date(2025, 9, 2)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Return regimes of a morning of chains, a minute apart, whose net falls below zero."""
    # No row repeats the one before: values that stand still are stale.
    net = [(2e9 if row < 40 else -2e9) + 1e3 * row for row in range(80)]
    day = chain(
        80, 60, naive_gex_net=net, net_to_gross=[0.4] * 40 + [-0.4] * 40, zero_gamma=[6_400.0] * 40 + [6_600.0] * 40
    )
    return regimes(day, chain_cadence_s=60)


@pytest.fixture
def home(real_home: Path, rows: pl.DataFrame) -> Path:
    lake = LocalLake(open_home(real_home).lake_dir)
    text = [pl.col(name).cast(pl.String) for name, kind in rows.schema.items() if kind == pl.Categorical]
    for symbol in ("SPX", "NQ_NDX"):
        with lake.begin(GEX_REGIMES, symbol, DAY) as writer:
            writer.append(rows.with_columns(text).to_arrow().cast(GEX_REGIMES.arrow_schema))
            writer.commit(FooterFields(fingerprint="f" * 64, code_version="1", outcome=Outcome.WRITE, session={}))
    return real_home


def test_r2_changes_are_the_rows_at_which_the_state_differs(rows: pl.DataFrame) -> None:
    changes = changes_of(rows.sample(fraction=1.0, shuffle=True, seed=1))
    states = rows["state"].cast(pl.String).to_list()
    begins = [0, *(at for at in range(1, len(states)) if states[at] != states[at - 1])]
    assert [one.ts for one in changes] == [rows["ts"][at] for at in begins]
    assert [str(one.state) for one in changes] == [states[at] for at in begins]
    assert [one.previous for one in changes] == [None, *(one.state for one in changes[:-1])]
    assert sum(one.observations for one in changes) == rows.height
    assert changes[-1].until == rows["ts"][-1]
    assert len(changes) >= 3


def test_r2_show_prints_each_change_with_its_reason(home: Path, rows: pl.DataFrame) -> None:
    called = call("regimes", "show", "spx", "--day", "2025-09-02", "--json", home=home)
    assert called.code == 0, called.err
    assert (called.json["symbol"], called.json["synthetic"]) == ("SPX", False)
    changes = called.json["changes"]
    assert [one["state"] for one in changes] == [str(one.state) for one in changes_of(rows)]
    assert all(one["reasons"]["rule"] for one in changes)
    printed = call("regimes", "show", "SPX", "--day", "2025-09-02", home=home)
    for one in changes:
        assert one["state"] in printed.out
    assert "rule=" in printed.out


def test_r2_a_future_means_what_describes_it(home: Path) -> None:
    called = call("regimes", "show", "MNQ", "--day", "2025-09-02", "--json", home=home)
    assert called.json["symbol"] == "NQ_NDX"


def test_r2_what_has_no_regimes_is_refused_with_a_number(home: Path) -> None:
    nothing = call("regimes", "show", "CL", "--day", "2025-09-02", home=home)
    assert (nothing.code, nothing.error.code) == (2, "E185")
    assert call(*nothing.error.next_command.split()[1:], home=home).code == 0
    absent = call("regimes", "show", "SPX", "--day", "2025-09-03", home=home)
    assert absent.error.code == "E507"
    assert absent.error.next_command == "tp backfill SPX/gex_regimes --from 2025-09-03 --to 2025-09-03"
    never = call("regimes", "routing", "SPY", home=home)
    assert (never.error.code, never.error.next_command) == ("E507", "tp backfill SPY/gex_regimes --last 5")


def test_r5_routing_prints_the_table_in_force(home: Path) -> None:
    called = call("regimes", "routing", "--json", home=home)
    routes = {one["regime"]: one for one in called.json["routes"]}
    assert routes["positive_pin"]["strategies"] == ["iron_condor", "bull_put", "bear_call"]
    assert (called.json["present"], any(one["is_custom"] for one in routes.values())) == (None, False)
    own = '[transition]\nstrategies = ["iron_condor"]\nreason = "my own study"\n'
    (home / "regime_routing.toml").write_text(own, encoding="utf-8")
    changed = {one["regime"]: one for one in call("regimes", "routing", "--json", home=home).json["routes"]}
    assert (changed["transition"]["strategies"], changed["transition"]["is_custom"]) == (["iron_condor"], True)
    printed = call("regimes", "routing", home=home).out
    assert "my own study" in printed
    assert "your file" in printed


def test_r5_routing_of_a_symbol_tells_its_latest_regime(home: Path, rows: pl.DataFrame) -> None:
    present = call("regimes", "routing", "SPX", "--json", home=home).json["present"]
    assert present["regime"] == rows["state"].cast(pl.String)[-1]
    assert (present["trade_date"], present["synthetic"]) == ("2025-09-02", False)
    printed = call("regimes", "routing", "SPX", home=home).out
    assert f"SPX was {present['regime']}" in printed


def test_u5_a_malformed_routing_file_names_its_place(home: Path) -> None:
    (home / "regime_routing.toml").write_text(
        "[transition]\nstrategies = ['straddle']\nreason = 'x'\n", encoding="utf-8"
    )
    called = call("regimes", "routing", home=home)
    assert (called.code, called.error.code) == (2, "E184")
    config = call(*called.error.next_command.split()[1:], home=home)
    assert "regime_routing.toml" in config.out
