"""From history files to both datasets: golden rows, refusals, order, outcomes, errors."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from trading_platform.gexfeed import FeedArchive
from trading_platform.gexfeed.strikes import is_ascending
from trading_platform.lake import DayResult, LocalLake, Outcome, StatCache, build_day
from trading_platform.lake.building import RecordedSource
from trading_platform.lake.contracts import GEX_FEED_REJECTS

from .conftest import Build, MakeBuilders
from .feed_files import DAY, NAME, OPEN_S, ladder, snapshot, without, write

SNAPSHOTS, STRIKES = "gex_snapshots", "gex_strikes"


def rows(lake: LocalLake, dataset: str, day: date = DAY, symbol: str = "NQ_NDX") -> pl.DataFrame:
    return lake.read(dataset, symbol, day)


def refused(lake: LocalLake, day: date = DAY) -> pl.DataFrame:
    path = lake.path(SNAPSHOTS, "NQ_NDX", day)
    return pl.read_parquet(lake.root / GEX_FEED_REJECTS.folder / Path(*path.parts[-3:]))


def codes(results: tuple[DayResult, DayResult]) -> list[str | None]:
    return [None if one.error is None else one.error.code for one in results]


def seconds(frame: pl.DataFrame) -> list[int]:
    return [int(stamp.timestamp()) - OPEN_S for stamp in frame["ts"]]


def test_g1_golden_day_of_two_snapshots(folder: Path, build: Build, lake: LocalLake) -> None:
    write(folder, [snapshot(0), snapshot(1)])
    results = build()
    assert [one.outcome for one in results] == [Outcome.WRITE, Outcome.WRITE]
    found = rows(lake, SNAPSHOTS).row(1, named=True)
    assert found["ts"] == datetime(2025, 3, 10, 13, 30, 1, tzinfo=UTC)
    expected = {
        "category": "gex_full",
        "vendor_ticker": "NQ_NDX",
        "spot": 20_601.25,
        "zero_gamma": 20_580.75,
        "major_pos_vol_strike": 20_617.21,
        "sum_gex_vol": 1_001.0,
        "sum_gex_oi": -251.5,
        "min_dte": 0,
        "sec_min_dte": 1,
        "max_prior_0_strike": 20_617.21,
        "max_prior_0_change": 1.0,
        "max_prior_30_change": 3_001.0,
        "major_pos_vol_gamma": 44.0,
        "major_neg_vol_gamma": -40.0,
        "pos_can1_strike": 20_607.21,
        "pos_can1_value": 6.0,
        "pos_can1_pct": pytest.approx(100 * 6 / 44),
        "pos_can2_strike": None,
        "neg_can1_strike": 20_597.21,
        "neg_can1_value": -8.0,
        "neg_can1_pct": 20.0,
        "gex_delta_15s": 1.0,
        "gex_slope_15s_per_s": 1.0,
        "grid_step": 10.0,
        "grid_offset": pytest.approx(7.21),
        "strikes_n": 4,
    }
    assert {name: found[name] for name in expected} == expected
    strikes = rows(lake, STRIKES)
    assert strikes.height == 8
    assert strikes.row(6, named=True) == {
        "ts": datetime(2025, 3, 10, 13, 30, 1, tzinfo=UTC),
        "category": "gex_full",
        "strike": 20_607.21,
        "gex_vol": 6.0,
        "gex_oi": 1.5,
        "prior_1": 1.0,
        "prior_5": 5.0,
        "prior_10": 10.0,
        "prior_15": 15.0,
        "prior_30": 30.0,
        "grid_offset": pytest.approx(7.21),
        "symbol": "NQ_NDX",
        "trade_date": DAY,
    }


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", [NAME, f"{NAME}.gz"])
def test_g1_gzip_is_told_by_the_bytes_whatever_the_name(
    folder: Path, build: Build, lake: LocalLake, name: str, *, packed: bool
) -> None:
    write(folder, [snapshot(second) for second in range(5)], name, packed=packed)
    assert [one.rows for one in build()] == [5, 20]
    assert rows(lake, SNAPSHOTS)["spot"].to_list() == [20_600.25 + second for second in range(5)]


def test_g1_gzip_in_several_members_and_with_padding_is_read(folder: Path, build: Build) -> None:
    text = json.dumps([snapshot(second) for second in range(5)]).encode()
    parts = [gzip.compress(part) for part in (text[:100], text[100:900], text[900:])]
    write(folder, b"".join(parts) + b"\0" * 64)
    assert [one.rows for one in build()] == [5, 20]


def test_g1_categories_of_a_day_lie_in_one_partition_one_after_the_other(
    folder: Path, build: Build, lake: LocalLake
) -> None:
    for shift, category in enumerate(("gex_zero", "gex_full", "gex_one")):
        day = [snapshot(second, sum_gex_vol=1_000.0 * shift + second) for second in range(3)]
        write(folder, day, NAME.replace("gex_full", category), packed=bool(shift))
    assert [one.rows for one in build()] == [9, 36]
    found = rows(lake, SNAPSHOTS)
    assert found["category"].to_list() == ["gex_full"] * 3 + ["gex_one"] * 3 + ["gex_zero"] * 3
    assert seconds(found) == [0, 1, 2] * 3
    # The change over 15 s never reaches from one category into another.
    assert found["gex_delta_15s"].to_list() == [None, 1.0, 1.0] * 3
    assert rows(lake, STRIKES)["category"].to_list() == ["gex_full"] * 12 + ["gex_one"] * 12 + ["gex_zero"] * 12


def test_g1_nulls_reach_the_lake_as_nulls_and_zeros_as_zeros(folder: Path, build: Build, lake: LocalLake) -> None:
    empty = snapshot(1, spot=None, strikes=None, min_dte=None, max_priors=None, sum_gex_vol=0)
    partly = snapshot(2, strikes=[[20_590, None, 0, [None, 0, 1, 2, 3]]])
    write(folder, [snapshot(0), empty, partly])
    assert codes(build()) == [None, "E403"]  # a third of the snapshots without a ladder is no day of strikes
    found = rows(lake, SNAPSHOTS)
    assert found["spot"].to_list() == [20_600.25, None, 20_602.25]
    assert found["strikes_n"].to_list() == [4, None, 1]
    assert found["min_dte"].to_list() == [0, None, 0]
    assert found["sum_gex_vol"].to_list() == [1_000.0, 0.0, 1_002.0]
    assert found["max_prior_5_strike"].to_list()[1] is None
    assert found["pos_can1_strike"].to_list() == [20_607.21, None, None]


def test_g1_malformed_and_foreign_snapshots_go_to_quarantine_and_the_others_on(
    folder: Path, build: Build, lake: LocalLake
) -> None:
    good = [snapshot(second) for second in range(800)]
    bad: list[Any] = [
        without("zero_gamma", 801),
        snapshot(802, spot="high"),
        snapshot(803, ticker="NDX"),
        snapshot(-86_400),
        snapshot(86_400 * 40),
        snapshot(804, spot=0),
        snapshot(805, strikes=[[1, 2]]),
        None,
    ]
    write(folder, [*good[:400], *bad, *good[400:]])
    results = build()
    assert codes(results) == [None, None]
    assert [one.rows for one in results] == [800, 3_200]
    kept = refused(lake)
    assert kept["position"].to_list() == list(range(400, 408))
    assert kept["reason"].to_list() == [
        "missing_key",
        "wrong_type",
        "wrong_ticker",
        "other_date",
        "future_timestamp",
        "spot_not_positive",
        "bad_ladder",
        "wrong_type",
    ]
    assert json.loads(kept["raw"][0]) == bad[0]
    assert kept["timestamp"].to_list() == [*(None if one is None else one["timestamp"] for one in bad)]
    assert dict(results[0].rejected) == dict(sorted(dict(kept["reason"].value_counts().iter_rows()).items()))
    assert results[1].facts["elements"] == 808


def test_g1_first_observation_of_a_second_wins_and_conflicts_are_counted(
    folder: Path, build: Build, lake: LocalLake
) -> None:
    day = [snapshot(second) for second in range(300)]
    write(folder, [*day[:200], snapshot(100), snapshot(150, sum_gex_vol=7.0), *day[200:]])
    results = build()
    assert rows(lake, SNAPSHOTS)["sum_gex_vol"][150] == 1_150.0
    assert [one.rows for one in results] == [300, 1_200]
    assert refused(lake)["reason"].to_list() == ["repeated_snapshot", "conflicting_snapshot"]
    (warned,) = [one for one in results[0].checks if not one.passed and one.name == "one_snapshot_per_second"]
    assert (warned.severity, warned.values["conflicts"]) == ("warn", 1)


def test_g1_repetition_is_told_by_values_not_by_spelling(folder: Path, build: Build, lake: LocalLake) -> None:
    one, other = json.dumps(snapshot(0)), json.dumps(snapshot(0, sum_gex_vol=1_000), indent=2).replace("5.0", "5")
    write(folder, f"[{one}, {other}]".encode())
    build()
    assert refused(lake)["reason"].to_list() == ["repeated_snapshot"]


def test_g1_file_out_of_order_gives_the_rows_of_the_ordered_one(
    folder: Path, build: Build, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading_platform.gexfeed.strikes.ROW_GROUP_ROWS", 64)
    day = [
        snapshot(
            second, strikes=ladder(*((20_500.0 + 10 * row, row - 3.5) for row in range(second % 20 and 1 + second % 7)))
        )
        for second in range(400)
    ]
    write(folder, day)
    build()
    ordered = rows(lake, SNAPSHOTS), rows(lake, STRIKES)
    shuffled = np.random.default_rng(1).permutation(len(day))
    write(folder, [day[index] for index in shuffled])
    assert not is_ascending(FeedArchive(folder).files()[0], (OPEN_S, OPEN_S + 86_400))
    results = build()
    assert codes(results) == [None, None]
    assert rows(lake, SNAPSHOTS).equals(ordered[0])
    assert rows(lake, STRIKES).equals(ordered[1])
    assert int(str(results[0].facts["out_of_order"])) > 300
    assert [one.name for one in results[0].checks if not one.passed and one.name == "times_in_order"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "E261"),
        (b"\x1f\x8b\x08 this is no gzip", "E262"),
        (gzip.compress(json.dumps([snapshot(0)]).encode())[:-9], "E262"),
        (gzip.compress(json.dumps([snapshot(0)]).encode())[:-9] + b"123456789", "E262"),
        (b"<html>busy</html>", "E270"),
        (b'{"timestamp": 1}', "E270"),
        (gzip.compress(b"no array"), "E270"),
        (json.dumps([snapshot(0), snapshot(1)]).encode()[:-1], "E271"),
        (json.dumps([snapshot(0), snapshot(1)]).encode()[:-400], "E271"),
        (gzip.compress(json.dumps([snapshot(0), snapshot(1)]).encode()[:-400]), "E271"),
        (json.dumps([snapshot(second, ticker="ES_SPX") for second in range(300)]).encode(), "E272"),
        (json.dumps([snapshot(86_400 + second) for second in range(3)]).encode(), "E272"),
        (b"[1, 2, 3]", "E272"),
    ],
)
def test_g1_file_that_cannot_be_used_is_refused_whole_and_the_older_day_stays(
    folder: Path, build: Build, lake: LocalLake, content: bytes, code: str
) -> None:
    write(folder, [snapshot(0), snapshot(1)])
    build()
    before = rows(lake, SNAPSHOTS)
    write(folder, content)
    write(folder, [snapshot(86_400)], NAME.replace("03-10", "03-11"))
    assert codes(build()) == [code, code]
    assert rows(lake, SNAPSHOTS).equals(before)
    assert codes(build(DAY + timedelta(days=1))) == [None, None]


def test_g1_array_without_snapshots_is_an_empty_day(folder: Path, build: Build) -> None:
    write(folder, b"[]\n")
    assert [(one.outcome, one.rows) for one in build()] == [(Outcome.EMPTY, 0)] * 2


def test_g1_file_that_vanishes_after_the_plan_is_e260(folder: Path, builders: MakeBuilders, lake: LocalLake) -> None:
    path = write(folder, [snapshot(0)])
    for builder in builders():
        plan = builder.plan(DAY)
        path.unlink()
        with pytest.raises(Exception, match="E260"):
            builder.hash_sources(plan)
        with lake.begin(builder.contract, "NQ_NDX", DAY) as writer, pytest.raises(Exception, match="E260"):
            builder.build(plan, writer)
        write(folder, [snapshot(0)])


def test_g1_file_that_grows_while_it_is_read_is_planned_again(
    folder: Path, builders: MakeBuilders, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder, [snapshot(second) for second in range(50)])
    snapshots, _ = builders()
    plan = snapshots.plan(DAY)
    from trading_platform.gexfeed import reading

    original = reading._hashed

    def growing(file: Any, hasher: Any) -> Any:
        yield from original(file, hasher)
        with path.open("ab") as more:
            more.write(b" ")

    monkeypatch.setattr(reading, "_hashed", growing)
    with lake.begin(snapshots.contract, "NQ_NDX", DAY) as writer, pytest.raises(Exception, match="E268"):
        snapshots.build(plan, writer)
    monkeypatch.undo()
    assert build_day(snapshots, DAY, lake).outcome is Outcome.WRITE


def test_g1_same_file_is_skipped_and_a_changed_one_built(folder: Path, build: Build, tmp_path: Path) -> None:
    cache = StatCache(tmp_path / "hashes.sqlite")
    write(folder, [snapshot(0)])
    assert [one.outcome for one in build(stat_cache=cache)] == [Outcome.WRITE] * 2
    assert [one.outcome for one in build(stat_cache=cache)] == [Outcome.SKIP] * 2
    write(folder, [snapshot(0), snapshot(1)])
    assert [one.outcome for one in build(stat_cache=cache)] == [Outcome.WRITE] * 2


def test_g1_same_snapshots_give_the_same_bytes(folder: Path, build: Build, lake: LocalLake) -> None:
    write(folder, [snapshot(second) for second in range(20)])
    build()
    paths = [lake.path(dataset, "NQ_NDX", DAY) for dataset in (SNAPSHOTS, STRIKES)]
    before = [path.read_bytes() for path in paths]
    build(force=True)
    assert [path.read_bytes() for path in paths] == before


def test_g1_outcomes_without_rows_say_why(folder: Path, build: Build) -> None:
    write(folder, [snapshot(0)])
    saturday, good_friday = date(2025, 3, 15), date(2025, 4, 18)
    assert [one.outcome for one in build(saturday)] == [Outcome.CLOSED] * 2
    assert [one.outcome for one in build(good_friday, now=datetime(2025, 5, 1, tzinfo=UTC))] == [Outcome.CLOSED] * 2
    missing = build(date(2025, 3, 11))
    assert ([one.outcome for one in missing], codes(missing)) == ([Outcome.MISSING] * 2, ["E267"] * 2)
    assert missing[0].error is not None
    assert missing[0].error.next_command == "tp gex fetch 2025-03-11 --ticker NQ_NDX"
    tomorrow = build(date(2025, 3, 11), now=datetime(2025, 3, 11, 10, tzinfo=UTC))
    assert ([one.outcome for one in tomorrow], codes(tomorrow)) == ([Outcome.PENDING] * 2, ["E266"] * 2)
    awaited = build(date(2025, 3, 11), now=datetime(2025, 3, 11, 20, tzinfo=UTC))
    assert codes(awaited) == ["E266"] * 2
    nowhere = build(directory=None)
    assert ([one.outcome for one in nowhere], codes(nowhere)) == ([Outcome.UNAVAIL] * 2, ["E263"] * 2)


def test_g1_day_made_while_its_session_runs_is_partial_and_drops_what_lies_ahead(
    folder: Path, build: Build, lake: LocalLake
) -> None:
    write(folder, [snapshot(second) for second in range(300)])
    early = build(now=datetime(2025, 3, 10, 13, 34, 58, tzinfo=UTC))
    assert [one.complete for one in early] == [False, False]
    assert refused(lake)["reason"].to_list() == ["future_timestamp"]
    late = build()
    assert [(one.complete, one.outcome) for one in late] == [(True, Outcome.WRITE)] * 2
    assert rows(lake, SNAPSHOTS).height == 300


def test_g1_category_that_is_gone_does_not_shrink_the_stored_day(folder: Path, build: Build, lake: LocalLake) -> None:
    zero = write(folder, [snapshot(0)], NAME.replace("gex_full", "gex_zero"))
    write(folder, [snapshot(0)])
    build()
    zero.unlink()
    results = build()
    assert ([one.outcome for one in results], codes(results)) == ([Outcome.MISSING] * 2, ["E269"] * 2)
    assert rows(lake, SNAPSHOTS).height == 2


def test_g1_twice_and_unknown_category_are_errors_of_their_day(folder: Path, build: Build) -> None:
    write(folder, [snapshot(0)])
    write(folder, [snapshot(0), snapshot(1)], f"{NAME}.gz")
    assert codes(build()) == ["E264", "E264"]
    (folder / f"{NAME}.gz").rename(folder / NAME.replace("gex_full", "gex_other"))
    assert codes(build()) == ["E265", "E265"]


def test_g1_days_before_the_first_file_were_not_recorded(folder: Path, builders: MakeBuilders) -> None:
    for builder in builders():
        assert isinstance(builder, RecordedSource)
        assert "no history file" in (builder.not_recorded(DAY) or "")
    write(folder, [snapshot(0)])
    for builder in builders():
        assert builder.not_recorded(DAY) is None
        assert "begin on 2025-03-10" in (builder.not_recorded(DAY - timedelta(days=3)) or "")
    for builder in builders(directory=None):
        assert "no folder" in (builder.not_recorded(DAY) or "")


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"max_priors": [[20_600, 5.0]] * 6}, "columns_move"),
        ({"sum_gex_vol": 12.0}, "columns_move"),
        ({"spot": 2_060_000.0}, "spot_in_band"),
        ({"major_pos_vol": 170_979.7}, "majors_near_spot"),
    ],
)
def test_g1_day_with_a_known_mistake_is_not_stored(
    folder: Path, build: Build, lake: LocalLake, changes: dict[str, Any], check: str
) -> None:
    write(folder, [{**snapshot(second), **changes} for second in range(320)])
    result, _ = build()
    assert result.error is not None
    assert result.error.code == "E403"
    assert check in {one.name for one in result.checks if not one.passed and one.severity == "error"}
    assert lake.footer(SNAPSHOTS, "NQ_NDX", DAY) is None


def test_g1_ladders_that_never_move_are_refused(folder: Path, build: Build) -> None:
    write(folder, [snapshot(second, strikes=ladder((20_590, 1.0), (20_600, 2.0))) for second in range(320)])
    _, result = build()
    assert {one.name for one in result.checks if not one.passed} == {"ladders_move"}


def test_g1_many_malformed_snapshots_refuse_the_day_and_are_kept_to_look_at(
    folder: Path, build: Build, lake: LocalLake
) -> None:
    write(folder, [snapshot(second) if second % 20 else without("spot", second) for second in range(200)])
    results = build()
    assert codes(results) == ["E403", "E403"]
    failed = list((lake.root / GEX_FEED_REJECTS.folder).rglob("failed-0.parquet"))
    assert [pl.read_parquet(path).height for path in failed] == [10]


def test_g1_gaps_of_the_feed_are_shown_and_not_refused(folder: Path, build: Build) -> None:
    write(folder, [snapshot(second) for second in range(0, 600, 2)])
    result, _ = build()
    assert result.outcome is Outcome.WRITE
    warned = {one.name: one for one in result.checks if not one.passed}
    assert set(warned) == {"session_covered", "no_long_gap", "strikes_move"}
    assert warned["no_long_gap"].values["max_gap_s"] == {"gex_full": 23_400 - 598}


def test_g1_facts_are_the_same_when_measured_from_the_lake(
    folder: Path, build: Build, builders: MakeBuilders, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("gexfeed.strikes", "lake.stream"):  # snapshots are spread over row groups
        monkeypatch.setattr(f"trading_platform.{module}.ROW_GROUP_ROWS", 50)
    for category in ("gex_full", "gex_zero"):
        day = [snapshot(second) if second % 15 else snapshot(second, strikes=[]) for second in range(90)]
        write(folder, day, NAME.replace("gex_full", category))
    results = build()
    assert pq.ParquetFile(results[1].path).num_row_groups > 10
    for builder, result in zip(builders(), results, strict=True):
        measured = builder.measure(DAY)
        assert {name: measured[name] for name in result.facts} == dict(result.facts)
        assert builder.measure(date(2025, 3, 11)) == {}


def test_g1_partition_made_from_labelled_files_is_synthetic(folder: Path, build: Build) -> None:
    write(folder, [snapshot(0)])
    (folder / "SYNTHETIC.txt").write_text("generated", encoding="utf-8")
    assert [one.synthetic for one in build()] == [True, True]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_g1_time_zone_of_the_process_changes_nothing(
    folder: Path, build: Build, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    write(folder, [snapshot(second) for second in range(3)])
    hashes = [one.content_hash for one in build()]
    monkeypatch.undo()
    time.tzset()
    assert hashes == [one.content_hash for one in build(force=True)]


def test_g1_one_broken_category_refuses_its_day_and_no_other_and_says_how_to_go_on(
    folder: Path, build: Build, lake: LocalLake
) -> None:
    write(folder, [snapshot(0), snapshot(1)])
    zero = write(folder, b"<html>busy</html>", NAME.replace("gex_full", "gex_zero"))
    write(folder, [snapshot(86_400)], NAME.replace("03-10", "03-11"))
    results = build()
    assert codes(results) == ["E270", "E270"]
    assert results[0].error is not None
    assert str(zero) in results[0].error.what
    assert "is made from its other categories" in results[0].error.why
    assert results[0].error.next_command == (
        f"tp gex fetch 2025-03-10 --ticker NQ_NDX --category gex_zero --out {folder} --force"
    )
    assert lake.footer(SNAPSHOTS, "NQ_NDX", DAY) is None
    assert codes(build(DAY + timedelta(days=1))) == [None, None]
    zero.unlink()
    assert [one.rows for one in build()] == [2, 8]


@pytest.mark.parametrize("odd", ["1998-03-10", "9999-12-31"])
def test_g1_a_mistyped_year_in_a_name_holds_up_no_other_day(
    folder: Path, build: Build, builders: MakeBuilders, odd: str
) -> None:
    write(folder, [snapshot(0)], NAME.replace("2025-03-10", odd))
    for builder in builders():
        assert "no history file" in (builder.not_recorded(DAY) or "")
    write(folder, [snapshot(0)])
    assert [one.outcome for one in build()] == [Outcome.WRITE] * 2
    for builder in builders():
        assert builder.not_recorded(DAY) is None
        assert "begin on 2025-03-10" in (builder.not_recorded(DAY - timedelta(days=3)) or "")


def test_g1_a_snapshot_of_the_year_9999_is_refused_alone(folder: Path, build: Build, lake: LocalLake) -> None:
    write(folder, [snapshot(second) for second in range(200)] + [snapshot(0, timestamp=253_402_300_799)])
    results = build()
    assert [one.outcome for one in results] == [Outcome.WRITE] * 2
    assert results[0].rejected == {"future_timestamp": 1}
    assert rows(lake, SNAPSHOTS).height == 200


def test_g1_one_bad_snapshot_of_an_unknown_form_costs_one_row(folder: Path, build: Build, lake: LocalLake) -> None:
    day: list[dict[str, Any]] = [{"v": 2, **snapshot(second)} for second in range(200)]
    day[100]["ticker"] = 5
    write(folder, day)
    results = build()
    assert codes(results) == [None, None]
    assert [one.rows for one in results] == [199, 796]
    assert results[0].rejected == {"wrong_type": 1}
    assert seconds(rows(lake, SNAPSHOTS)) == [second for second in range(200) if second != 100]


def test_g1_bytes_that_were_not_read_refuse_the_day_even_as_one_element(folder: Path, build: Build) -> None:
    day = [json.dumps(snapshot(second)) for second in range(1_000)]
    day[500] = "[" + ",".join(day[500:900]) + "]"  # valid JSON, and one element
    write(folder, f"[{','.join(day)}]".encode())
    result, _ = build()
    assert codes((result, result))[0] == "E403"
    (failed,) = [one for one in result.checks if not one.passed and one.severity == "error"]
    assert (failed.name, failed.values["refused"]) == ("rejects_below_limit", 1)
    assert 0.25 < float(str(failed.values["bytes_refused"])) / float(str(failed.values["bytes_read"])) < 0.35


@pytest.mark.parametrize("strike", [0, -5.0])
def test_g1_a_ladder_with_a_strike_that_is_no_price_is_refused(
    folder: Path, build: Build, lake: LocalLake, strike: float
) -> None:
    bad = snapshot(200, strikes=ladder((20_590.0, 1.0), (strike, 2.0), (20_600.0, 3.0)))
    write(folder, [*(snapshot(second) for second in range(200)), bad])
    results = build()
    assert [one.rows for one in results] == [200, 800]
    assert results[0].rejected == {"strike_not_positive": 1}
    assert rows(lake, STRIKES)["strike"].min() == 20_587.21


def test_g1_a_category_without_a_spot_all_day_is_refused(folder: Path, build: Build) -> None:
    write(folder, [snapshot(second) for second in range(20)])
    write(folder, [snapshot(second, spot=None) for second in range(20)], NAME.replace("gex_full", "gex_zero"))
    result, _ = build()
    (failed,) = [one for one in result.checks if not one.passed and one.severity == "error"]
    assert failed.name == "spot_in_band"
    assert "gex_zero none" in failed.description


@pytest.mark.parametrize("unit", [1_000, 1_000_000])
def test_g1_times_in_milliseconds_are_named_as_such(folder: Path, build: Build, unit: int) -> None:
    write(folder, [snapshot(second, timestamp=(OPEN_S + second) * unit) for second in range(300)])
    for result in build():
        assert result.error is not None
        assert result.error.code == "E272"
        assert "milliseconds" in result.error.what
        assert result.error.next_command == "tp backfill NQ_NDX/gex_snapshots --from 2025-03-10 --to 2025-03-10"


def test_g1_some_times_in_milliseconds_are_refused_alone(folder: Path, build: Build) -> None:
    write(folder, [*(snapshot(second) for second in range(200)), snapshot(200, timestamp=(OPEN_S + 200) * 1_000)])
    assert build()[0].rejected == {"timestamp_in_milliseconds": 1}


def test_g1_a_copy_of_the_same_bytes_is_counted_and_not_refused(folder: Path, build: Build) -> None:
    write(folder, [snapshot(0)])
    write(folder / "backup", [snapshot(0)])
    write(folder, [snapshot(0)], NAME.replace(".json", " (1).json"))
    results = build()
    assert codes(results) == [None, None]
    assert [(one.rows, one.facts["copies"]) for one in results] == [(1, 2), (4, 2)]
    write(folder / "backup", [snapshot(1)])
    assert codes(build()) == ["E264", "E264"]


SUNDAY, MONDAY = date(2025, 3, 9), DAY


def test_g1_a_file_of_a_day_without_trading_is_named_by_the_next_day(folder: Path, build: Build) -> None:
    write(folder, [snapshot(second) for second in range(300)])
    first = build()
    sunday = write(folder, [snapshot(-86_400)], NAME.replace("03-10", "03-09"))
    results = build()
    assert [one.outcome for one in results] == [Outcome.WRITE] * 2
    assert "files_of_closed_days" not in {one.name for one in first[0].checks if not one.passed}
    (warned,) = [one for one in results[0].checks if not one.passed and one.name == "files_of_closed_days"]
    assert warned.severity == "warn"
    assert warned.description.startswith("E280 ")
    assert sunday.name in warned.description
    assert [one.outcome for one in build()] == [Outcome.SKIP] * 2


def test_g1_a_file_of_a_day_without_trading_is_named_where_the_day_is_closed_or_missing(
    folder: Path, build: Build
) -> None:
    write(folder, [snapshot(0)])
    holiday = write(folder, [snapshot(0)], NAME.replace("2025-03-10", "2025-04-18"))
    later = datetime(2025, 5, 1, tzinfo=UTC)
    for result in build(date(2025, 4, 18), now=later):
        assert result.outcome is Outcome.CLOSED
        assert "E280" in (result.reason or "")
        assert holiday.name in (result.reason or "")
    for result in build(date(2025, 4, 21), now=later):
        assert result.outcome is Outcome.MISSING
        assert holiday.name in (result.reason or "")
