"""The table itself: what becomes a row, what is refused and why."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from trading_platform.chains import DecodedChain, decode_quote_table, read_quote_table
from trading_platform.chains.counts import count_odd
from trading_platform.chains.header import CLOCK_TOLERANCE
from trading_platform.errors import SourceError
from trading_platform.lake.contracts import CHAIN, CHAIN_REJECTS

from .tables import HEADER_ROW, line, table

SEEN_AT = datetime(2025, 8, 29, 20, 29, tzinfo=UTC)


def decoded(*lines: str, **options: str) -> DecodedChain:
    return decode_quote_table(table(lines, **options), "f.csv", symbol="SPX")


def reasons(chain: DecodedChain) -> list[tuple[int, str, str]]:
    return chain.rejects.select("row", "right", "reason").rows()


def test_g2_a_line_becomes_a_call_and_a_put() -> None:
    chain = decoded(line(6460, call={"bid": 1.25, "oi": 7}, put={"iv": 0, "volume": 0}))
    rows = chain.frame.to_dicts()
    assert [row["option_symbol"] for row in rows] == ["SPXW250903C06460000", "SPXW250903P06460000"]
    assert rows[0] == {
        "observed_at": SEEN_AT,
        "option_symbol": "SPXW250903C06460000",
        "market_date": date(2025, 8, 29),
        "root": "SPXW",
        "expiry": date(2025, 9, 3),
        "settlement_at": datetime(2025, 9, 3, 20, tzinfo=UTC),
        "settle_style": "PM",
        "right": "C",
        "strike": 6460.0,
        "bid": 1.25,
        "ask": 1.6,
        "last": 1.5,
        "iv": 0.15,
        "volume": 7,
        "open_interest": 7,
        "open_interest_date": None,
        "vendor_delta": 0.5,
        "vendor_gamma": 0.01,
        "spot": 6460.2598,
        "multiplier": 100,
        "is_repeat": False,
        "source": "cboe",
    }
    assert (rows[1]["iv"], rows[1]["volume"], rows[1]["vendor_delta"]) == (0.0, 0, -0.5)


def test_g2_the_frame_has_the_columns_of_the_contract() -> None:
    chain = decoded(line(6460), line(6465))
    CHAIN.validate(chain.frame.cast(dict(CHAIN.polars_schema)))
    CHAIN_REJECTS.validate(
        chain.rejects.select(pl.lit(SEEN_AT, pl.Datetime("us", "UTC")).alias("observed_at"), pl.all()).cast(
            dict(CHAIN_REJECTS.polars_schema)
        )
    )


def test_g2_opening_and_closing_series_of_one_date_and_strike_are_two_contracts() -> None:
    friday = {"expiry": "Fri Sep 19 2025", "yymmdd": "250919"}
    chain = decoded(line(6460, root="SPX", **friday), line(6460, root="SPXW", **friday))
    calls = chain.frame.filter(pl.col("right") == "C")
    assert calls.select("root", "settle_style", "settlement_at").rows() == [
        ("SPX", "AM", datetime(2025, 9, 19, 13, 30, tzinfo=UTC)),
        ("SPXW", "PM", datetime(2025, 9, 19, 20, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("expiry", "yymmdd", "root", "expected"),
    [
        ("Fri Nov 28 2025", "251128", "SPXW", datetime(2025, 11, 28, 18, tzinfo=UTC)),  # half day after Thanksgiving
        ("Fri Apr 18 2025", "250418", "SPXW", datetime(2025, 4, 17, 20, tzinfo=UTC)),  # Good Friday: the day before
        ("Fri Apr 18 2025", "250418", "SPX", datetime(2025, 4, 17, 13, 30, tzinfo=UTC)),
        ("Fri Dec 20 2030", "301220", "SPX", datetime(2030, 12, 20, 14, 30, tzinfo=UTC)),  # beyond the calendar
    ],
)
def test_g5_settlement_follows_the_calendar_of_the_exchange(
    expiry: str, yymmdd: str, root: str, expected: datetime
) -> None:
    chain = decoded(line(6460, expiry=expiry, yymmdd=yymmdd, root=root))
    assert chain.frame["settlement_at"].unique().to_list() == [expected]
    assert chain.facts["expiries_beyond_calendar"] == (1 if "2030" in expiry else 0)


def test_g2_blank_cells_are_null_and_counted() -> None:
    chain = decoded(line(6460, call={"iv": None, "oi": None, "bid": None}), line(6465, put={"oi": None}))
    blank = {name: chain.frame[name].null_count() for name in ("bid", "ask", "iv", "open_interest")}
    assert blank == {"bid": 1, "ask": 0, "iv": 1, "open_interest": 2}
    row = chain.frame.row(0, named=True)
    assert (row["bid"], row["iv"], row["open_interest"], row["ask"]) == (None, None, None, 1.6)
    assert chain.rejects.is_empty()


@pytest.mark.parametrize("column", ["last", "bid", "ask", "volume", "iv", "delta", "gamma", "oi"])
@pytest.mark.parametrize("text", ["--", "1e", "N/A", "0x10"])
def test_g2_text_in_a_number_cell_refuses_its_contract_and_no_other(column: str, text: str) -> None:
    chain = decoded(line(6460, call={column: text}), line(6465))
    assert reasons(chain) == [(1, "C", "not_a_number")]
    assert chain.frame.height == 3
    assert text in chain.rejects["text"][0]
    assert chain.facts["rejected"] == {"not_a_number": 1}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"bid": -0.05}, "out_of_range"),
        ({"ask": "nan"}, "out_of_range"),
        ({"iv": "inf"}, "out_of_range"),
        ({"gamma": -0.1}, "out_of_range"),
        ({"delta": 1.5}, "out_of_range"),
        ({"oi": -1}, "out_of_range"),
        ({"volume": 1.5}, "not_a_number"),
        ({"oi": "12.345"}, "not_a_number"),
    ],
)
def test_g2_numbers_that_cannot_be_are_refused(cells: dict[str, object], reason: str) -> None:
    assert reasons(decoded(line(6460, put=cells), line(6465))) == [(1, "P", reason)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line(6460).replace("6460.00", "abc"), "not_a_number"),
        (line(6460).replace("6460.00", ""), "not_a_number"),
        (line(6460).replace("6460.00", "6465.00"), "symbol_disagrees"),
        (line(6460).replace("Wed Sep 03", "Thu Sep 04"), "symbol_disagrees"),
        (line(6460).replace("Wed Sep 03 2025", "03/09/2025"), "expiry_unreadable"),
        (line(6460).replace("Wed Sep 03 2025", ""), "expiry_unreadable"),
        (line(6460, root="SPY"), "other_underlying"),
        (line(6460, root="SPXW1"), "adjusted_contract"),
        (line(6460, root="spxw"), "symbol_unreadable"),
        (line(6460).replace("SPXW250903", "SPXW2509"), "symbol_unreadable"),
        (line(6460) + ",1", "column_count"),
        (line(6460).rsplit(",", 1)[0], "column_count"),
    ],
)
def test_g2_a_bad_line_is_refused_on_both_sides_and_the_others_stay(bad: str, reason: str) -> None:
    chain = decoded(line(6455), bad, line(6465))
    assert reasons(chain) == [(2, "C", reason), (2, "P", reason)]
    assert chain.rejects["text"].to_list() == [bad, bad]
    assert chain.frame.height == 4
    facts = chain.facts
    assert facts["contracts_in"] == facts["rows"] + sum(facts["rejected"].values()) == 6


def test_g2_swapped_sides_are_refused() -> None:
    swapped = line(6460).replace("C06460000", "@").replace("P06460000", "C06460000").replace("@", "P06460000")
    assert reasons(decoded(line(6455), swapped)) == [(2, "C", "symbol_disagrees"), (2, "P", "symbol_disagrees")]


def test_g2_of_a_contract_that_stands_twice_the_first_line_is_kept() -> None:
    chain = decoded(line(6460, call={"bid": 1.0}), line(6465), line(6460, call={"bid": 9.0}))
    assert reasons(chain) == [(3, "C", "duplicate_contract"), (3, "P", "duplicate_contract")]
    assert chain.frame["bid"].to_list() == [1.0, 1.4, 1.4, 1.4]


def test_g2_crossed_and_zero_quotes_are_kept_and_counted() -> None:
    chain = decoded(
        line(6460, call={"bid": 2, "ask": 1}), line(6465, call={"bid": 0, "ask": 0}, put={"iv": 0, "gamma": 0})
    )
    counted = count_odd(chain.frame)
    names = ("crossed", "bid_zero", "ask_zero", "iv_zero_with_oi", "gamma_zero_with_oi")
    assert [counted[name] for name in names] == [1, 1, 1, 1, 1]
    assert chain.frame.height == 4


def test_g2_a_side_without_a_contract_is_absent_and_no_reject() -> None:
    only_put = line(6460).split(",")
    only_put[1:11] = [""] * 10
    chain = decoded(",".join(only_put), line(6465))
    assert (chain.facts["absent"], chain.frame.height, chain.facts["rejected"]) == (1, 3, {})


def test_g2_padding_lines_and_padded_rows_change_nothing() -> None:
    plain = decoded(line(6460), line(6465))
    padded = decoded(line(6460) + ",,", "," * 21, line(6465), "")
    padded_head = decoded(line(6460) + ",,", line(6465), header_row=HEADER_ROW + ",,")
    assert padded.frame.equals(plain.frame)
    assert padded_head.frame.equals(plain.frame)
    assert (padded.facts["rows_in"], padded.facts["rejected"]) == (2, {})


def test_g2_order_of_lines_and_line_ends_change_nothing() -> None:
    lines = [line(strike) for strike in (6460, 6455, 6470, 6465)]
    content = table(lines)
    assert decode_quote_table(content.replace(b"\n", b"\r\n"), "f.csv").frame.equals(decoded(*reversed(lines)).frame)


def test_g2_another_underlying_is_refused_e245() -> None:
    with pytest.raises(SourceError, match="holds options of SPX, expected SPY") as caught:
        decode_quote_table(table([line()]), "f.csv", symbol="SPY")
    assert caught.value.code == "E245"


def test_g2_a_snapshot_from_the_future_is_refused_e246() -> None:
    content = table([line()])
    assert decode_quote_table(content, "f.csv", now=SEEN_AT - CLOCK_TOLERANCE).frame.height == 2
    with pytest.raises(SourceError) as caught:
        decode_quote_table(content, "f.csv", now=SEEN_AT - CLOCK_TOLERANCE - timedelta(seconds=1))
    assert caught.value.code == "E246"


@pytest.mark.parametrize("lines", [(), (line(call={"bid": "x"}, put={"bid": "x"}),), ("nothing",)])
def test_g2_a_table_without_a_usable_contract_is_refused_e247(lines: tuple[str, ...]) -> None:
    with pytest.raises(SourceError) as caught:
        decode_quote_table(table(lines), "f.csv")
    assert caught.value.code == "E247"


def test_g2_a_file_that_cannot_be_read_is_a_numbered_error_e241(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read_quote_table(tmp_path / "absent.csv")
    assert caught.value.code == "E241"


def test_g2_a_file_cut_at_any_byte_of_its_last_line_is_refused_e255() -> None:
    content = table([line(6455), line(6460)])
    size = len(line(6460)) + 1
    for cut in range(1, size):
        with pytest.raises(SourceError, match=r"f\.csv ends within a line") as caught:
            decode_quote_table(content[:-cut], "f.csv")
        assert caught.value.code == "E255"
    assert decode_quote_table(content[:-size], "f.csv").facts["rejected"] == {}
    assert decode_quote_table(content + b",,\r", "f.csv").frame.height == 4


@pytest.mark.parametrize("stray", ['"', 'x"', '","', '""",', '"Wed Sep 03 2025,', ',"', '"a', 'a"b,"c"'])
def test_g2_a_stray_quotation_mark_costs_its_own_line_and_no_other(stray: str) -> None:
    lines = [line(6455 + 5 * at) for at in range(9)]
    for at in range(10):
        chain = decoded(*lines[:at], stray, *lines[at:])
        assert chain.facts["rows_in"] == 10
        assert (chain.frame.height, chain.rejects.height, set(chain.rejects["row"])) == (18, 2, {at + 1})
        assert chain.rejects["text"].to_list() == [stray, stray]


