"""What the simulation writes is what the decoder reads, in every dialect."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.chains import decode_quote_table, read_quote_table
from trading_platform.sessions import calendar_for
from trading_platform.simulation import (
    CHAIN_COLUMNS,
    SIMULATED_UNDERLYINGS,
    ChainDialect,
    quote_table,
    simulate_chain,
    write_demo_chains,
)

NAME = "S&P 500 INDEX (synthetic)"
COMPARED = [name for name in CHAIN_COLUMNS if name != "root"]
price = st.one_of(st.none(), st.integers(0, 10**8).map(lambda cents: cents / 100))
share = st.one_of(st.none(), st.integers(0, 99_999).map(lambda parts: parts / 10_000))
gamma = st.one_of(st.none(), st.integers(0, 1_999).map(lambda parts: parts / 10_000))
count = st.one_of(st.none(), st.integers(0, 10**7))


@st.composite
def contracts(draw: st.DrawFn) -> pl.DataFrame:
    """Return some contracts of two roots; a contract may lack its other side."""
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from(["SPX", "SPXW"]), st.dates(date(2021, 1, 1), date(2032, 12, 31)), st.sampled_from("CP"),
                      st.integers(1, 99_999_999)),
            min_size=1, max_size=12, unique=True,
        )
    )  # fmt: skip
    rows = [
        {
            "option_symbol": f"{root}{expiry:%y%m%d}{right}{thousandths:08d}",
            "root": root,
            "expiry": expiry,
            "right": right,
            "strike": thousandths / 1_000,
            **{name: draw(price) for name in ("last", "bid", "ask")},
            "volume": draw(count),
            "iv": draw(share),
            "vendor_delta": draw(st.one_of(st.none(), st.integers(-10_000, 10_000).map(lambda parts: parts / 10_000))),
            "vendor_gamma": draw(gamma),
            "open_interest": draw(count),
        }
        for root, expiry, right, thousandths in keys
    ]
    whole = {"volume": pl.Int64, "open_interest": pl.Int64}
    numbers = dict.fromkeys(("last", "bid", "ask", "iv", "vendor_delta", "vendor_gamma"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides={**whole, **numbers}).select(CHAIN_COLUMNS).sort("option_symbol")


@settings(max_examples=60, deadline=None)
@given(contracts(), st.sampled_from(list(ChainDialect)), st.integers(1, 10**9), st.integers(0, 60 * 24 * 365 * 5))
def test_g2_every_table_reads_back_as_it_was_written(
    written: pl.DataFrame, dialect: ChainDialect, parts: int, minutes: int
) -> None:
    observed_at = datetime(2021, 1, 4, 12, tzinfo=UTC) + timedelta(minutes=minutes)
    spot = parts / 10_000
    with pytest.MonkeyPatch.context() as patch:  # numbers drawn by chance are no market
        patch.setattr("trading_platform.chains.cboe.judge_numbers", lambda *_: None)
        chain = decode_quote_table(quote_table(written, NAME, spot, observed_at, dialect), "f.csv")
    assert chain.frame.select(CHAIN_COLUMNS).equals(written)
    assert (chain.header.spot, chain.header.observed_at, chain.header.synthetic) == (spot, observed_at, True)
    assert chain.facts["rejected"] == {}
    assert chain.frame["observed_at"].unique().to_list() == [observed_at]


def test_g2_the_three_dialects_differ_in_their_date_only() -> None:
    observed_at = datetime(2025, 3, 7, 21, 30, tzinfo=UTC)
    spx = SIMULATED_UNDERLYINGS["SPX"]
    made = simulate_chain(spx, 5850.25, observed_at, seed=1)
    tables = {dialect: quote_table(made, NAME, 5850.25, observed_at, dialect) for dialect in ChainDialect}
    frames = [decode_quote_table(content, "f.csv").frame for content in tables.values()]
    assert all(frame.equals(frames[0]) for frame in frames)
    assert b'"Date: March 7 2025, 4:30 PM EST"' in tables[ChainDialect.ENGLISH_COMMA]
    assert b'"Date: March 7, 2025 at 4:30 PM EST"' in tables[ChainDialect.ENGLISH_AT]
    assert "Date: 7 de março de 2025 às 16:30 GMT-5,".encode() in tables[ChainDialect.PORTUGUESE]


def test_g2_a_simulated_market_is_a_market() -> None:
    observed_at = datetime(2025, 3, 7, 15, 15, tzinfo=UTC)
    made = simulate_chain(SIMULATED_UNDERLYINGS["SPX"], 5850.25, observed_at, seed=1)
    assert made["option_symbol"].is_sorted()
    assert made["option_symbol"].n_unique() == made.height
    assert made.filter(pl.col("bid") > pl.col("ask")).is_empty()
    both = made.group_by("expiry").agg(pl.col("root").n_unique()).filter(pl.col("root") == 2)
    assert date(2025, 3, 21) in both["expiry"].to_list()  # the third Friday has an opening and a closing series
    one = made.filter((pl.col("expiry") == date(2025, 3, 21)) & (pl.col("root") == "SPXW"))
    calls, puts = one.filter(pl.col("right") == "C").sort("strike"), one.filter(pl.col("right") == "P").sort("strike")
    assert calls["bid"].is_sorted(descending=True)
    assert puts["bid"].is_sorted()
    near = calls.filter(pl.col("strike").is_between(5500, 6100))
    assert near["iv"][0] > near["iv"][-1]  # the smile leans to the puts


def test_g2_open_interest_stays_and_volume_grows_during_a_session() -> None:
    spx = SIMULATED_UNDERLYINGS["SPX"]
    morning, noon = (simulate_chain(spx, 5850.0, datetime(2025, 3, 7, hour, tzinfo=UTC), seed=1) for hour in (15, 17))
    assert morning["open_interest"].equals(noon["open_interest"])
    assert (noon["volume"] >= morning["volume"]).all()
    assert noon["volume"].sum() > morning["volume"].sum()


def test_g5_series_of_the_day_stay_in_the_table_after_the_close(tmp_path: Path) -> None:
    before, after = write_demo_chains(tmp_path, [date(2025, 3, 7)])[1:]
    settled = [
        read_quote_table(path).frame.filter(pl.col("settlement_at") <= pl.col("observed_at"))
        for path in (before, after)
    ]
    assert settled[0].is_empty()
    assert settled[1]["expiry"].unique().to_list() == [date(2025, 3, 7)]
    assert (settled[1]["vendor_gamma"] > 0).any()
    assert (settled[1]["open_interest"] > 0).any()


def test_g2_demo_files_are_the_same_bytes_each_time_and_say_that_they_are_synthetic(tmp_path: Path) -> None:
    first = {
        path.name: path.read_bytes()
        for path in write_demo_chains(tmp_path / "a", [date(2025, 3, 7), date(2025, 3, 10)])
    }
    second = {
        path.name: path.read_bytes()
        for path in write_demo_chains(tmp_path / "b", [date(2025, 3, 7), date(2025, 3, 10)])
    }
    assert first == second
    assert len(first) == 6
    for name, content in first.items():
        assert "synthetic" in name
        assert b"(synthetic)" in content


def test_g2_a_table_without_the_mark_cannot_be_written() -> None:
    made = simulate_chain(SIMULATED_UNDERLYINGS["SPY"], 580.0, datetime(2025, 3, 7, 15, tzinfo=UTC), seed=1)
    with pytest.raises(ValueError, match="synthetic"):
        quote_table(made, "S&P 500 INDEX", 580.0, datetime(2025, 3, 7, 15, tzinfo=UTC), ChainDialect.ENGLISH_AT)


def test_g2_weekend_snapshots_begin_with_the_next_session() -> None:
    saturday = datetime(2025, 3, 8, 18, tzinfo=UTC)
    made = simulate_chain(SIMULATED_UNDERLYINGS["SPX"], 5850.0, saturday, seed=1)
    assert made["expiry"].min() == date(2025, 3, 10)
    assert calendar_for("NYSE").opened(saturday) == date(2025, 3, 7)
