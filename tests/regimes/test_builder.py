"""Stored regimes: outcomes that follow the gamma data, facts, checks, reruns, sessions."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from trading_platform.errors import LakeError, QualityError
from trading_platform.lake import Outcome, SourceChangedError, build_day
from trading_platform.lake.contracts import GEX_LEVELS, GEX_REGIMES, GEX_SNAPSHOTS, GEX_STRIKES
from trading_platform.regimes import GexRegimesBuilder, RegimeParameters

from .conftest import DAY, LATER, levels, snapshots, strikes
from .frames import chain, feed, random_chain, random_feed, regimes

HOLIDAY = date(2025, 9, 1)  # Labor Day


def stored_rows(lake, symbol: str, day: date = DAY) -> pl.DataFrame:
    rows = lake.read("gex_regimes", symbol, day)
    return rows.drop("symbol", "trade_date").with_columns(pl.col(pl.Categorical).cast(pl.String))


def store_feed(store, day: pl.DataFrame, category: str = "gex_full") -> None:
    store(GEX_SNAPSHOTS, "NQ_NDX", snapshots(day, category))
    store(GEX_STRIKES, "NQ_NDX", strikes(day, category))


def test_r2_regimes_of_stored_levels_equal_those_of_the_observations(lake, store, builder_of) -> None:
    day = chain(78).filter(pl.int_range(pl.len()) != 40)
    store(GEX_LEVELS, "SPX", levels(day), synthetic=True)
    result = build_day(builder_of(), DAY, lake)
    assert (result.outcome, result.error, result.synthetic, result.complete) == (Outcome.WRITE, None, True, True)
    stored = stored_rows(lake, "SPX")
    expected = regimes(day)
    assert stored["state"].to_list() == expected["state"].to_list()
    assert stored["reasons"].to_list() == expected["reasons"].to_list()
    GEX_REGIMES.validate(lake.read("gex_regimes", "SPX", DAY).drop("symbol", "trade_date"))


def test_r2_regimes_of_stored_snapshots_equal_those_of_the_observations(lake, store, builder_of) -> None:
    day = random_feed(rows=3_000)
    store_feed(store, day)
    result = build_day(builder_of("NQ_NDX"), DAY, lake)
    assert (result.outcome, result.error) == (Outcome.WRITE, None)
    assert result.rows == day.height
    stored = stored_rows(lake, "NQ_NDX")
    assert stored["net_to_gross"].to_list() == pytest.approx(day["net_to_gross"].to_list())
    ratio = pl.Series(stored["net_to_gross"])
    assert stored["state"].to_list() == regimes(day.with_columns(net_to_gross=ratio))["state"].to_list()
    assert [source.name for source in builder_of("NQ_NDX").hash_sources(builder_of("NQ_NDX").plan(DAY))] == [
        "NQ_NDX/gex_snapshots",
        "NQ_NDX/gex_strikes",
    ]


def test_r2_facts_and_checks_of_a_day(lake, store, builder_of) -> None:
    day = chain(78, oi_dropped_pct=[0.5] * 40 + [6.0] + [0.5] * 37)
    store(GEX_LEVELS, "SPX", levels(day))
    result = build_day(builder_of(), DAY, lake)
    facts = result.facts
    names = ("rows", "observations", "rows_in_session", "rows_known", "state_changes", "replay_differences")
    # Unknown: rows 0 to 2 at the open (the third waits for a second observation), then row 40 and two until the window is full.
    assert {name: facts[name] for name in names} == {
        "rows": 78,
        "observations": 78,
        "rows_in_session": 78,
        "rows_known": 72,
        "state_changes": 3,
        "replay_differences": 0,
    }
    assert facts["rows_by_state"] == {
        "positive_pin": 0,
        "positive": 72,
        "transition": 0,
        "negative": 0,
        "negative_expansion": 0,
        "unknown": 6,
    }
    assert facts["unknown_by_cause"] == {"coverage": 2, "held": 3, "oi_dropped": 1}
    assert facts["ribbon"] == "uu" + "p" * 24 + "uu" + "p" * 24
    assert all(check.passed for check in result.checks)
    assert {check.name for check in result.checks} == set(GexRegimesBuilder.CHECKS)
    assert builder_of().measure(DAY) == facts


def test_r2_replay_gives_identical_bytes(lake, store, builder_of) -> None:
    store(GEX_LEVELS, "SPX", levels(random_chain().drop_nulls("spot")))
    first = build_day(builder_of(), DAY, lake)
    digest = hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert build_day(builder_of(), DAY, lake).outcome is Outcome.SKIP
    again = build_day(builder_of(), DAY, lake, force=True)
    assert again.outcome is Outcome.WRITE
    assert hashlib.sha256(again.path.read_bytes()).hexdigest() == digest


def test_r2_other_parameters_or_another_category_make_the_day_stale(lake, store, builder_of) -> None:
    store(GEX_LEVELS, "SPX", levels(chain(30)))
    build_day(builder_of(), DAY, lake)
    changed = builder_of(parameters=RegimeParameters(min_dwell_s=60))
    assert build_day(changed, DAY, lake).outcome is Outcome.WRITE
    assert build_day(changed, DAY, lake).outcome is Outcome.SKIP
    day = feed(30)
    both = [snapshots(day, "gex_full"), snapshots(day, "gex_zero")]
    store(GEX_SNAPSHOTS, "NQ_NDX", pl.concat(both))
    store(GEX_STRIKES, "NQ_NDX", pl.concat([strikes(day, "gex_full"), strikes(day, "gex_zero")]))
    assert build_day(builder_of("NQ_NDX"), DAY, lake).rows == 30
    other = build_day(builder_of("NQ_NDX", category="gex_zero"), DAY, lake)
    assert (other.outcome, other.facts["sources"]) == (Outcome.WRITE, ["gex_zero"])


def test_r2_feed_without_the_category_is_refused(lake, store, builder_of) -> None:
    store_feed(store, feed(30), "gex_zero")
    result = build_day(builder_of("NQ_NDX"), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E499")
    assert "gex_zero" in result.error.what
    assert result.error.next_command == f"tp gex fetch {DAY} --ticker NQ_NDX --category gex_full"


def test_r2_feed_without_its_ladder_is_unknown_with_a_reason(lake, store, builder_of) -> None:
    day = feed(2_400)
    store(GEX_SNAPSHOTS, "NQ_NDX", snapshots(day))
    store(GEX_STRIKES, "NQ_NDX", strikes(day, "gex_zero"))
    build_day(builder_of("NQ_NDX"), DAY, lake)
    last = stored_rows(lake, "NQ_NDX").row(-1, named=True)
    assert (last["state"], last["missing_inputs"], last["net_to_gross"]) == ("unknown", "net_to_gross:no_ladder", None)


@pytest.mark.parametrize("there", [(), (GEX_SNAPSHOTS,)], ids=["nothing", "snapshots without strikes"])
def test_r2_upstream_that_is_not_there_is_missing(lake, store, builder_of, there) -> None:
    for contract in there:
        store(contract, "NQ_NDX", snapshots(feed(30)))
    result = build_day(builder_of("NQ_NDX"), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.MISSING, "E496")
    absent = "gex_strikes" if there else "gex_snapshots"
    assert result.error.next_command == f"tp backfill NQ_NDX/{absent} --from {DAY} --to {DAY}"


def test_r2_session_that_has_not_begun_is_pending_and_a_holiday_is_closed(lake, store, builder_of) -> None:
    early = builder_of(now=datetime(2025, 9, 2, 13, 29, tzinfo=UTC))
    result = build_day(early, DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.PENDING, "E497")
    assert build_day(builder_of(), HOLIDAY, lake).outcome is Outcome.CLOSED
    store(GEX_LEVELS, "SPX", None, outcome=Outcome.EMPTY, reason="no chain of this day")
    empty = build_day(builder_of(), DAY, lake)
    assert (empty.outcome, empty.reason) == (Outcome.EMPTY, "no chain of this day")


def test_r2_day_before_the_end_of_its_session_is_partial(lake, store, builder_of) -> None:
    store(GEX_LEVELS, "SPX", levels(chain(10)))
    assert not build_day(builder_of(now=datetime(2025, 9, 2, 15, 0, tzinfo=UTC)), DAY, lake).complete
    assert build_day(builder_of(now=LATER), DAY, lake).complete


def test_r2_upstream_replaced_since_the_plan_is_noticed(lake, store, builder_of) -> None:
    store(GEX_LEVELS, "SPX", levels(chain(10)))
    builder = builder_of()
    plan = builder.plan(DAY)
    store(GEX_LEVELS, "SPX", levels(chain(11)))
    with lake.begin(GEX_REGIMES, "SPX", DAY) as writer, pytest.raises(SourceChangedError, match="E498"):
        builder.build(plan, writer)
    assert build_day(builder, DAY, lake).rows == 11


def test_r2_measuring_needs_the_stored_rows_and_finds_changed_ones(lake, store, builder_of) -> None:
    store(GEX_LEVELS, "SPX", levels(chain(20)))
    with pytest.raises(LakeError, match="E507"):
        builder_of().measure(DAY)
    build_day(builder_of(), DAY, lake)
    other = builder_of(parameters=RegimeParameters(min_observations=6))
    facts = other.measure(DAY)
    assert facts["replay_differences"] == 20
    failed = {check.name for check in other.check(facts, other.plan(DAY).session) if not check.passed}
    assert failed == {"replay_gives_the_same_rows"}
    lake.path("gex_levels", "SPX", DAY).unlink()
    with pytest.raises(QualityError, match="E496"):
        builder_of().measure(DAY)


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        (date(2025, 3, 7), "14:30", "21:00"),  # Friday before the clocks change
        (date(2025, 3, 10), "13:30", "20:00"),
        (date(2025, 11, 28), "14:30", "18:00"),  # half day
        (date(2025, 10, 31), "13:30", "20:00"),
        (date(2025, 11, 3), "14:30", "21:00"),
    ],
)
def test_r2_windows_follow_the_session_of_the_day(lake, store, builder_of, day: date, opens: str, closes: str) -> None:
    # A chain every five minutes over the whole Eastern afternoon and morning.
    first = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
    ts = [first + timedelta(minutes=5 * row) for row in range(12 * 11)]
    observations = chain(len(ts)).with_columns(ts=pl.Series(ts).cast(pl.Datetime("us", "UTC")))
    store(GEX_LEVELS, "SPX", levels(observations), day)
    build_day(builder_of(now=datetime(2025, 12, 31, tzinfo=UTC)), day, lake)
    rows = stored_rows(lake, "SPX", day)
    inside = rows.filter(~pl.col("reasons").str.contains("outside_session"))
    assert inside["ts"][0].strftime("%H:%M") == opens
    assert (inside["ts"][-1] + timedelta(minutes=5)).strftime("%H:%M") == closes
    assert inside["n_obs_long"][0] == 1
    assert inside["state"].to_list()[:4] == ["unknown", "unknown", "unknown", "positive"]
    assert rows.filter(pl.col("reasons").str.contains("outside_session"))["state"].unique().to_list() == ["unknown"]


def test_r2_chain_made_after_the_close_labels_nothing_of_its_day(lake, store, builder_of) -> None:
    late = chain(1).with_columns(
        ts=pl.Series([datetime(2025, 9, 2, 20, 29, tzinfo=UTC)]).cast(pl.Datetime("us", "UTC"))
    )
    store(GEX_LEVELS, "SPX", levels(late))
    result = build_day(builder_of(), DAY, lake)
    assert (result.outcome, result.preview, result.facts["rows_in_session"]) == (Outcome.WRITE, None, 0)
    assert stored_rows(lake, "SPX")["state"].to_list() == ["unknown"]
    assert all(check.passed for check in result.checks)
    assert result.facts["ribbon"] == "." * 52


def test_r2_builder_refuses_an_unknown_upstream(lake, builder_of) -> None:
    builder = builder_of()
    with pytest.raises(ValueError, match="Expected an upstream"):
        GexRegimesBuilder(builder._instrument, lake, builder._calendar, builder._clock, RegimeParameters(), "chain")