def test_g2_a_mark_within_a_line_costs_that_line_and_every_line_is_accounted_for() -> None:
    good, lines = line(6460), [line(6455), line(6465)]
    for at in range(len(good) + 1):
        chain = decoded(lines[0], good[:at] + '"' + good[at:], lines[1])
        rows, rejected = chain.frame.height, chain.rejects.height
        assert (chain.facts["rows_in"], rows + rejected, rejected > 0) == (3, 6, True)


def test_g2_quoted_cells_of_a_spreadsheet_change_nothing() -> None:
    quoted = [",".join(f'"{cell}"' for cell in line(strike).split(",")) for strike in (6455, 6460)]
    chain = decoded(*quoted, line(6465))
    assert chain.frame.equals(decoded(line(6455), line(6460), line(6465)).frame)
    assert chain.rejects.is_empty()
    with_comma = quoted[0].replace('"100"', '"1,000"')
    assert reasons(decoded(with_comma, line(6465))) == [(1, "C", "quotation_mark"), (1, "P", "quotation_mark")]


@pytest.mark.parametrize("cells", [{"iv": 1e9}, {"iv": 100.5}, {"gamma": 1e8}, {"gamma": 3.2}, {"oi": 999_999_999_999},
                                   {"volume": 100_000_001}])  # fmt: skip
