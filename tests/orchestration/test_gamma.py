"""Gamma exposure through Dagster: from files of the feed and chains to enriched bars, with missing days and without any file (G5, B2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from structlog.testing import capture_logs

from assets.coverage import series_of
from jobs.daily import TAG_LEFT_OUT
from jobs.planning import DayState, Mode
from resources import ClockResource
from trading_platform.home import create_home
from trading_platform.instruments import load_registry
from trading_platform.lake.building import Outcome

from .conftest import SmallPlatform
from .gamma_home import MONDAY, THREE_DAYS, TUESDAY, WEDNESDAY, feed_of, gamma_home, write_feed
from .test_daily_ingest import Scheduled
from .ticks_only import range_tags, run_assets, ticks_home

BARS = ("MNQ/ticks", "MNQ/bars_1s", "MNQ/bars_1m")
FROM_FEED = (
    "NQ_NDX/gex_snapshots",
    "NQ_NDX/gex_strikes",
    "NQ_NDX/gex_regimes",
    "MNQ/gex_alignment",
    "MNQ/enriched_bars",
)
LATER = "2025-03-13T12:00:00+00:00"
MakeGamma = Callable[..., SmallPlatform]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[MakeGamma]:
    """Return a maker of gamma homes whose clock stands after the last of the three days."""
    with dg.DagsterInstance.ephemeral() as instance:

        def make(*, at: str = LATER, **files: Any) -> SmallPlatform:
            return SmallPlatform(gamma_home(tmp_path, **files), instance, {"clock": ClockResource(fixed_at=at)})

        yield make


def run(platform: SmallPlatform, *assets: str, days: tuple[date, ...] = THREE_DAYS, **options: Any) -> dict[str, Any]:
    return platform.backfill(*assets, first=days[0], last=days[-1], **options)


def outcomes(reports: dict[str, Any], name: str) -> list[Outcome]:
    return [result.outcome for result in reports[name].results]


def states(reports: dict[str, Any], name: str) -> list[DayState]:
    return [day.state for day in reports[name].planned]


def test_g5_files_become_enriched_bars_through_dagster(platform: MakeGamma, tmp_path: Path) -> None:
    made = platform(feed=THREE_DAYS, chains=(TUESDAY, WEDNESDAY))
    reports = run(made)
    assert {
        name: [str(one.error) for one in report.failures] for name, report in reports.items() if report.failures
    } == {}
    assert not any(report.blocked for report in reports.values())
    for name in ("gex_snapshots", "gex_strikes", "gex_regimes"):
        assert outcomes(reports, f"NQ_NDX/{name}") == [Outcome.WRITE] * 3, name
    for name in ("chain_cboe", "chain", "gex_levels", "gex_profile", "gex_regimes"):
        assert [result.trade_date for result in reports[f"SPX/{name}"].results] == [TUESDAY, WEDNESDAY], name
        assert states(reports, f"SPX/{name}")[0] is DayState.NOT_RECORDED
    assert outcomes(reports, "MNQ/enriched_bars") == [Outcome.WRITE] * 3
    rows = made.lake.read("enriched_bars", "MNQ", TUESDAY)
    assert rows.height == 23 * 3_600
    noon = datetime(2025, 3, 11, 16, 0, 29, tzinfo=UTC)
    (row,) = rows.filter(pl.col("ts") == noon).to_dicts()
    snapshot = feed_of(tmp_path / "gex", TUESDAY)[int(noon.timestamp()) - 29]
    assert row["source_snapshot_ts"] == noon - timedelta(seconds=29)
    assert (row["gex_age_ms"], row["gex_gap"]) == (29_000, False)
    for column, key in (("spot", "spot"), ("zero_gamma", "zero_gamma"), ("major_pos_vol_strike", "major_pos_vol")):
        assert row[column] == snapshot[key], column
    assert row["basis"] == pytest.approx(row["close"] - snapshot["spot"])
    # The evening shows the last snapshot of Monday and says that it is stale.
    (evening,) = rows.filter(pl.col("ts") == datetime(2025, 3, 11, 2, tzinfo=UTC)).to_dicts()
    assert evening["gex_gap"]


def test_g5_ticks_and_their_snapshots_agree_row_by_row(platform: MakeGamma, tmp_path: Path) -> None:
    made = platform(feed=THREE_DAYS)
    run(made, "MNQ/ticks", "NQ_NDX/gex_snapshots", "MNQ/gex_alignment")
    ticks = made.lake.read("ticks", "MNQ", TUESDAY)
    aligned = made.lake.read("gex_alignment", "MNQ", TUESDAY)
    assert aligned.height == ticks.height
    times = sorted(feed_of(tmp_path / "gex", TUESDAY))
    snapshots = made.lake.read("gex_snapshots", "NQ_NDX", TUESDAY)
    for ts, row in zip(ticks["ts"].to_list(), aligned.to_dicts(), strict=True):
        known = [datetime.fromtimestamp(second, UTC) for second in times if second <= ts.timestamp()]
        if not known:
            assert row["from_previous"] or row["snapshot_row"] is None
            continue
        assert snapshots["ts"][row["snapshot_row"]] == known[-1]
        assert row["gex_age_ms"] == (ts - known[-1]) // timedelta(milliseconds=1)


def test_b2_a_missing_feed_day_gives_nulls_and_turns_stale_when_it_arrives(platform: MakeGamma, tmp_path: Path) -> None:
    made = platform(feed=(MONDAY, WEDNESDAY))
    reports = run(made, "MNQ/ticks", "MNQ/bars_1s", *FROM_FEED)
    assert outcomes(reports, "NQ_NDX/gex_snapshots") == [Outcome.WRITE, Outcome.MISSING, Outcome.WRITE]
    for name in ("gex_alignment", "enriched_bars"):
        assert outcomes(reports, f"MNQ/{name}") == [Outcome.WRITE] * 3, name
        assert not reports[f"MNQ/{name}"].blocked
    # What cannot be made without the feed waits for it.
    (blocked,) = reports["NQ_NDX/gex_regimes"].blocked
    assert (blocked.trade_date, blocked.why) == (TUESDAY, "NQ_NDX/gex_snapshots of that day is not there")
    before = made.lake.read("enriched_bars", "MNQ", TUESDAY)
    shown = before.filter(pl.col("ts") >= datetime(2025, 3, 11, 13, 30, tzinfo=UTC))
    assert shown["gex_gap"].all()
    assert before["close"].null_count() < before.height
    write_feed(tmp_path / "gex", [TUESDAY])
    again = run(made, *FROM_FEED)
    assert states(again, "NQ_NDX/gex_snapshots") == [DayState.CURRENT, DayState.MISSING, DayState.CURRENT]
    # Wednesday looks back to Tuesday for what was known before its opening.
    for name in ("gex_alignment", "enriched_bars"):
        assert states(again, f"MNQ/{name}") == [DayState.CURRENT, DayState.STALE, DayState.STALE], name
    after = made.lake.read("enriched_bars", "MNQ", TUESDAY)
    assert before.schema == after.schema
    filled = after.filter(
        pl.col("ts") >= datetime(2025, 3, 11, 13, 30, tzinfo=UTC), pl.col("ts") < datetime(2025, 3, 11, 20, tzinfo=UTC)
    )
    assert filled["spot"].null_count() == 0
    assert not filled["gex_gap"].any()
    assert not any(report.results for report in run(made, *FROM_FEED).values())


def test_b2_enrichment_is_made_alone_but_never_without_bars(platform: MakeGamma) -> None:
    made = platform(feed=(WEDNESDAY,))
    reports = run(made, "MNQ/enriched_bars")
    assert [day.why for day in reports["MNQ/enriched_bars"].blocked] == [
        f"MNQ/bars_1s of that day is not there; next: tp backfill MNQ/ticks MNQ/bars_1s MNQ/enriched_bars --day {day}"
        for day in THREE_DAYS
    ]
    run(made, "MNQ/ticks", "MNQ/bars_1s")
    assert outcomes(run(made, "MNQ/enriched_bars"), "MNQ/enriched_bars") == [Outcome.WRITE] * 3


def test_b2_without_any_gamma_file_nothing_is_red(tmp_path: Path) -> None:
    home = ticks_home(tmp_path, THREE_DAYS, active=("MNQ", "SPX"))
    with dg.DagsterInstance.ephemeral() as instance:
        made = SmallPlatform(home, instance, {"clock": ClockResource(fixed_at=LATER)})
        reports = run(made, "MNQ/ticks", "MNQ/bars*", "*/gex_*", "*/chain*", "*/enriched_bars")
        assert outcomes(reports, "MNQ/bars_1s") == [Outcome.WRITE] * 3
        gamma = {name: report for name, report in reports.items() if "bars_1" not in name and "ticks" not in name}
        assert len(gamma) == 12
        for name, report in gamma.items():
            assert not report.results, name
            assert set(states(reports, name)) == {DayState.NOT_RECORDED}, name
        freshness = made.defs.resolve_job_def("freshness")
        done = freshness.execute_in_process(instance=instance)
        late = {e.asset_key.to_user_string() for e in done.get_asset_check_evaluations() if not e.passed}
        assert {name for name in late if not name.startswith("MNQ/bars_1") and name != "MNQ/ticks"} == set()
        board = made.defs.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection={dg.AssetKey(["lake", "coverage"])}
        )
        metadata = (
            board.execute_in_process(instance=instance).asset_materializations_for_node("lake__coverage")[0].metadata
        )
        assert not {"missing_days", "refresh_failed_days", "stale_days"} & set(metadata)


def test_b2_forced_enrichment_without_a_feed_is_bars_with_nulls(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        made = SmallPlatform(ticks_home(tmp_path, THREE_DAYS), instance, {"clock": ClockResource(fixed_at=LATER)})
        run(made, "MNQ/ticks", "MNQ/bars_1s")
        reports = run(made, "MNQ/enriched_bars", days=(TUESDAY,), mode=Mode.FORCE)
        assert outcomes(reports, "MNQ/enriched_bars") == [Outcome.WRITE]
        rows = made.lake.read("enriched_bars", "MNQ", TUESDAY)
        assert (rows.height, rows["spot"].null_count()) == (23 * 3_600, 23 * 3_600)


@pytest.fixture
def scheduled(tmp_path: Path) -> Iterator[Callable[..., Scheduled]]:
    """Return a maker of gamma homes with a schedule; it opens its instance anew, so that lies on the disk."""
    folder = tmp_path / "instance"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder), overrides={"telemetry": {"enabled": False}}) as instance:
        yield lambda **files: Scheduled(gamma_home(tmp_path, **files), instance)


def requests_of(one: Scheduled, local_time: str) -> list[dg.RunRequest]:
    with capture_logs():
        return list(one.tick(local_time).run_requests or ())


def chosen_by(one: Scheduled, request: dg.RunRequest) -> set[str]:
    keys = request.asset_selection or one.defs.resolve_asset_graph().get_all_asset_keys()
    return {key.to_user_string() for key in keys}


@pytest.mark.parametrize("feed", [(), (MONDAY, TUESDAY)], ids=["no feed", "feed of today not downloaded yet"])
def test_p6_the_daily_ingest_waits_for_no_gamma_file(
    scheduled: Callable[..., Scheduled], feed: tuple[date, ...]
) -> None:
    one = scheduled(feed=feed)
    one.store([*BARS, *(FROM_FEED if feed else ())], MONDAY, TUESDAY)
    (request,) = requests_of(one, "2025-03-12 18:30")
    assert request.partition_key == str(WEDNESDAY)
    chosen = chosen_by(one, request)
    assert {"MNQ/ticks", "MNQ/bars_1s"} <= chosen
    brought = {"NQ_NDX/gex_snapshots", "NQ_NDX/gex_strikes", "NQ_NDX/gex_regimes", "SPX/chain_cboe", "SPX/gex_levels"}
    assert not brought & chosen
    assert all(name in request.tags[TAG_LEFT_OUT] for name in brought)
    # With a feed the day is enriched as far as it goes; the rest comes when the file is there.
    assert ({"MNQ/enriched_bars", "MNQ/gex_alignment"} <= chosen) is bool(feed)
    assert run_assets(one.defs, one.platform.instance, sorted(chosen), {"dagster/partition": str(WEDNESDAY)})


def test_p6_a_feed_file_that_came_later_is_requested_by_the_next_ingest(
    scheduled: Callable[..., Scheduled], tmp_path: Path
) -> None:
    one = scheduled(feed=(MONDAY,))
    one.store([*BARS, *FROM_FEED], MONDAY, MONDAY)
    one.store([*BARS, "MNQ/gex_alignment", "MNQ/enriched_bars"], TUESDAY, TUESDAY)
    assert [request.partition_key for request in requests_of(one, "2025-03-12 18:30")] == [str(WEDNESDAY)]
    write_feed(tmp_path / "gex", [TUESDAY])
    with capture_logs() as logs:
        requests = list(one.tick("2025-03-12 18:30").run_requests or ())
    # That is no gap in the ingest, so nobody is alarmed.
    assert not logs
    assert [request.partition_key for request in requests] == [str(TUESDAY), str(WEDNESDAY)]
    assert {"NQ_NDX/gex_snapshots", "MNQ/enriched_bars", "NQ_NDX/gex_regimes"} <= chosen_by(one, requests[0])


def test_p9_pages_show_levels_profile_and_regimes_as_pictures(platform: MakeGamma) -> None:
    made = platform(feed=(TUESDAY,), chains=(TUESDAY,))
    names = [*BARS, *FROM_FEED, *(f"SPX/{name}" for name in ("chain_cboe", "chain", "gex_levels", "gex_profile"))]
    assert run_assets(made.defs, made.instance, names, range_tags(TUESDAY, TUESDAY))
    shown = {
        "MNQ/enriched_bars": "levels_over_price",
        "SPX/gex_levels": "levels_over_price",
        "SPX/gex_profile": "gamma_profile",
        "NQ_NDX/gex_regimes": "regimes",
        "NQ_NDX/gex_snapshots": "price_and_volume",
    }
    for name, entry in shown.items():
        event = made.instance.get_latest_materialization_event(dg.AssetKey(name.split("/")))
        metadata = event.asset_materialization.metadata  # type: ignore[union-attr]
        picture = metadata[entry].value
        assert len(picture) < 1_000, name
        assert "SYNTHETIC%20DATA" in picture, name
        assert len(dg.serialize_value(event)) < 16_000, name


def test_c1_days_without_a_saved_chain_are_no_holes_on_the_board(platform: MakeGamma) -> None:
    made = platform(feed=THREE_DAYS, chains=(MONDAY, WEDNESDAY))
    rows = {
        row.name: row
        for row in series_of(made.defs.resolve_all_asset_specs(), load_registry(made.home.instruments_toml))
    }
    for name in ("chain_cboe", "chain", "gex_levels", "gex_profile", "gex_regimes"):
        assert rows[f"SPX/{name}"].on_demand, name
    assert not any(rows[name].on_demand for name in ("NQ_NDX/gex_regimes", "NQ_NDX/gex_snapshots", "MNQ/enriched_bars"))
    assert [name for name, row in rows.items() if row.recorded and name.startswith("NQ_NDX")] == [
        "NQ_NDX/gex_snapshots",
        "NQ_NDX/gex_strikes",
        "NQ_NDX/gex_regimes",
    ]
    assert not rows["MNQ/enriched_bars"].recorded
    assert rows["MNQ/enriched_bars"].optional == ("NQ_NDX/gex_snapshots",)


def test_g5_a_demo_reads_no_gamma_folder_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from definitions import build_defs

    monkeypatch.setenv("TP_GEX_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("TP_CHAIN_DIR", str(tmp_path / "mine"))
    real = create_home(tmp_path / "real", gex_dir=tmp_path / "a", chain_dir=tmp_path / "b")
    demo = create_home(tmp_path / "demo", demo=True, gex_dir=tmp_path / "a", chain_dir=tmp_path / "b")
    for home, wanted in ((real, ("mine", "mine")), (demo, ("a", "b"))):
        gamma = (build_defs(home).resources or {})["gamma"]
        assert (Path(gamma.feed_directory).name, Path(gamma.chain_directory).name) == wanted
