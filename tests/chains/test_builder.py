"""Days of ``chain_cboe``: outcomes, several snapshots, repeats, refused files, reruns."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from trading_platform.chains.repeats import is_repeat
from trading_platform.errors import SourceError
from trading_platform.lake import LocalLake, Outcome, StatCache, build_day
from trading_platform.simulation import (
    SIMULATED_UNDERLYINGS,
    ChainDialect,
    simulate_chain,
    write_chain_file,
    write_demo_chains,
)

from .conftest import MakeBuilder
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
    assert {check.name for check in result.checks if not check.passed} == {"no_duplicates"}
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
    save(folder, "d.csv", "August 29, 2025 at 4:29 PM EDT", line(6455, call={"bid": 1.1}), line(6460))
    result = build_day(make_builder(), FRIDAY, lake)
    assert (result.outcome, result.facts["snapshots"], result.rows) == (Outcome.WRITE, 2, 10)
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
    assert make_builder().not_recorded(FRIDAY) == "no chain file of SPX was saved on 2025-08-29"
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
