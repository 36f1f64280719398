"""Days of ``chain_cboe``: outcomes, several snapshots, repeats, refused files, reruns."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from trading_platform.chains import ChainArchive, ChainCboeBuilder
from trading_platform.chains.repeats import is_repeat
from trading_platform.clock import FixedClock
from trading_platform.errors import SourceError
from trading_platform.lake import LocalLake, Outcome, StatCache, build_day
from trading_platform.simulation import (
    SIMULATED_UNDERLYINGS,
    ChainDialect,
    simulate_chain,
    write_chain_file,
    write_demo_chains,
)

from .conftest import LATER, MakeBuilder
from .tables import line, table

FRIDAY = date(2025, 8, 29)
LABOR_DAY = date(2025, 9, 1)
TUESDAY = date(2025, 9, 2)


def save(folder: Path, name: str, text: str, *lines: str) -> Path:
    path = folder / name
    path.write_bytes(table(lines or [line(6455), line(6460), line(6465)], date=f'"Date: {text}"'))
    return path


def test_g2_several_snapshots_of_a_day_are_stored_by_time(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    files = write_demo_chains(folder, [FRIDAY])
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.error, result.complete, result.synthetic) == (Outcome.WRITE, None, True, True)
    assert all(check.passed for check in result.checks), result.checks
    stored = lake.read("chain_cboe", "SPX", FRIDAY)
    assert stored["observed_at"].unique().sort().to_list() == [
        datetime(2025, 8, 29, 14, 15, tzinfo=UTC),
        datetime(2025, 8, 29, 18, 30, tzinfo=UTC),
        datetime(2025, 8, 29, 20, 30, tzinfo=UTC),
    ]
    assert (stored.height, result.facts["snapshots"], result.facts["files"]) == (result.rows, 3, 3)
    settled = stored.filter(pl.col("settlement_at") <= pl.col("observed_at"))
    assert settled["observed_at"].unique().to_list() == [datetime(2025, 8, 29, 20, 30, tzinfo=UTC)]
    assert settled.height == result.facts["settled_rows"] > 0
    footer = lake.footer("chain_cboe", "SPX", FRIDAY)
    assert [source.name for source in footer.sources] == [path.name for path in files]
    assert footer.sources[0].sha256 == hashlib.sha256(files[0].read_bytes()).hexdigest()
    assert make_builder().measure(FRIDAY) == result.facts


def test_g2_a_rerun_is_skipped_and_a_forced_one_gives_the_same_bytes(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder, tmp_path: Path
) -> None:
    write_demo_chains(folder, [FRIDAY])
    first = build_day(make_builder(), FRIDAY, lake)
    digest = hashlib.sha256(first.path.read_bytes()).hexdigest()
    builder = make_builder(stat_cache=StatCache(tmp_path / "cache" / "hashes.sqlite"))
    assert build_day(builder, FRIDAY, lake).outcome is Outcome.SKIP
    assert build_day(builder, FRIDAY, lake, verify=True).outcome is Outcome.SKIP
    forced = build_day(builder, FRIDAY, lake, force=True)
    assert forced.outcome is Outcome.WRITE
    assert hashlib.sha256(forced.path.read_bytes()).hexdigest() == digest


def test_g2_a_new_file_makes_its_day_stale_and_no_other(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "a.csv", "August 28, 2025 at 4:29 PM EDT")
    save(folder, "b.csv", "August 29, 2025 at 10:29 AM EDT")
    for day in (date(2025, 8, 28), FRIDAY):
        assert build_day(make_builder(), day, lake).outcome is Outcome.WRITE
    save(folder, "c.csv", "August 29, 2025 at 4:29 PM EDT")
    assert build_day(make_builder(), date(2025, 8, 28), lake).outcome is Outcome.SKIP
    assert (build_day(make_builder(), FRIDAY, lake).facts["snapshots"]) == 2


def test_g2_a_repeat_is_marked_and_the_snapshot_before_the_day_counts(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "a.csv", "August 29, 2025 at 4:29 PM EDT")
    save(folder, "b.csv", "August 29, 2025 at 9:28 PM EDT")
    save(folder, "c.csv", "August 31, 2025 at 6:00 PM EDT", line(6455), line(6460))  # a series has gone since
    save(folder, "d.csv", "September 1, 2025 at 9:00 AM EDT", line(6455, call={"oi": 101}), line(6460))
    save(folder, "e.csv", "September 2, 2025 at 10:00 AM EDT", line(6455, call={"oi": 101}), line(6460))
    marked = {}
    for day in (FRIDAY, TUESDAY):
        result = build_day(make_builder(), day, lake)
        rows = lake.read("chain_cboe", "SPX", day).select("observed_at", "is_repeat").unique().sort("observed_at")
        marked[day] = rows["is_repeat"].to_list()
        assert result.facts["repeated_snapshots"] == sum(marked[day])
    assert marked == {FRIDAY: [False, True], TUESDAY: [True, False, True]}
    sources = [source.name for source in lake.footer("chain_cboe", "SPX", TUESDAY).sources]
    assert sources == ["c.csv", "d.csv", "e.csv", "compared with b.csv"]


def test_g2_the_last_snapshot_of_another_session_is_not_compared(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "a.csv", "August 28, 2025 at 4:29 PM EDT")
    save(folder, "b.csv", "August 29, 2025 at 4:29 PM EDT")
    assert build_day(make_builder(), FRIDAY, lake).facts["repeated_snapshots"] == 0


def test_g2_repeats_need_equal_quotes_and_open_interest_of_common_contracts() -> None:
    frame = pl.DataFrame(
        {
            "option_symbol": ["A", "B", "C"],
            "bid": [1.0, 2.0, None],
            "ask": [1.1, 2.1, None],
            "open_interest": [5, 6, 7],
        }
    )
    assert is_repeat(frame, frame)
    assert is_repeat(frame, frame.head(2))
    assert is_repeat(frame, frame.reverse())
    assert not is_repeat(frame, frame.with_columns(bid=pl.col("bid") + 0.05))
    assert not is_repeat(frame, frame.with_columns(open_interest=pl.col("open_interest") + 1))
    assert not is_repeat(frame, frame.with_columns(bid=pl.col("bid").fill_null(0.0)))
    assert not is_repeat(frame, frame.with_columns(option_symbol=pl.col("option_symbol") + "X"))


def test_g2_refused_lines_go_to_quarantine_with_their_reason(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    good = [line(6000 + 5 * at) for at in range(60)]
    save(
        folder,
        "a.csv",
        "August 29, 2025 at 4:29 PM EDT",
        *good,
        line(6600, call={"bid": "x"}),
        good[0].replace(",7,", ",8,"),
    )
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E403")  # 3 of 124 lines are more than 1 %
    assert result.rejected == {"duplicate_contract": 2, "not_a_number": 1}
    good += [line(5000 + 5 * at) for at in range(190)]
    save(
        folder,
        "a.csv",
        "August 29, 2025 at 4:29 PM EDT",
        *good,
        line(6600, call={"bid": "x"}),
        good[0].replace(",7,", ",8,"),
    )
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.rows) == (Outcome.WRITE, 501)
    failed = {check.name for check in result.checks if not check.passed}
    assert failed == {"no_duplicates", "spot_agrees_with_quotes"}  # all quotes of this table are alike
    refused = pl.read_parquet(lake.quarantine_path("chain_cboe", "SPX", FRIDAY), hive_partitioning=False)
    assert refused.select("file", "row", "right", "reason").rows() == [
        ("a.csv", 251, "C", "not_a_number"),
        ("a.csv", 252, "C", "duplicate_contract"),
        ("a.csv", 252, "P", "duplicate_contract"),
    ]
    assert make_builder().measure(FRIDAY) == result.facts


def test_g2_a_file_that_cannot_be_used_is_left_out_and_the_others_go_on(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT")
    bad = [line(6455, call={"bid": "x"}, put={"bid": "x"}), line(6460, call={"ask": "x"}, put={"ask": "x"})]
    save(folder, "b.csv", "August 29, 2025 at 2:29 PM EDT", *bad)
    save(
        folder, "c.csv", "August 29, 2025 at 3:29 PM EDT", line(6455), *[line(400 + at, root="SPY") for at in range(3)]
    )
    save(folder, "d.csv", "August 29, 2025 at 4:29 PM EDT", line(6455, call={"bid": 1.1}), line(6460), line(6465))
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.facts["snapshots"], result.rows) == (Outcome.WRITE, 2, 12)
    assert result.facts["refused_files"] == ["b.csv (file_E247)", "c.csv (file_E245)"]
    assert result.rejected == {"file_E245": 1, "file_E247": 1}
    assert [check.name for check in result.checks if not check.passed] == ["files_used"]
    refused = pl.read_parquet(lake.quarantine_path("chain_cboe", "SPX", FRIDAY), hive_partitioning=False)
    assert refused["row"].to_list() == [0, 0]
    assert refused["right"].to_list() == [None, None]


def test_g2_a_day_whose_only_file_cannot_be_used_fails_with_its_error(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT", line(call={"bid": "x"}, put={"bid": "x"}))
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E247")
    assert not lake.exists("chain_cboe", "SPX", FRIDAY)


def test_g2_a_copy_is_stored_once_and_another_file_of_the_minute_is_refused(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    text = "August 29, 2025 at 4:29 PM EDT"
    for name in ("quotedata.csv", "quotedata (1).csv"):
        save(folder, name, text)
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.rows, result.facts["copies"], result.rejected) == (6, 1, {})
    save(folder, "z.csv", text, line(6455, call={"bid": 1.3}))
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.rows, result.rejected) == (6, {"second_file_of_the_minute": 1})
    assert [check.name for check in result.checks if not check.passed] == ["files_used"]


def test_g2_a_holiday_is_closed_and_its_files_belong_to_the_next_open_day(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "a.csv", "August 30, 2025 at 1:00 PM EDT")
    save(folder, "b.csv", "September 1, 2025 at 9:00 AM EDT", line(6455))
    result = build_day(make_builder(), LABOR_DAY, lake)
    assert (result.outcome, result.rows) == (Outcome.CLOSED, 0)
    result = build_day(make_builder(), TUESDAY, lake)
    assert (result.outcome, result.facts["snapshots"]) == (Outcome.WRITE, 2)
    assert {check.name: check.passed for check in result.checks}["snapshots_inside_day"]
    assert lake.read("chain_cboe", "SPX", TUESDAY)["market_date"].unique().to_list() == [FRIDAY]


def test_g2_a_day_without_a_file_is_missing_and_not_recorded_e248(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    (folder / "bad.csv").write_bytes(b"")
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.MISSING, "E248")
    assert "1 files there cannot be used" in result.error.what
    why = "no chain file of SPX was saved on 2025-08-29; files of an unknown day that cannot be used: bad.csv (E242)"
    assert make_builder().not_recorded(FRIDAY) == why
    assert make_builder().not_recorded(LABOR_DAY) is not None
    assert make_builder(directory=None).not_recorded(FRIDAY) == "no folder of option chains is configured"
    save(folder, "a.csv", "August 29, 2025 at 4:29 PM EDT")
    assert make_builder().not_recorded(FRIDAY) is None
    assert make_builder().not_recorded(LABOR_DAY) is not None


def test_g2_a_day_without_a_file_so_far_is_pending_e249(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    noon = datetime(2025, 8, 29, 16, tzinfo=UTC)
    result = build_day(make_builder(now=noon), FRIDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.PENDING, "E249")
    assert make_builder(now=noon).not_recorded(FRIDAY) == "no chain file of SPX was saved on 2025-08-29 so far"
    save(folder, "a.csv", "August 29, 2025 at 8:15 AM EDT")  # before the open
    result = build_day(make_builder(now=datetime(2025, 8, 29, 12, 30, tzinfo=UTC)), FRIDAY, lake)
    assert (result.outcome, result.complete) == (Outcome.WRITE, False)


def test_g2_without_a_folder_the_day_is_unavailable(lake: LocalLake, make_builder: MakeBuilder) -> None:
    result = build_day(make_builder(directory=None), FRIDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.UNAVAIL, "E240")


def test_g2_a_stored_day_is_kept_when_one_of_its_files_is_gone_e250(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT")
    gone = save(folder, "b.csv", "August 29, 2025 at 4:29 PM EDT", line(6455))
    stored = build_day(make_builder(), FRIDAY, lake)
    gone.unlink()
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.MISSING, "E250")
    assert lake.footer("chain_cboe", "SPX", FRIDAY).content_hash == stored.content_hash


def test_g2_a_file_that_has_another_name_now_is_not_gone(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    first = save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT")
    build_day(make_builder(), FRIDAY, lake)
    first.rename(folder / "renamed.csv")
    save(folder, "b.csv", "August 29, 2025 at 4:29 PM EDT", line(6455))
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.error, result.facts["snapshots"]) == (Outcome.WRITE, None, 2)
    assert [source.name for source in lake.footer("chain_cboe", "SPX", FRIDAY).sources] == ["renamed.csv", "b.csv"]
    (folder / "renamed.csv").rename(folder / "c.csv")
    save(folder, "c.csv", "August 29, 2025 at 10:29 AM EDT", line(6455))  # other bytes: what fed the day is gone
    assert build_day(make_builder(), FRIDAY, lake).error.code == "E250"


def test_g2_a_day_with_a_new_name_and_an_unreadable_file_is_kept_e241(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT")
    build_day(make_builder(), FRIDAY, lake)
    path.rename(folder / "renamed.csv")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.MISSING, "E241")


def test_g2_of_two_files_of_one_minute_the_larger_is_stored(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    text = "August 29, 2025 at 4:29 PM EDT"
    save(folder, "whole.csv", text)
    assert build_day(make_builder(), FRIDAY, lake).rows == 6
    save(folder, "short.csv", text, line(6455))
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.rows, result.facts["refused_files"]) == (6, ["short.csv (second_file_of_the_minute)"])
    save(folder, "next.csv", "September 2, 2025 at 9:00 AM EDT")
    build_day(make_builder(), TUESDAY, lake)
    sources = [source.name for source in lake.footer("chain_cboe", "SPX", TUESDAY).sources]
    assert sources == ["next.csv", "compared with whole.csv"]


def test_g2_a_file_replaced_between_plan_and_build_is_noticed_e251(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "a.csv", "August 29, 2025 at 4:29 PM EDT")
    builder = make_builder()
    plan = builder.plan(FRIDAY)
    save(folder, "a.csv", "August 29, 2025 at 4:59 PM EDT")
    with lake.begin(builder.contract, "SPX", FRIDAY) as writer, pytest.raises(SourceError) as caught:
        builder.build(plan, writer)
    assert caught.value.code == "E251"
    assert build_day(builder, FRIDAY, lake).outcome is Outcome.WRITE


def test_g2_other_underlyings_in_the_folder_do_not_matter(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    observed_at = datetime(2025, 8, 29, 20, tzinfo=UTC)
    spy = SIMULATED_UNDERLYINGS["SPY"]
    write_chain_file(
        folder / "s.csv",
        simulate_chain(spy, 645.2, observed_at, seed=1),
        spy,
        645.2,
        observed_at,
        ChainDialect.PORTUGUESE,
    )
    assert build_day(make_builder(), FRIDAY, lake).outcome is Outcome.MISSING
    assert build_day(make_builder("SPY"), FRIDAY, lake).outcome is Outcome.WRITE
    assert set(lake.read("chain_cboe", "SPY", FRIDAY)["root"].cast(pl.String)) == {"SPY"}


def test_g2_real_repeats_are_told_from_snapshots_with_the_same_price(
    lake: LocalLake, make_builder: MakeBuilder, shared_data: Path
) -> None:
    builder = make_builder(directory=shared_data / "chains")
    repeats = {}
    for day in (date(2025, 8, 22), date(2025, 8, 25), date(2025, 9, 2)):
        result = build_day(builder, day, lake)
        assert (result.outcome, result.synthetic) == (Outcome.WRITE, False)
        rows = lake.read("chain_cboe", "SPX", day, columns=["observed_at", "is_repeat"]).unique().sort("observed_at")
        repeats[day.isoformat()] = rows["is_repeat"].to_list()
    assert repeats == {
        "2025-08-22": [False, True],
        "2025-08-25": [True, True, False],
        "2025-09-02": [False, False, False],
    }


@pytest.mark.parametrize("text", ["September 3, 1998 at 4:29 PM EDT", "December 31, 9999, 11:29 PM EST"])
def test_g2_a_day_is_made_beside_a_file_of_a_time_without_a_trading_day(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder, text: str
) -> None:
    save(folder, "a.csv", text)
    save(folder, "b.csv", "August 29, 2025 at 4:29 PM EDT")
    builder = make_builder()
    assert builder.not_recorded(FRIDAY) is None
    assert build_day(builder, FRIDAY, lake).outcome is Outcome.WRITE
    assert "a.csv: the time of the snapshot cannot be read" in build_day(builder, TUESDAY, lake).error.what


def test_g2_a_symbol_with_one_file_of_1998_has_no_day_and_no_exception(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "a.csv", "September 3, 1998 at 4:29 PM EDT")
    builder = make_builder()
    why = "no chain file of SPX was saved on 2025-08-29; files of an unknown day that cannot be used: a.csv (E243)"
    assert builder.not_recorded(FRIDAY) == why
    assert build_day(builder, FRIDAY, lake).error.code == "E248"


def test_g2_a_line_that_the_contract_has_no_place_for_is_refused_and_the_others_are_stored(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(
        folder,
        "a.csv",
        "August 29, 2025 at 4:29 PM EDT",
        *(line(6000 + 5 * at) for at in range(300)),
        line(6005, expiry="Fri Dec 31 9999", yymmdd="991231"),
        line(6005, expiry="Thu Dec 31 1998", yymmdd="981231"),
        line(0),
    )
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.rows, result.rejected) == (Outcome.WRITE, 600, {"out_of_range": 6})


def test_g2_a_date_in_a_file_name_that_is_not_the_one_inside_is_kept_as_a_fact(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "spx_2025-08-29.csv", "August 29, 2025 at 10:29 AM EDT")
    save(folder, "spx_28-08-25.csv", "August 29, 2025 at 4:29 PM EDT")
    result = build_day(make_builder(), FRIDAY, lake)
    said = {"spx_28-08-25.csv": {"name": "2025-08-28", "head": "August 29, 2025 at 4:29 PM EDT"}}
    assert result.facts["other_name_dates"] == said
    assert make_builder().measure(FRIDAY) == result.facts


def test_g2_a_file_without_a_price_is_named_by_its_day_e244(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    french = table(
        [line(6460)], name="S&P 500 INDEX,Last: 6.481,3999,Change: 1", date='"Date: August 29, 2025 at 2:29 PM EDT"'
    )
    (folder / "b.csv").write_bytes(french)
    assert make_builder().not_recorded(FRIDAY) is None
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E244")
    save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT")
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.rejected) == (Outcome.WRITE, {"file_E244": 1})
    assert result.facts["refused_files"] == ["b.csv (file_E244)"]
    assert [check.name for check in result.checks if not check.passed] == ["files_used"]


def test_g2_a_file_cut_within_a_line_is_left_out_and_named_e255(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT")
    cut = save(folder, "b.csv", "August 29, 2025 at 2:29 PM EDT")
    cut.write_bytes(cut.read_bytes()[:-30])
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.facts["refused_files"]) == (Outcome.WRITE, ["b.csv (file_E255)"])


def test_g2_a_price_outside_the_range_of_the_instrument_fails_the_day(lake: LocalLake, folder: Path, calendar) -> None:
    save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT")
    clock = FixedClock(LATER)
    archive = ChainArchive(folder, calendar, clock)
    bands = {(300.0, 30_000.0): Outcome.WRITE, (20.0, 1_900.0): Outcome.ERROR}
    for band, outcome in bands.items():
        builder = ChainCboeBuilder("SPX", lake, archive, calendar, clock, price_band=band)
        assert build_day(builder, FRIDAY, lake, force=True).outcome is outcome


def cut_at_line_end(source: Path, share: float) -> bytes:
    content = source.read_bytes()
    return content[: content.index(b"\n", int(len(content) * share)) + 1]


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.9, 0.995])
def test_g2_a_real_table_cut_at_a_line_end_is_told_by_the_one_before_it(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder, shared_data: Path, share: float
) -> None:
    chains = shared_data / "chains"
    (folder / "a.csv").write_bytes((chains / "spx_2025-08-25_2139.csv").read_bytes())
    (folder / "b.csv").write_bytes(cut_at_line_end(chains / "spx_2025-08-27_2130.csv", share))
    result = build_day(make_builder(), date(2025, 8, 27), lake)
    assert result.outcome is Outcome.WRITE
    assert [check.name for check in result.checks if not check.passed] == ["tables_whole"]
    assert result.facts["lacking"]["b.csv"]["contracts"] > 50
    assert make_builder().measure(date(2025, 8, 27)) == result.facts


def test_g2_a_second_cut_table_is_compared_with_the_last_whole_one(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    few = [line(6455), line(6460)]
    save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT")
    save(folder, "b.csv", "August 29, 2025 at 2:29 PM EDT", *few)
    save(folder, "c.csv", "August 29, 2025 at 3:29 PM EDT", *few)
    save(folder, "d.csv", "August 29, 2025 at 4:29 PM EDT")
    result = build_day(make_builder(), FRIDAY, lake)
    missing = {"contracts": 2, "open_interest": 200, "of_open_interest": 600, "expiries": []}
    assert result.facts["lacking"] == {"b.csv": missing, "c.csv": missing}


def test_g2_refused_and_settled_contracts_are_not_missing(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    today = line(6455, expiry="Fri Aug 29 2025", yymmdd="250829")
    save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT", today, *(line(6000 + 5 * at) for at in range(60)))
    save(
        folder, "b.csv", "August 29, 2025 at 4:29 PM EDT", line(6000, call={"bid": "x"}),
        *(line(6000 + 5 * at) for at in range(1, 60)),
    )  # fmt: skip
    assert build_day(make_builder(), FRIDAY, lake).facts["lacking"] == {}


def test_g2_an_expiry_whose_strikes_end_before_the_price_is_told(
    lake: LocalLake, folder: Path, make_builder: MakeBuilder
) -> None:
    later = [line(strike, expiry="Thu Sep 04 2025", yymmdd="250904") for strike in (5000, 5500, 6000)]
    save(folder, "a.csv", "August 29, 2025 at 10:29 AM EDT", line(6455), line(6465), *later)
    result = build_day(make_builder(), FRIDAY, lake)
    assert result.facts["expiries_off_price"] == {"a.csv": ["SPXW 2025-09-04, strikes 5000 to 6000"]}
    assert "tables_whole" in [check.name for check in result.checks if not check.passed]
