"""Stored levels and profiles: outcomes that follow the chain, rows, facts, checks, reruns (G3, G5, G6)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trading_platform.clock import FixedClock
from trading_platform.gex import compute_levels
from trading_platform.gex.builder import ChainReplacedError, GexLevelsBuilder, GexProfileBuilder
from trading_platform.gex.checks import check_levels, check_profile
from trading_platform.gex.values import derived_block, own_block, vendor_block
from trading_platform.lake import FooterFields, LocalLake, Outcome, build_day
from trading_platform.lake.contracts import CHAIN, GEX_LEVELS, GEX_PROFILE
from trading_platform.sessions import calendar_for

from .frames import OBSERVED_AT, call, chain, put, settled

DAY = OBSERVED_AT.date()
LATER = datetime(2025, 3, 12, tzinfo=UTC)
HOLIDAY = date(2025, 4, 18)  # Good Friday
CALENDAR = calendar_for("NYSE")
LINES = (call(100, 10), put(100, 12), call(105, 6, volume=2), put(95, 9), settled(call(100, 500)))
Store = Callable[..., LocalLake]


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
def store(lake: LocalLake) -> Store:
    """Return a function that stores snapshots as the chain of a day."""

    def stored(
        *snapshots: pl.DataFrame,
        day: date = DAY,
        outcome: Outcome = Outcome.WRITE,
        synthetic: bool = False,
        reason: str | None = None,
    ) -> LocalLake:
        with lake.begin(CHAIN, "SPX", day) as writer:
            for frame in snapshots:
                writer.append(frame.select(CHAIN.arrow_schema.names).sort("option_symbol").to_arrow())
            session = CALENDAR.session(day).resolved()
            writer.commit(FooterFields("f" * 64, "1", outcome, session, synthetic=synthetic, reason=reason))
        return lake

    return stored


def levels_builder(lake: LocalLake, now: datetime = LATER) -> GexLevelsBuilder:
    return GexLevelsBuilder("SPX", lake, CALENDAR, FixedClock(now))


def profile_builder(lake: LocalLake, now: datetime = LATER) -> GexProfileBuilder:
    return GexProfileBuilder("SPX", lake, CALENDAR, FixedClock(now))


BUILDERS = pytest.mark.parametrize("builder_of", [levels_builder, profile_builder], ids=["gex_levels", "gex_profile"])


def snapshots(count: int = 2) -> list[pl.DataFrame]:
    return [chain(LINES, spot=100.0 + n, observed_at=OBSERVED_AT + timedelta(minutes=5 * n)) for n in range(count)]


def test_g3_stored_levels_are_those_of_each_snapshot(store) -> None:
    first, second = snapshots()
    lake = store(first, second)
    result = build_day(levels_builder(lake), DAY, lake)
    assert (result.outcome, result.rows, result.error) == (Outcome.WRITE, 2, None)
    rows = lake.read("gex_levels", "SPX", DAY)
    assert rows["observed_at"].to_list() == [OBSERVED_AT, OBSERVED_AT + timedelta(minutes=5)]
    for row, frame in zip(rows.iter_rows(named=True), (first, second), strict=True):
        levels = compute_levels(frame)
        for prefix, block in (("naive", own_block(levels)), ("vendor", vendor_block(levels))):
            for name in (
                "gex_call_usd_per_1pct",
                "gex_put_usd_per_1pct",
                "zero_gamma",
                "call_wall",
                "put_wall_share",
                "n_crossings",
            ):
                assert row[f"{prefix}_{name}"] == block[name]
            assert json.loads(row[f"{prefix}_zero_gamma_crossings"]) == block["zero_gamma_crossings"]
        assert (row["rows_in"], row["rows_live"], row["rows_settled"]) == (4, 3, 1)
        assert (row["source"], row["market_date"], row["spot"], row["is_repeat"]) == (
            "cboe",
            DAY,
            levels.lines.spot,
            False,
        )
        assert (row["greeks_source"], row["clock"], row["sign_convention"]) == ("own", "act365", "naive")
        assert (row["oi_call"], row["oi_put"], row["pcr_oi"], row["vol_call"]) == (16, 21, 21 / 16, 2)
        assert (row["spot_source"], row["oi_asof"]) == ("chain", None)


def test_r1_derived_figures_are_stored_and_unknown_ones_are_null(store) -> None:
    """The second snapshot has no strike above spot, no crossing and no wall within the band."""
    first = chain([call(98, 3), put(98, 9), call(102, 8), put(102, 2)])
    second = chain([call(90, 3), call(95, 1)], observed_at=OBSERVED_AT + timedelta(minutes=5))
    lake = store(first, second)
    assert build_day(levels_builder(lake), DAY, lake).error is None
    rows = lake.read("gex_levels", "SPX", DAY)
    known, unknown = rows.iter_rows(named=True)
    for row, frame in ((known, first), (unknown, second)):
        block = derived_block(compute_levels(frame))
        assert {name: row[f"naive_{name}"] for name in block} == block
    assert None not in {known[f"naive_{name}"] for name in block}
    assert {name for name in block if unknown[f"naive_{name}"] is not None} == {
        "gex_normalised_musd_per_1pct_per_point",
        "ramp_lower_strike",
    }
    # The figure is the stored net, in full precision.
    assert known["naive_gex_normalised_musd_per_1pct_per_point"] == known["naive_gex_net_usd_per_1pct"] / 1e6 / 100.0


def test_g3_no_stored_column_is_forgotten(store) -> None:
    """Every column of both contracts is filled by this snapshot, but those that it cannot know."""
    today = OBSERVED_AT.date()
    wings = [call(k, 3) for k in range(92, 109)] + [put(k, 3) for k in range(92, 109)]
    snapshot = chain([*wings, call(101, 5, expiry=today), put(99, 6, expiry=today)])
    lake = store(snapshot.with_columns(open_interest_date=pl.lit(date(2025, 3, 7))))
    build_day(levels_builder(lake), DAY, lake)
    build_day(profile_builder(lake), DAY, lake)
    rows = lake.read("gex_levels", "SPX", DAY)
    unknown = {name for name in GEX_LEVELS.arrow_schema.names if rows[name].null_count()}
    # Quotes of this chain are no market: there is no forward.
    forwards = {name for name in unknown if name.startswith("forward_")}
    assert unknown - forwards == {"atm_iv_30d"}
    assert rows["oi_asof"].to_list() == [date(2025, 3, 7)]
    profile = lake.read("gex_profile", "SPX", DAY)
    filled = {name for name in GEX_PROFILE.arrow_schema.names if profile[name].is_not_null().any()}
    assert set(GEX_PROFILE.arrow_schema.names) - filled <= {"forward", "discount", "parity_rms", "atm_iv"}


def test_g3_profile_holds_strikes_levels_and_expiries(store) -> None:
    lake = store(*snapshots())
    result = build_day(profile_builder(lake), DAY, lake)
    rows = lake.read("gex_profile", "SPX", DAY)
    counts = dict(rows.group_by("kind").len().iter_rows())
    assert {str(kind): count for kind, count in counts.items()} == {"strike": 6, "level": 120, "expiry": 2}
    assert (result.rows, rows["seq"].to_list()) == (128, list(range(128)))
    levels = compute_levels(snapshots()[0])
    first = rows.filter(pl.col("observed_at") == OBSERVED_AT).with_columns(pl.col("kind").cast(pl.String))
    strikes = first.filter(pl.col("kind") == "strike")
    assert strikes["price"].to_list() == [95.0, 100.0, 105.0]
    assert strikes["naive_gex_call_usd_per_1pct"].to_list() == levels.own.strikes.call.tolist()
    assert strikes["naive_gex_abs_usd_per_1pct"].to_list() == levels.own.strikes.absolute.tolist()
    assert strikes["vendor_gex_net_usd_per_1pct"].to_list() == levels.vendor.strikes.net.tolist()
    assert (strikes["oi_call"].to_list(), strikes["oi_put"].to_list()) == ([0, 10, 6], [9, 12, 0])
    profile = first.filter(pl.col("kind") == "level")
    assert profile["naive_gex_net_usd_per_1pct"].to_list() == levels.profile_net.tolist()
    (expiry,) = first.filter(pl.col("kind") == "expiry").iter_rows(named=True)
    assert (expiry["expiry"], expiry["settle_style"], expiry["dte_days"]) == (date(2025, 3, 21), "PM", 11)
    assert (expiry["max_pain"], expiry["zero_gamma"]) == (levels.max_pain[0], levels.flip.zero_gamma)
    assert expiry["settlement_at"] == datetime(2025, 3, 21, 20, tzinfo=UTC)


@BUILDERS
def test_g3_measured_facts_equal_built_facts_and_checks_pass(store, builder_of) -> None:
    lake = store(*snapshots(3))
    result = build_day(builder_of(lake), DAY, lake)
    assert builder_of(lake).measure(DAY) == result.facts
    assert {check.name for check in result.checks} == set(builder_of(lake).CHECKS)
    failed = [check.name for check in result.checks if not check.passed]
    assert failed == (["vendor_gap_small"] if builder_of is levels_builder else [])


@BUILDERS
def test_g3_a_rerun_is_skipped_and_a_forced_one_gives_the_same_bytes(store, builder_of) -> None:
    lake = store(*snapshots())
    first = build_day(builder_of(lake), DAY, lake)
    digest = hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert build_day(builder_of(lake), DAY, lake).outcome is Outcome.SKIP
    forced = build_day(builder_of(lake), DAY, lake, force=True)
    assert (forced.outcome, forced.fingerprint) == (Outcome.WRITE, first.fingerprint)
    assert hashlib.sha256(forced.path.read_bytes()).hexdigest() == digest


@BUILDERS
def test_g3_a_changed_chain_makes_the_day_stale(store, builder_of) -> None:
    lake = store(*snapshots(1))
    first = build_day(builder_of(lake), DAY, lake)
    store(*snapshots(2))
    second = build_day(builder_of(lake), DAY, lake)
    assert (second.outcome, second.fingerprint != first.fingerprint) == (Outcome.WRITE, True)


@BUILDERS
def test_g3_missing_chains_are_an_outcome_with_the_command_that_helps(lake, builder_of) -> None:
    result = build_day(builder_of(lake), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.MISSING, "E480")
    assert result.error.next_command == "tp backfill SPX/chain --from 2025-03-10 --to 2025-03-10"
    early = build_day(builder_of(lake, datetime(2025, 3, 10, 13, 29, tzinfo=UTC)), DAY, lake)
    assert (early.outcome, early.error.code) == (Outcome.PENDING, "E484")
    assert build_day(builder_of(lake), HOLIDAY, lake).outcome is Outcome.CLOSED


@BUILDERS
def test_g3_an_empty_chain_gives_an_empty_day(store, builder_of) -> None:
    lake = store(outcome=Outcome.EMPTY, reason="the file holds no rows")
    result = build_day(builder_of(lake), DAY, lake)
    assert (result.outcome, result.rows, result.reason) == (Outcome.EMPTY, 0, "the file holds no rows")
    assert builder_of(lake).measure(DAY) == {}


@BUILDERS
def test_g3_synthetic_chains_make_synthetic_levels(store, builder_of) -> None:
    lake = store(*snapshots(1), synthetic=True)
    assert build_day(builder_of(lake), DAY, lake).synthetic is True


@BUILDERS
def test_g3_an_unusable_snapshot_does_not_hold_up_the_others(store, builder_of) -> None:
    good = snapshots(1)[0]
    later = OBSERVED_AT + timedelta(minutes=1)
    lake = store(
        good,
        chain(LINES, spot=None, observed_at=later),
        chain([settled(call(100))], observed_at=later + timedelta(minutes=1)),
    )
    result = build_day(builder_of(lake), DAY, lake)
    assert (result.outcome, result.facts["unusable_snapshots"]) == (Outcome.WRITE, {"E481": 1, "E482": 1})
    assert result.facts["snapshots"] == 1
    assert [check.name for check in result.checks if not check.passed and check.name == "snapshots_usable"] == [
        "snapshots_usable"
    ]
    assert builder_of(lake).measure(DAY) == result.facts


@BUILDERS
def test_g3_a_day_without_any_usable_snapshot_fails_with_its_number(store, builder_of) -> None:
    lake = store(chain([settled(call(100))]))
    result = build_day(builder_of(lake), DAY, lake)
    assert (result.outcome, result.error.code) == (Outcome.ERROR, "E482")
    assert result.error.next_command == (
        'tp sql "select observed_at, source, spot, max(settlement_at) as last_settlement from chain '
        "where symbol = 'SPX' and trade_date = '2025-03-10' group by all order by all\""
    )


@BUILDERS
def test_g3_a_chain_replaced_while_levels_are_made_is_seen(store, builder_of) -> None:
    lake = store(*snapshots(1))
    builder = builder_of(lake)
    plan = builder.plan(DAY)
    store(*snapshots(2))
    with lake.begin(builder.contract, "SPX", DAY) as writer, pytest.raises(ChainReplacedError) as refused:
        builder.build(plan, writer)
    assert refused.value.code == "E483"


def test_g3_snapshots_of_two_sources_at_one_time_are_two_rows(store) -> None:
    one, other = chain(LINES), chain(LINES, spot=101.0, source="ib")
    lake = store(one, other)
    assert build_day(levels_builder(lake), DAY, lake).rows == 2
    rows = lake.read("gex_levels", "SPX", DAY)
    assert [(str(source), spot) for source, spot in rows.select("source", "spot").iter_rows()] == [
        ("cboe", 100.0),
        ("ib", 101.0),
    ]


def test_g6_the_preview_holds_levels_until_the_next_snapshot(store) -> None:
    lake = store(*snapshots(2))
    preview = build_day(levels_builder(lake), DAY, lake).preview
    rows = lake.read("gex_levels", "SPX", DAY)
    assert set(preview.lines) == {"zero gamma", "call wall", "put wall"}
    assert (len(preview.price), preview.volume.sum()) == (len(preview.lines["zero gamma"]), 0)
    known = preview.price[~np.isnan(preview.price)]
    assert known.tolist() == [100.0, 101.0]
    assert preview.lines["zero gamma"][-1] == rows["naive_zero_gamma"][-1]
    first = int((OBSERVED_AT.timestamp() * 1e6 - preview.start_us) // preview.step_us)
    assert first > 0
    assert np.isnan(preview.lines["put wall"][first - 1])
    assert preview.lines["put wall"][first] == rows["naive_put_wall_band"][0]


def facts_of(store: Store) -> tuple[dict, dict]:
    lake = store(*snapshots(1))
    return (
        dict(build_day(levels_builder(lake), DAY, lake).facts),
        dict(build_day(profile_builder(lake), DAY, lake).facts),
    )


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"totals_error": 1e-6}, "totals_equal_live_rows"),
        ({"nonfinite_n": 1}, "numbers_are_finite"),
        ({"wrong_sign_n": 1}, "sides_have_their_sign"),
        ({"unusable_snapshots": {"E481": 1}}, "snapshots_usable"),
        ({"vendor_gap_pct_max": 15.1}, "vendor_gap_small"),
        ({"oi_dropped_pct_max": 5.1}, "volatility_known"),
        ({"oi_unknown_pct_max": 1.1}, "open_interest_known"),
        ({"duplicated_n": 1}, "contracts_once"),
        ({"gamma_zero_n": 3}, "vendor_gamma_known"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_g3_one_fault_fails_one_check(store, change, failed) -> None:
    facts, _ = facts_of(store)
    facts["vendor_gap_pct_max"] = 1.0
    assert all(check.passed for check in check_levels(facts))
    assert [check.name for check in check_levels({**facts, **change}) if not check.passed] == [failed]


def test_g3_a_profile_whose_sums_disagree_fails(store) -> None:
    _, facts = facts_of(store)
    assert all(check.passed for check in check_profile(facts))
    failed = [check.name for check in check_profile({**facts, "strikes_error": 1e-3}) if not check.passed]
    assert failed == ["strikes_equal_expiries"]
    assert (check_levels({"snapshots": 0}), check_profile({})) == ((), ())
