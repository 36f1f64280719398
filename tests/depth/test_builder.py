"""Stored book measures: outcomes that follow the events, facts, checks, reruns."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from trading_platform.errors import LakeError, QualityError
from trading_platform.lake import Outcome, build_day
from trading_platform.lake.contracts import DEPTH_METRICS
from trading_platform.sessions import GRACE

from . import frames
from .conftest import DAY
from .frames import SECOND_US, START_US, ask, bid, clear, delete_ask, delete_bid
from .test_seconds import replayed, rows_of

HOLIDAY = date(2025, 4, 18)  # Good Friday
SMALL = (
    bid(90, 1, end=True),
    clear(after_us=400_000),
    bid(99, 5),
    ask(101, 4, end=True),
    delete_bid(98, after_us=2_000_000),
    ask(100, 6, end=True),
    delete_ask(100, after_us=1_000_000),
)


def test_t6_stored_rows_equal_the_replay(store_events, builder_of, busy_day: pl.DataFrame) -> None:
    lake = store_events(busy_day)
    result = build_day(builder_of(), DAY, lake)
    assert (result.outcome, result.error) == (Outcome.WRITE, None)
    stored = lake.read("depth_metrics", "MNQ", DAY)
    expected = rows_of(replayed(busy_day, [33_333]))
    names = [name for name in expected[0] if name not in ("second", "known")]
    assert stored.select(names).rows() == [tuple(row[name] for name in names) for row in expected]
    assert stored["ts"].dt.epoch("s").to_list() == [row["second"] for row in expected]
    assert stored["contract"].cast(pl.String).unique().to_list() == [frames.CONTRACT]
    assert stored["in_session"].all()
    assert result.facts["deletes_of_absent"] == 0
    DEPTH_METRICS.validate(stored.drop("symbol", "trade_date"))


def test_t6_facts_and_rows_of_a_small_day(store_events, builder_of) -> None:
    lake = store_events(SMALL)
    result = build_day(builder_of(), DAY, lake)
    facts = result.facts
    assert {name: facts[name] for name in ("rows", "events", "updates", "snapshot_rows", "batches", "snapshots")} == {
        "rows": 4,
        "events": 7,
        "updates": 4,
        "snapshot_rows": 3,
        "batches": 3,
        "snapshots": 1,
    }
    assert (facts["deletes_of_absent"], facts["unfinished_events"], facts["segments"]) == (1, 1, 1)
    assert (facts["seconds_unknown"], facts["seconds_one_sided"], facts["missing_seconds"]) == (0, 0, 0)
    assert (facts["first_second_us"], facts["last_second_us"]) == (START_US, START_US + 3 * SECOND_US)
    assert (facts["min_spread"], facts["max_spread"]) == (0.25, 0.5)
    assert (facts["crossed_seconds_in_session"], facts["session_seconds"]) == (0, 23 * 3_600)
    assert {check.name: check.passed for check in result.checks} == {
        "update_counts_equal_events": True,
        "not_crossed_in_session": True,
        "book_known_most_of_session": False,
        "no_long_silence": False,
        "deletes_find_their_level": False,
    }
    stored = lake.read("depth_metrics", "MNQ", DAY)
    assert stored["age_ms"].to_list() == [600, 1_600, 600, 1_600]
    assert stored["ask"].to_list() == [25.25, 25.25, 25.0, 25.0]
    assert builder_of().measure(DAY) == facts


def test_t6_measured_facts_equal_built_facts_over_several_row_groups(store_events, builder_of, busy_day) -> None:
    result = build_day(builder_of(), DAY, store_events(busy_day))
    assert builder_of().measure(DAY) == result.facts


def test_t6_every_row_is_null_while_the_book_is_unknown(store_events, builder_of) -> None:
    lake = store_events([bid(99, 5, end=True), ask(101, 4, after_us=1_200_000, end=True), clear(after_us=1_000_000)])
    result = build_day(builder_of(), DAY, lake)
    stored = lake.read("depth_metrics", "MNQ", DAY)
    book = stored.drop("symbol", "trade_date", "ts", "updates", "snapshot_rows", "batches", "in_session", "contract")
    assert all(book[name].null_count() == 3 for name in book.columns)
    assert stored["updates"].to_list() == [1, 1, 0]
    assert result.facts["seconds_unknown"] == 3


def test_t6_seconds_outside_trading_hours_are_marked(store_events, builder_of, calendar) -> None:
    monday = date(2026, 3, 9)
    opens_at = calendar.session(monday).opens_at
    start_us = int(opens_at.timestamp()) * SECOND_US - SECOND_US
    frame = frames.event_frame(
        [clear(), bid(102, 5), ask(100, 4, end=True), clear(after_us=SECOND_US), bid(99, 1), ask(100, 4, end=True)],
        start_us=start_us,
    )
    lake = store_events(frame, monday)
    result = build_day(builder_of(), monday, lake)
    assert lake.read("depth_metrics", "MNQ", monday)["in_session"].to_list() == [False, True]
    assert (result.facts["crossed_seconds_outside"], result.facts["crossed_seconds_in_session"]) == (1, 0)
    assert result.outcome is Outcome.WRITE


def test_t6_a_book_crossed_in_trading_hours_keeps_the_day_out(store_events, builder_of) -> None:
    lake = store_events([clear(), bid(102, 5), ask(100, 4, end=True)])
    result = build_day(builder_of(), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E403")
    assert "not_crossed_in_session" in result.error.what
    assert not lake.exists("depth_metrics", "MNQ", DAY)


def test_t6_a_rerun_is_skipped_and_a_forced_one_gives_the_same_bytes(store_events, builder_of) -> None:
    lake = store_events(SMALL)
    first = build_day(builder_of(), DAY, lake)
    digest = hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert build_day(builder_of(), DAY, lake).outcome is Outcome.SKIP
    forced = build_day(builder_of(), DAY, lake, force=True)
    assert forced.outcome is Outcome.WRITE
    assert hashlib.sha256(forced.path.read_bytes()).hexdigest() == digest


def test_t6_changed_events_make_the_measures_stale(store_events, builder_of) -> None:
    first = build_day(builder_of(), DAY, store_events(SMALL))
    second = build_day(builder_of(), DAY, store_events(SMALL[:-1]))
    assert (second.outcome, second.facts["events"]) == (Outcome.WRITE, 6)
    assert second.fingerprint != first.fingerprint


def test_t6_missing_events_are_an_outcome_with_the_command_that_helps_e430(lake, builder_of) -> None:
    result = build_day(builder_of(), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.MISSING, "E430")
    assert result.error.next_command == "tp backfill MNQ/depth_events --from 2026-03-10 --to 2026-03-10"
    assert not lake.exists("depth_metrics", "MNQ", DAY)


def test_t6_a_session_that_has_not_begun_is_pending_e435(lake, builder_of) -> None:
    before = datetime(2026, 3, 9, 21, 59, tzinfo=UTC)
    result = build_day(builder_of(now=before), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.PENDING, "E435")
    assert build_day(builder_of(now=before + timedelta(minutes=1)), DAY, lake).outcome is Outcome.MISSING


@pytest.mark.parametrize("stored", [True, False])
def test_t6_a_closed_date_is_closed_with_or_without_events(lake, store_events, builder_of, stored) -> None:
    if stored:
        store_events(None, HOLIDAY, outcome=Outcome.CLOSED, reason="Good Friday")
    result = build_day(builder_of(), HOLIDAY, lake)
    assert (result.outcome, result.rows, result.complete) == (Outcome.CLOSED, 0, True)
    assert builder_of().check(builder_of().measure(HOLIDAY), result.session) == ()


def test_t6_empty_events_give_empty_measures(store_events, builder_of) -> None:
    lake = store_events(None, outcome=Outcome.EMPTY, reason="the source holds no rows")
    result = build_day(builder_of(), DAY, lake)
    assert (result.outcome, result.rows, result.reason) == (Outcome.EMPTY, 0, "the source holds no rows")


@pytest.mark.parametrize("synthetic", [True, False])
def test_t6_synthetic_events_make_synthetic_measures(store_events, builder_of, synthetic) -> None:
    lake = store_events(SMALL, synthetic=synthetic)
    assert build_day(builder_of(), DAY, lake).synthetic is synthetic
    assert lake.footer("depth_metrics", "MNQ", DAY).synthetic is synthetic


def test_t6_a_day_is_partial_until_its_session_and_the_grace_have_passed(store_events, builder_of) -> None:
    lake = store_events(SMALL)
    ends = datetime(2026, 3, 10, 22, tzinfo=UTC)  # 17:00 in Chicago
    early = build_day(builder_of(now=ends + GRACE), DAY, lake)
    assert (early.outcome, early.complete) == (Outcome.WRITE, False)
    assert build_day(builder_of(now=ends + GRACE + timedelta(seconds=1)), DAY, lake).complete is True


def test_t6_events_outside_the_session_window_are_an_error_that_names_the_day(store_events, builder_of) -> None:
    frame = frames.event_frame(SMALL, start_us=START_US + 86_400 * SECOND_US)
    result = build_day(builder_of(), DAY, store_events(frame))
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E432")
    assert "MNQ/depth_events 2026-03-10" in result.error.what
    assert result.error.next_command == "tp backfill MNQ/depth_events --from 2026-03-10 --to 2026-03-10 --force"


def test_t6_two_contracts_in_a_stored_day_are_refused_e436(store_events, builder_of) -> None:
    frame = frames.event_frame(SMALL)
    two = frame.with_columns(contract=pl.Series(["MNQH26"] * 3 + ["MNQM26"] * 4, dtype=pl.Categorical))
    result = build_day(builder_of(), DAY, store_events(two))
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E436")


def test_t6_events_replaced_between_plan_and_build_are_noticed_e434(store_events, builder_of, lake) -> None:
    store_events(SMALL)
    builder = builder_of()
    plan = builder.plan(DAY)
    store_events(SMALL[:5])
    with lake.begin(builder.contract, "MNQ", DAY) as writer, pytest.raises(Exception, match="was replaced") as caught:
        builder.build(plan, writer)
    assert caught.value.code == "E434"
    assert build_day(builder, DAY, lake).facts["events"] == 5


def test_t6_a_damaged_event_file_is_an_error_with_a_number(store_events, builder_of, busy_day, lake) -> None:
    path = store_events(busy_day).path("depth_events", "MNQ", DAY)
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)  # the header of the first page
    path.write_bytes(content)
    result = build_day(builder_of(), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E505")
    assert not lake.exists("depth_metrics", "MNQ", DAY)


def test_t6_measure_without_events_says_what_is_missing(store_events, builder_of, lake) -> None:
    build_day(builder_of(), DAY, store_events(SMALL))
    lake.path("depth_events", "MNQ", DAY).unlink()
    with pytest.raises(QualityError) as caught:
        builder_of().measure(DAY)
    assert caught.value.code == "E430"


def test_t6_measure_without_rows_says_so(store_events, builder_of) -> None:
    store_events(SMALL)
    with pytest.raises(LakeError) as caught:
        builder_of().measure(DAY)
    assert caught.value.code == "E507"


def test_t6_nulls_in_the_events_are_refused_e431(store_events, builder_of, monkeypatch) -> None:
    import pyarrow as pa

    from trading_platform.depth.events_reader import EventFile

    path = store_events(SMALL).path("depth_events", "MNQ", DAY)
    table = pa.table({"quantity": pa.array([1, None], pa.uint32())})
    monkeypatch.setattr(EventFile, "_table", lambda *_: table)
    with EventFile(path, "MNQ/depth_events 2026-03-10", "tp runs") as events, pytest.raises(QualityError) as caught:
        events.arrays(0, ("quantity",))
    assert caught.value.code == "E431"


def test_t6_preview_covers_the_trading_hours_and_all_updates_in_them(store_events, builder_of, busy_day) -> None:
    result = build_day(builder_of(), DAY, store_events(busy_day))
    preview = result.preview
    assert len(preview.price) == len(preview.volume) == 120
    assert preview.volume.sum() == result.facts["updates"]
    assert preview.start_us == int(result.session.opens_at.timestamp()) * SECOND_US
    # 400 seconds from 14:00 UTC, 960 minutes after the opening, in buckets of 690 seconds
    assert np.flatnonzero(~np.isnan(preview.price)).tolist() == [83, 84]
