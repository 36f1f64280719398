"""The sensor for gamma files: which days it requests when a file of the feed or a saved chain comes, changes or goes (P7, G5)."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import structlog

from assets.builders import Workbench
from jobs.claims import claim, partition_name
from jobs.gamma_cursor import FilesOfDay, GammaCursor
from jobs.gamma_watching import Folder, Watched, remember, sight
from jobs.planning import Mode, plan_days
from jobs.refresh import MAX_ATTEMPTS, RefreshSettings
from jobs.watch_cursor import PendingDay
from sensors.new_gamma_files import ALERTS, new_gamma_files_sensors
from trading_platform.errors import ExecutionError
from trading_platform.simulation import write_demo_chains

from .conftest import SmallPlatform
from .gamma_home import MONDAY, THREE_DAYS, TUESDAY, WEDNESDAY, gamma_home, write_feed
from .test_sensors import Watch, asked
from .ticks_only import range_tags, resources_of

AFTER = datetime(2025, 3, 15, 16, tzinfo=UTC)
BARS = ("MNQ/ticks", "MNQ/bars_1s")
FEED = ("NQ_NDX/gex_snapshots", "NQ_NDX/gex_strikes")
FROM_FEED = (*FEED, "NQ_NDX/gex_regimes")
WITH_TICKS = (*FEED, "MNQ/gex_alignment", "MNQ/enriched_bars", "NQ_NDX/gex_regimes")
ENRICHED = ("MNQ/gex_alignment", "MNQ/enriched_bars")
FROM_CHAINS = ("SPX/chain_cboe", "SPX/chain", "SPX/gex_levels", "SPX/gex_profile", "SPX/gex_regimes")
Make = Callable[..., "GammaWatch"]


class GammaWatch(Watch):
    """A platform with gamma files under the eyes of their sensor, which lives from look to look as in the daemon."""

    def __init__(self, platform: SmallPlatform, now: datetime = AFTER) -> None:
        super().__init__(platform, now)
        dated = [asset for asset in self.defs.assets or [] if asset.key.path[0] != "lake"]
        pace = RefreshSettings(live_interval_s=300, retry_pause_s=60)
        (self._sensor,) = new_gamma_files_sensors(dated, platform.home.claims_dir, pace, interval_s=30)

    @property
    def feed(self) -> Path:
        assert self.platform.home.gex_dir is not None
        return self.platform.home.gex_dir

    @property
    def chains(self) -> Path:
        assert self.platform.home.chain_dir is not None
        return self.platform.home.chain_dir

    def look(self) -> list[dg.RunRequest]:
        with dg.build_sensor_context(
            instance=self.platform.instance,
            cursor=self.cursor,
            repository_def=self.defs.get_repository_def(),
            resources=resources_of(self.defs),
        ) as context:
            result = self._sensor.evaluate_tick(context)
        assert result.cursor
        self.cursor, self.text = result.cursor, result.skip_message or ""
        return list(result.run_requests or [])

    def pending(self) -> dict[str, dict[date, PendingDay]]:
        return {asset: days for asset, days in GammaCursor.parse(self.cursor or "").pending.items() if days}

    def make(self, names: Sequence[str], first: date = MONDAY, last: date = WEDNESDAY) -> None:
        assert self.run_assets(names, range_tags(first, last))

    def runs_until_quiet(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Look and run until three looks ask for nothing; return what was asked for."""
        found: list[tuple[str, str, tuple[str, ...]]] = []
        while requests := self.settle():
            found += asked(requests)
            assert all(self.run(requests))
        return found

    def to_do(self, names: Sequence[str], days: Sequence[date] = THREE_DAYS) -> list[str]:
        """Return what the planner of ``tp backfill`` would run."""
        workbench = Workbench.of(self.defs)
        return [
            f"{name} {planned.trade_date}"
            for name in names
            for planned in plan_days(
                dg.AssetKey(name.split("/")), workbench, self.platform.instance, days, Mode.DEFAULT
            )
            if planned.is_to_run
        ]