def test_g2_absurd_numbers_refuse_their_contract(cells: dict[str, object]) -> None:
    assert reasons(decoded(line(6460, call=cells), line(6465))) == [(1, "C", "out_of_range")]


def test_g2_the_largest_credible_numbers_are_stored() -> None:
    cells = {"iv": 100, "gamma": 3.09, "oi": 100_000_000, "volume": 100_000_000}
    chain = decoded(line(6460, call=cells), line(6465))
    assert chain.rejects.is_empty()
    assert chain.frame["open_interest"].max() == 100_000_000


@pytest.mark.parametrize("scale", [100, 0.01])
def test_g2_volatilities_on_another_scale_are_refused_e256(scale: float) -> None:
    lines = [line(6455 + 5 * at, call={"iv": 0.15 * scale}, put={"iv": 0.16 * scale}) for at in range(3)]
    with pytest.raises(SourceError) as caught:
        decoded(*lines)
    assert caught.value.code == "E256"


def quoted_around(price: float) -> list[str]:
    """Return lines whose calls and puts imply a price."""
    return [
        line(strike, call={"bid": max(price - strike, 0) + 9, "ask": max(price - strike, 0) + 11},
             put={"bid": max(strike - price, 0) + 9, "ask": max(strike - price, 0) + 11})
        for strike in range(4000, 9000, 250)
    ]  # fmt: skip


