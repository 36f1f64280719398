"""The lines above a quote table: dialects, clock changes, prices of the underlying."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from trading_platform.chains.header import as_utf8, name_date, read_date, read_header
from trading_platform.errors import SourceError

from .tables import HEADER_ROW, line, table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Date: February 5 2022, 8:09 PM EST", datetime(2022, 2, 6, 1, 9, tzinfo=UTC)),
        ("Date: July 12, 2022, 11:55 AM EDT", datetime(2022, 7, 12, 15, 55, tzinfo=UTC)),
        ("Date: September 14, 2023 at 4:31 PM EDT", datetime(2023, 9, 14, 20, 31, tzinfo=UTC)),
        ("Date: September 14, 2023 at 4:31\u202fPM EDT", datetime(2023, 9, 14, 20, 31, tzinfo=UTC)),
        ("Date: Sep 14, 2023 4:31 PM EDT", datetime(2023, 9, 14, 20, 31, tzinfo=UTC)),
        ("Date: January 3, 2023 at 12:05 AM EST", datetime(2023, 1, 3, 5, 5, tzinfo=UTC)),
        ("Date: January 3, 2023 at 12:05 PM EST", datetime(2023, 1, 3, 17, 5, tzinfo=UTC)),
        ("Date: January 3, 2023 at 1:05:30 PM ET", datetime(2023, 1, 3, 18, 5, 30, tzinfo=UTC)),
        ("Date: 1 de setembro de 2025 às 08:45 GMT-4", datetime(2025, 9, 1, 12, 45, tzinfo=UTC)),
        ("Date: 7 de março de 2025 as 16:30 GMT-5", datetime(2025, 3, 7, 21, 30, tzinfo=UTC)),
        ("Date: 7 de marco de 2025 às 00:30 GMT-5", datetime(2025, 3, 7, 5, 30, tzinfo=UTC)),
        # The zone is a label: the wall clock of New York counts, here in summer.
        ("Date: July 12, 2022, 11:55 AM EST", datetime(2022, 7, 12, 15, 55, tzinfo=UTC)),
        ("Date: 12 de julho de 2022 às 11:55 GMT-5", datetime(2022, 7, 12, 15, 55, tzinfo=UTC)),
        # The clock is set back on 2 November 2025: this hour comes twice, and only here the label decides.
        ("Date: November 2, 2025 at 1:30 AM EDT", datetime(2025, 11, 2, 5, 30, tzinfo=UTC)),
        ("Date: November 2, 2025 at 1:30 AM EST", datetime(2025, 11, 2, 6, 30, tzinfo=UTC)),
        ("Date: 2 de novembro de 2025 às 01:30 GMT-5", datetime(2025, 11, 2, 6, 30, tzinfo=UTC)),
    ],
)
def test_g2_every_dialect_is_the_wall_clock_of_new_york(text: str, expected: datetime) -> None:
    assert read_date(text, "f.csv") == expected


@pytest.mark.parametrize(
    "text",
    [
        "Date: 14. September 2023 um 16:31 GMT-4",
        "Date: 2023-09-14 16:31",
        "Date: 09/14/2023 4:31 PM EDT",
        "Date:",
        "Date: Septober 14, 2023 at 4:31 PM EDT",
        "Date: September 31, 2023 at 4:31 PM EDT",
        "Date: September 14, 2023 at 13:31 PM EDT",
        "Date: September 14, 2023 at 0:31 AM EDT",
        "Date: 14 de setembro de 2023 às 25:00 GMT-4",
        "Date: September 14, 2023 at 10:31 PM CEST",
        "Date: 14 de setembro de 2023 às 08:45 GMT-3",
        "Date: March 9, 2025 at 2:30 AM EST",  # skipped by the change to summer time
        "Date: November 2, 2025 at 1:30 AM ET",  # repeated, and the label does not say which
    ],
)
def test_g2_a_time_that_cannot_be_read_is_refused_and_never_now_e243(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_date(text, "f.csv")
    assert caught.value.code == "E243"


@pytest.mark.parametrize("first", ["\n", "", "\ufeff", "\ufeff\n", "\r\n", ",,,\n"])
def test_g2_mark_blank_line_and_padding_before_the_head_change_nothing(first: str) -> None:
    header = read_header(as_utf8(table([line()], first=first)), "f.csv")
    assert (header.name, header.spot) == ("S&P 500 INDEX", 6460.2598)
    assert header.observed_at == datetime(2025, 8, 29, 20, 29, tzinfo=UTC)
    assert not header.synthetic


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_g2_accents_are_read_in_every_encoding(encoding: str) -> None:
    content = table([line()], date="Date: 7 de março de 2025 às 16:30 GMT-5").decode().encode(encoding)
    assert read_header(as_utf8(content), "f.csv").observed_at == datetime(2025, 3, 7, 21, 30, tzinfo=UTC)


def test_g2_a_date_that_nobody_quoted_is_put_together_again() -> None:
    header = read_header(table([line()], date="Date: July 12, 2022, 11:55 AM EDT"), "f.csv")
    assert header.date_text == "July 12, 2022, 11:55 AM EDT"


def test_g2_a_name_with_a_comma_stays_whole() -> None:
    header = read_header(table([line()], name="Alphabet, Inc.,Last: 170.5,Change: 1.5"), "f.csv")
    assert (header.name, header.spot) == ("Alphabet, Inc.", 170.5)


@pytest.mark.parametrize(
    "name",
    [
        "S&P 500 INDEX",
        "S&P 500 INDEX,Last: ,Change: 1",
        "S&P 500 INDEX,Last: n/a,Change: 1",
        "S&P 500 INDEX,Last: 0,Change: 1",
        "S&P 500 INDEX,Last: -5,Change: 1",
        "S&P 500 INDEX,Last: 6,460.26,Change: 1",  # read cell by cell this would be a spot of 6
        'S&P 500 INDEX,"Last: 6,460.26",Change: 1',
        "S&P 500 INDEX,Last: 6460,26,Change: 1",
        "S&P 500 INDEX,Last: nan,Change: 1",
    ],
)
def test_g2_a_price_that_is_not_one_number_is_refused_e244(name: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_header(table([line()], name=name), "f.csv")
    assert caught.value.code == "E244"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n  \n",
        b"<!DOCTYPE html><html></html>",
        b"time,open,high,low,close\n1,2,3,4,5\n",
        HEADER_ROW.encode() + b"\n",
        table([], header_row=HEADER_ROW.replace(",Gamma", "")),
        table([], header_row=HEADER_ROW.replace("IV,Delta", "Delta,IV")),
        table([], header_row=HEADER_ROW + ",Rho"),
        table([line()])[:120],
    ],
)
def test_g2_what_is_no_quote_table_is_refused_e242(content: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        read_header(content, "f.csv")
    assert caught.value.code == "E242"


def test_g2_missing_columns_are_named() -> None:
    with pytest.raises(SourceError, match="open interest missing"):
        read_header(table([], header_row=HEADER_ROW.replace(",Open Interest", "")), "f.csv")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spx_2025-08-29_1629.csv", date(2025, 8, 29)),
        ("cboe_spx_quotedata_all_29-08-25.csv", date(2025, 8, 29)),
        ("quotedata (3).csv", None),
        ("spx_2025-13-40.csv", None),
    ],
)
def test_g2_the_date_in_a_file_name_is_recorded(name: str, expected: date | None) -> None:
    assert name_date(name) == expected