@pytest.fixture
def watch_of(tmp_path: Path) -> Iterator[Make]:
    """Return a maker of watched gamma homes that were not looked at yet."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield lambda now=AFTER, **files: GammaWatch(SmallPlatform(gamma_home(tmp_path, **files), instance, {}), now)


@pytest.fixture
def watch(watch_of: Make) -> GammaWatch:
    """Return a platform with a feed of two days stored, no ticks, and the folders seen once."""
    made = watch_of(feed=(MONDAY, TUESDAY))
    made.make(FEED, MONDAY, TUESDAY)
    assert made.look() == []
    return made


@pytest.fixture
def enriched(watch_of: Make) -> GammaWatch:
    """Return the same with ticks of three days, all of them enriched."""
    made = watch_of(feed=(MONDAY, TUESDAY))
    made.make(BARS)
    made.make(WITH_TICKS, MONDAY, TUESDAY)
    made.make(ENRICHED, WEDNESDAY, WEDNESDAY)
    assert made.look() == []
    return made


def one(day: date, names: Sequence[str]) -> tuple[str, str, tuple[str, ...]]:
    return (day.isoformat(), day.isoformat(), tuple(names))


def feed_file(watch: GammaWatch, day: date) -> Path:
    (found,) = watch.feed.rglob(f"{day}_NQ_NDX_classic_gex_full.json*")
    return found


def raise_spot(path: Path, points: float = 1.0, *, to: Path | None = None) -> None:
    """Change the spot of one snapshot around noon; in place, or by another file that takes the place of the old one."""
    snapshots: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))
    snapshots[len(snapshots) // 2]["spot"] += points
    save(snapshots, path if to is None else to)
    if to is not None:
        to.replace(path)


def save(snapshots: Sequence[dict[str, Any]], path: Path) -> None:
    path.write_bytes(gzip.compress(json.dumps(snapshots).encode(), 1))


# Files of the feed


def test_p7_first_sight_of_gamma_folders_requests_nothing_and_says_what_to_do(watch_of: Make) -> None:
    unseen = watch_of(feed=(MONDAY, TUESDAY), chains=(TUESDAY,))
    assert unseen.look() == []
    assert "gamma feed: watching 2 files; first sight of NQ_NDX/gex_snapshots" in unseen.text
    assert "first sight of SPX/chain_cboe" in unseen.text
    assert "tp backfill" in unseen.text
    assert unseen.settle() == []
    assert unseen.text == "gamma feed: watching 2 files; option chains: watching 3 files"


def test_p7_without_folders_the_sensor_says_so_and_does_nothing(tmp_path: Path) -> None:
    from .ticks_only import ticks_home

    with dg.DagsterInstance.ephemeral() as instance:
        watch = GammaWatch(SmallPlatform(ticks_home(tmp_path, THREE_DAYS, active=("MNQ", "SPX")), instance, {}))
        assert watch.settle() == []
        assert watch.text == "no folder for the gamma feed; no folder for the option chains"


def test_g5_unchanged_folders_compare_nothing(watch: GammaWatch) -> None:
    before = watch.cursor
    watch.passes(seconds=30)
    assert watch.look() == []
    assert watch.text == "gamma feed: watching 2 files; option chains: watching 0 files"
    assert watch.cursor == before


def test_g5_new_feed_file_requests_its_day_with_all_that_is_made_from_it_once(enriched: GammaWatch) -> None:
    watch = enriched
    write_feed(watch.feed, [WEDNESDAY])
    watch.passes(seconds=30)
    assert watch.look() == []
    assert "still changing: NQ_NDX/gex_snapshots 2025-03-12" in watch.text
    requests = watch.settle()
    assert asked(requests) == [one(WEDNESDAY, WITH_TICKS)]
    watch.passes(seconds=30)
    assert watch.look() == []  # its run has not begun yet
    assert watch.run(requests) == [True]
    assert watch.runs_until_quiet() == []
    assert watch.pending() == {}
    assert watch.to_do(WITH_TICKS) == []


def test_b3_the_day_after_a_changed_file_is_enriched_anew_because_it_looks_back(enriched: GammaWatch) -> None:
    watch = enriched
    raise_spot(feed_file(watch, TUESDAY))
    assert watch.runs_until_quiet() == [
        one(TUESDAY, WITH_TICKS),
        *(one(WEDNESDAY, (name,)) for name in ENRICHED),
    ]
    assert watch.to_do(ENRICHED) == []
    assert watch.pending() == {}


def test_g5_several_new_days_are_one_request(watch_of: Make) -> None:
    watch = watch_of()
    assert watch.look() == []
    write_feed(watch.feed, THREE_DAYS)
    # Nobody has the ticks of these days, so there is nothing to enrich.
    assert watch.runs_until_quiet() == [(str(MONDAY), str(WEDNESDAY), FROM_FEED)]


def test_t2_replaced_and_rewritten_feed_files_request_exactly_their_days(watch: GammaWatch) -> None:
    before = watch.platform.hashes()
    raise_spot(feed_file(watch, MONDAY), to=watch.feed / ".download.part")
    assert asked(watch.settle()) == [one(MONDAY, FROM_FEED)]
    assert watch.platform.hashes() == before


def test_t2_touched_and_copied_feed_files_are_compared_and_request_nothing(watch: GammaWatch) -> None:
    os.utime(feed_file(watch, MONDAY), ns=(1, 1))
    copy = watch.feed / ".copy.tmp"
    copy.write_bytes(feed_file(watch, TUESDAY).read_bytes())
    copy.replace(feed_file(watch, TUESDAY))
    watch.passes(seconds=30)
    assert watch.look() == []
    watch.passes(seconds=30)
    assert watch.look() == []
    assert "changed: NQ_NDX/gex_snapshots 2025-03-10 to 2025-03-11;" in watch.text
    assert "2 days compared, 2 as they were" in watch.text
    assert watch.pending() == {}


def test_p7_feed_file_being_copied_is_left_until_it_is_still(watch: GammaWatch) -> None:
    write_feed(watch.feed, [WEDNESDAY])
    path = feed_file(watch, WEDNESDAY)
    content = path.read_bytes()
    for part in range(1, 9):  # slower than any limit of time
        path.write_bytes(content[: part * len(content) // 9])
        watch.passes(minutes=2)
        assert watch.look() == []
        assert "still changing: NQ_NDX/gex_snapshots 2025-03-12" in watch.text
    path.write_bytes(content)
    assert asked(watch.settle()) == [one(WEDNESDAY, FROM_FEED)]


def test_p7_days_of_the_past_that_were_never_made_are_not_requested(watch_of: Make) -> None:
    unseen = watch_of(feed=THREE_DAYS)
    unseen.look()
    raise_spot(feed_file(unseen, MONDAY))
    below = unseen.feed / "2025"
    below.mkdir()
    feed_file(unseen, TUESDAY).rename(below / feed_file(unseen, TUESDAY).name)  # tidied up, not new
    assert unseen.settle() == []
    assert unseen.pending() == {}


def test_p7_vanished_feed_file_is_reported_once_and_its_day_is_kept(watch: GammaWatch) -> None:
    path, before = feed_file(watch, TUESDAY), watch.platform.hashes()
    content = path.read_bytes()
    path.unlink()
    with structlog.testing.capture_logs() as logs:
        assert watch.settle() == []
    assert [(line["files"], line["runbook"]) for line in logs if line["event"] == "source_files_gone"] == [
        (["NQ_NDX/gex_snapshots 2025-03-11"], ALERTS["source_files_gone"])
    ]
    assert "gone (their stored days are kept): NQ_NDX/gex_snapshots 2025-03-11" in watch.text
    path.write_bytes(content)
    assert watch.settle() == []
    assert "gone" not in watch.text
    assert watch.platform.hashes() == before


def test_p7_feed_folder_that_cannot_be_read_keeps_the_memory_and_does_not_hold_up_chains(watch: GammaWatch) -> None:
    raise_spot(feed_file(watch, MONDAY))
    watch.passes(seconds=30)
    watch.look()
    away = watch.feed.with_name("unmounted")
    watch.feed.rename(away)
    write_demo_chains(watch.chains, [TUESDAY])
    with structlog.testing.capture_logs() as logs:
        assert asked(watch.settle()) == [one(TUESDAY, FROM_CHAINS)]
        watch.passes(seconds=30)
        watch.look()
    assert [line["code"] for line in logs if line["event"] == "source_folder_lost"] == ["E263"]
    assert "E263" in watch.text
    away.rename(watch.feed)
    assert asked(watch.settle()) == [one(MONDAY, FROM_FEED)]


def test_g5_a_category_that_is_there_twice_is_named_and_requested_when_one_of_them_is_gone(watch: GammaWatch) -> None:
    path = feed_file(watch, MONDAY)
    second = path.with_name(f"copy of {path.name}")
    second.write_bytes(path.read_bytes())
    raise_spot(path)
    assert watch.settle() == []
    assert "cannot be compared: NQ_NDX/gex_snapshots 2025-03-10 (E264)" in watch.text
    second.unlink()
    assert asked(watch.settle()) == [one(MONDAY, FROM_FEED)]


def test_p7_failing_feed_day_is_tried_three_times_then_left_alone_until_its_file_is_another_one(
    watch: GammaWatch,
) -> None:
    path = feed_file(watch, MONDAY)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    tried = 0
    with structlog.testing.capture_logs() as logs:
        for _ in range(30):
            watch.passes(seconds=30)
            requests = watch.look()
            assert asked(requests) in ([], [one(MONDAY, FROM_FEED)])
            tried += len(requests)
            watch.run(requests)
    assert tried == MAX_ATTEMPTS
    (line,) = [line for line in logs if line["event"] == "day_given_up"]
    assert (line["code"], line["next"]) == (
        "E606",
        "tp backfill 'NQ_NDX/*' 'MNQ/*' --from 2025-03-10 --to 2025-03-10",
    )
    assert watch.text.endswith("left alone: NQ_NDX/gex_snapshots 2025-03-10 (E262)")
    path.write_bytes(good)
    assert asked(watch.settle()) == [one(MONDAY, FROM_FEED)]


def test_p7_gamma_days_of_a_running_backfill_wait_for_it(watch: GammaWatch) -> None:
    raise_spot(feed_file(watch, MONDAY))
    with claim(watch.platform.home.claims_dir, [partition_name("NQ_NDX/gex_regimes", MONDAY.isoformat())]):
        assert watch.settle() == []
        assert "NQ_NDX/gex_snapshots 2025-03-10 waits for a running backfill" in watch.text
    assert asked(watch.settle()) == [one(MONDAY, FROM_FEED)]


def test_p7_feed_file_of_the_running_session_is_refreshed_every_five_minutes_and_once_after_its_end(
    watch_of: Make,
) -> None:
    live = watch_of(now=datetime(2025, 3, 12, 15, tzinfo=UTC), feed=(WEDNESDAY,))
    path = feed_file(live, WEDNESDAY)
    snapshots = json.loads(gzip.decompress(path.read_bytes()))
    path.unlink()
    live.look()
    when = []
    start = live.now
    while live.now < start + timedelta(minutes=14):
        past = [snapshot for snapshot in snapshots if snapshot["timestamp"] <= live.now.timestamp()]
        part = live.feed / ".part"
        save(past, part)
        part.replace(path)
        for _ in range(2):
            live.passes(seconds=30)
            if requests := live.look():
                assert asked(requests) == [one(WEDNESDAY, FROM_FEED)]
                assert all(live.run(requests))
                when.append(int((live.now - start).total_seconds()))
    assert [b - a for a, b in pairwise(when)] == [300, 300]
    live.now = datetime(2025, 3, 13, 12, tzinfo=UTC)
    assert live.runs_until_quiet() == [one(WEDNESDAY, FROM_FEED)]
    assert live.to_do(FROM_FEED, [WEDNESDAY]) == []


# Saved chains


def test_g5_new_chain_requests_its_day_whatever_its_name_and_a_second_one_requests_it_again(watch: GammaWatch) -> None:
    store = watch.platform.home.path / "downloads"
    store.mkdir()
    first, second, _ = write_demo_chains(store, [TUESDAY])
    first.rename(watch.chains / "quotedata.csv")
    assert watch.runs_until_quiet() == [one(TUESDAY, FROM_CHAINS)]
    second.rename(watch.chains / "quotedata (1).csv")
    assert watch.runs_until_quiet() == [one(TUESDAY, FROM_CHAINS)]
    assert watch.to_do(FROM_CHAINS, [TUESDAY]) == []


def test_g5_a_file_that_is_no_chain_is_named_and_a_download_that_becomes_one_is_requested(watch: GammaWatch) -> None:
    store = watch.platform.home.path / "downloads"
    store.mkdir()
    whole = write_demo_chains(store, [TUESDAY])[0].read_bytes()
    path = watch.chains / "quotedata.csv"
    path.write_bytes(whole[:20])
    assert watch.settle() == []
    assert "of no day: quotedata.csv (E242)" in watch.text
    path.write_bytes(whole)
    assert asked(watch.settle()) == [one(TUESDAY, FROM_CHAINS)]


def test_g5_a_chain_from_the_future_is_requested_when_its_time_has_come(watch_of: Make) -> None:
    watch = watch_of(now=datetime(2025, 3, 10, 12, tzinfo=UTC))
    watch.look()
    write_demo_chains(watch.chains, [TUESDAY])
    assert watch.settle() == []
    assert "(E246)" in watch.text
    watch.now = AFTER
    assert asked(watch.settle()) == [one(TUESDAY, FROM_CHAINS)]


def test_g5_a_chain_that_went_lets_the_day_after_be_compared(watch: GammaWatch) -> None:
    """The first snapshot of a day is compared with the last one before it, which may lie in another partition."""
    roots = {"SPX/chain_cboe"}
    cursor = GammaCursor("2025-03-15T16:00:00+00:00")
    days = {MONDAY: FilesOfDay("aaaaaa", 1), TUESDAY: FilesOfDay("bbbbbb", 2), WEDNESDAY: FilesOfDay("cccccc", 1)}
    assert remember(cursor, Folder({"SPX/chain_cboe": days}, 4), roots) == roots
    less = Folder({"SPX/chain_cboe": {MONDAY: FilesOfDay("AAAAAA", 2), WEDNESDAY: days[WEDNESDAY]}}, 3)
    assert sight(cursor, less, roots).gone == {"SPX/chain_cboe": [TUESDAY]}
    assert cursor.queue["SPX/chain_cboe"] == {WEDNESDAY: False}
    again = sight(cursor, less, roots)
    assert (again.changed, again.news) == ({"SPX/chain_cboe": [MONDAY]}, {})
    assert cursor.queue["SPX/chain_cboe"] == {MONDAY: False, WEDNESDAY: False}


# Memory


def test_p7_newly_active_series_gets_a_first_sight_of_its_own(watch: GammaWatch) -> None:
    roots = {"NQ_NDX/gex_snapshots", "SPX/gex_snapshots"}
    cursor = GammaCursor.parse(watch.cursor or "")
    cursor.forget("SPX/gex_snapshots")
    days = {
        "SPX/gex_snapshots": {MONDAY: FilesOfDay("aaaaaa", 1)},
        "NQ_NDX/gex_snapshots": cursor.seen["NQ_NDX/gex_snapshots"],
    }
    folder = Folder(days, 3)
    assert remember(cursor, folder, roots) == {"SPX/gex_snapshots"}
    assert sight(cursor, folder, roots).new == {}


def test_p7_another_folder_gets_a_first_sight_of_its_own(watch: GammaWatch) -> None:
    cursor = GammaCursor.parse(watch.cursor or "")
    cursor.folders["gamma feed"] = "/another/folder"
    watch.cursor = cursor.dump()
    raise_spot(feed_file(watch, MONDAY))
    assert watch.look() == []
    assert f"the folder for the gamma feed is now {watch.feed}, it was /another/folder" in watch.text
    assert "first sight of NQ_NDX/gex_snapshots" in watch.text
    assert watch.settle() == []


@pytest.mark.parametrize("text", ["{", '{"v":0}', '{"v":1}', "[]"])
def test_p7_damaged_memory_of_gamma_files_is_e607_and_gives_a_new_baseline(watch: GammaWatch, text: str) -> None:
    with pytest.raises(ExecutionError, match="E607 what the sensor new_gamma_files remembers"):
        GammaCursor.parse(text)
    raise_spot(feed_file(watch, MONDAY))
    watch.cursor = text
    with structlog.testing.capture_logs() as logs:
        assert watch.look() == []
    assert [line["code"] for line in logs if line["event"] == "sensor_memory_lost"] == ["E607"]
    assert watch.settle() == []


def test_p7_memory_of_gamma_files_reads_back_as_it_was_written_and_stays_small(watch: GammaWatch) -> None:
    raise_spot(feed_file(watch, MONDAY))
    assert watch.settle()
    text = watch.cursor or ""
    cursor = GammaCursor.parse(text)
    assert cursor.dump() == text
    assert cursor.pending["NQ_NDX/gex_snapshots"][MONDAY].is_running
    year = {date.fromordinal(ordinal): FilesOfDay("abcdef", 26) for ordinal in range(738_000, 738_365)}
    full = GammaCursor("", seen={"SPX/chain_cboe": year})
    assert GammaCursor.parse(full.dump()) == full
    assert len(full.dump()) < 365 * 13


def test_p7_what_is_watched_follows_from_the_graph(watch: GammaWatch) -> None:
    dated = [asset for asset in watch.defs.assets or [] if asset.key.path[0] != "lake"]
    watched = Watched.of({asset.key: asset.asset_deps[asset.key] for asset in dated})
    assert watched.sources == {
        "gamma feed": {"NQ_NDX/gex_snapshots", "SPX/gex_snapshots"},
        "option chains": {"SPX/chain_cboe"},
    }
    assert {name: tuple(key.to_user_string() for key in chain) for name, chain in watched.chains.items()} == {
        "NQ_NDX/gex_snapshots": WITH_TICKS,
        "SPX/gex_snapshots": ("SPX/gex_snapshots", "SPX/gex_strikes"),
        "SPX/chain_cboe": FROM_CHAINS,
        **{name: (name,) for name in ENRICHED},
    }
    assert watched.later["NQ_NDX/gex_snapshots"] == tuple((name, "NQ_NDX") for name in ENRICHED)
    assert watched.later["SPX/chain_cboe"] == ()