@pytest.mark.parametrize("last", ["6.4391", "646.026", "64602.598", "5000", "8200"])
def test_g2_a_price_that_calls_and_puts_contradict_is_refused_e244(last: str) -> None:
    with pytest.raises(SourceError, match="calls and puts of the same strike imply 6460") as caught:
        decoded(*quoted_around(6460), name=f"S&P 500 INDEX,Last: {last},Change: 1")
    assert caught.value.code == "E244"


@pytest.mark.parametrize("last", ["5200", "7900"])
def test_g2_how_far_a_price_is_from_the_quotes_is_a_fact(last: str) -> None:
    chain = decoded(*quoted_around(6460), name=f"S&P 500 INDEX,Last: {last},Change: 1")
    assert chain.facts["spot_deviation"] == pytest.approx(float(last) / 6460 - 1)


def test_g2_without_quotes_the_head_and_the_strikes_judge_the_price_e244() -> None:
    dead = {"bid": 0, "ask": 0}
    lines = [line(strike, call=dead, put=dead) for strike in (3000, 6000, 9000)]
    assert decoded(*lines).facts["spot_deviation"] is None
    with pytest.raises(
        SourceError, match=r"bid and ask of the underlying in the head are 6417\.99 and 6486\.37"
    ) as caught:
        decoded(*lines, name="S&P 500 INDEX,Last: 3300.5,Change: 1")
    assert caught.value.code == "E244"
    with pytest.raises(SourceError, match="far from all strikes") as caught:
        decode_quote_table(
            table(lines, name="S&P 500 INDEX,Last: 6.439,Change: 1").replace(
                b"Bid: 6417.99,Ask: 6486.37", b"Bid: 0,Ask: 0"
            ),
            "f.csv",
        )
    assert caught.value.code == "E244"
