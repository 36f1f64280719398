"""The sensor for source files: which days it requests after which change, when, how often, and when it leaves them alone (P7, T2)."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import structlog

from assets.builders import Workbench
from jobs.claims import claim, partition_name
from jobs.planning import Mode, plan_days
from jobs.refresh import MAX_ATTEMPTS, RefreshSettings
from jobs.watch_cursor import Cursor, PendingDay
from sensors.new_files import ALERTS, new_files_sensor
from trading_platform.errors import ExecutionError
from trading_platform.instruments import Contract, load_registry
from trading_platform.sessions import calendar_for
from trading_platform.sierra.scid import ScidFile
from trading_platform.simulation import SimulatedMarket, append_scid, scid_records

from .conftest import FIVE_DAYS, TICKS_PER_DAY, SmallPlatform
from .test_backfill import archive_file, destroy
from .ticks_only import MovingClock, range_tags, resources_of, run_assets, ticks_home

AFTER = datetime(2025, 3, 15, 16, tzinfo=UTC)
"""Saturday noon in New York: all five days are over."""

ALL = ("MNQ/ticks", "MNQ/bars_1s", "MNQ/bars_1m")
BAD_DAY = date(2025, 3, 12)


class Watch:
    """A small platform under the eyes of the sensor; time passes only by ``passes``."""

    def __init__(self, platform: SmallPlatform, now: datetime = AFTER) -> None:
        self.platform = platform
        self.cursor: str | None = None
        self.text = ""
        self.budget_s = 20.0
        self._clock_file = platform.home.cache_dir / "clock"
        platform.overrides["clock"] = MovingClock(file=str(self._clock_file))
        self.now = now
        self._defs: dg.Definitions | None = None

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self._clock_file.read_text(encoding="ascii"))

    @now.setter
    def now(self, instant: datetime) -> None:
        self._clock_file.write_text(instant.isoformat(), encoding="ascii")

    @property
    def defs(self) -> dg.Definitions:
        if self._defs is None:
            self._defs = self.platform.defs
        return self._defs

    def activate(self, *symbols: str) -> None:
        self.platform.home.instruments_toml.write_text(f"active = {json.dumps(symbols)}\n")
        self._defs = None

    def passes(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def look(self) -> list[dg.RunRequest]:
        """Let the sensor look once; its requests are not run."""
        dated = [asset for asset in self.defs.assets or [] if asset.key.path[0] != "lake"]
        pace = RefreshSettings(live_interval_s=300, retry_pause_s=60, budget_s=self.budget_s)
        sensor = new_files_sensor(dated, self.platform.home.claims_dir, pace, interval_s=30)
        with dg.build_sensor_context(
            instance=self.platform.instance,
            cursor=self.cursor,
            repository_def=self.defs.get_repository_def(),
            resources=resources_of(self.defs),
        ) as context:
            result = sensor.evaluate_tick(context)
        assert result.cursor
        self.cursor, self.text = result.cursor, result.skip_message or ""
        return list(result.run_requests or [])

    def run(self, requests: Sequence[dg.RunRequest]) -> list[bool]:
        """Run requests as the daemon would, without asset checks; returns which succeeded."""
        return [
            self.run_assets([key.to_user_string() for key in request.asset_selection or ()], request.tags)
            for request in requests
        ]

    def store(self, first: date = FIVE_DAYS[0], last: date = FIVE_DAYS[-1], names: Sequence[str] = ALL) -> None:
        """Make days as a backfill does."""
        assert self.run_assets(names, range_tags(first, last))

    def run_assets(self, names: Sequence[str], tags: Mapping[str, str]) -> bool:
        return run_assets(self.defs, self.platform.instance, names, tags)

    def is_current(self) -> bool:
        """Tell whether the planner of ``tp backfill`` finds nothing to do."""
        workbench = Workbench.of(self.defs)
        return not any(
            planned.is_to_run
            for name in ALL
            for planned in plan_days(
                dg.AssetKey(name.split("/")), workbench, self.platform.instance, FIVE_DAYS, Mode.DEFAULT
            )
        )

    def pending(self) -> dict[str, dict[date, PendingDay]]:
        return Cursor.parse(self.cursor or "").pending

    def settle(self) -> list[dg.RunRequest]:
        """Look until the files are still, 30 seconds apart, and return what was requested."""
        for _ in range(3):
            self.passes(seconds=30)
            if requests := self.look():
                return requests
        return []


def asked(requests: Sequence[dg.RunRequest]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return first day, last day and assets of each request."""
    return [
        (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
            tuple(key.to_user_string() for key in request.asset_selection or ()),
        )
        for request in requests
    ]


def whole(first: date, last: date | None = None) -> tuple[str, str, tuple[str, ...]]:
    return (first.isoformat(), (last or first).isoformat(), ALL)


@pytest.fixture
def small_platform(tmp_path: Path) -> Iterator[SmallPlatform]:
    """Return a platform with ticks alone; market depth has tests of its own."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield SmallPlatform(ticks_home(tmp_path), instance, {})


@pytest.fixture
def watch(small_platform: SmallPlatform) -> Watch:
    """Return a platform whose five days are stored and whose folder has been seen once."""
    made = Watch(small_platform)
    made.store()
    assert made.look() == []
    return made


@pytest.fixture
def unseen(small_platform: SmallPlatform) -> Watch:
    return Watch(small_platform)


def day_records(day: date, contract: str = "MNQH25", ticks: int = TICKS_PER_DAY) -> Any:
    market = SimulatedMarket(7, load_registry().get("MNQ"), 20_600.0, ticks, base_date=FIVE_DAYS[0])
    session = calendar_for("CME_EQUITY").session(day)
    return scid_records(market.ticks(session, Contract.parse(contract), activity_share=1.0), 0.25, 0.01)


def until(records: Any, instant: datetime) -> Any:
    limit = int((instant - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(microseconds=1))
    return records[records["dt"] < limit]


def count(path: Path, day: date) -> int:
    """Return the number of records before the window of a trade date."""
    start = calendar_for("CME_EQUITY").session(day).window_start
    with ScidFile(path) as file:
        times = file.read(0, file.record_count)["dt"]
    limit = int((start - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(microseconds=1))
    return int((times < limit).sum())


def buy_one_more(path: Path, day: date, *, to: Path | None = None) -> None:
    """Change the size of one trade in the middle of a day; in place, or into a new file that takes the place of the old one."""
    raw = bytearray(path.read_bytes())
    row = count(path, day) + 200
    while struct.unpack_from("<I", raw, 56 + row * 40 + 28)[0] == 0:  # a quote, not a trade
        row += 1
    for at in (56 + row * 40 + 28, 56 + row * 40 + 36):
        struct.pack_into("<I", raw, at, struct.unpack_from("<I", raw, at)[0] + 1)
    if to is None:
        with path.open("r+b") as file:
            file.write(raw)
    else:
        to.write_bytes(raw)
        to.replace(path)


def test_p7_first_sight_of_a_folder_requests_nothing_and_says_what_to_do(unseen: Watch) -> None:
    assert unseen.look() == []
    assert "first sight of 1 files of MNQ/ticks" in unseen.text
    assert "tp backfill" in unseen.text
    assert unseen.settle() == []
    assert unseen.text == "watching 1 files"


def test_t2_unchanged_folder_compares_nothing(watch: Watch) -> None:
    before = watch.cursor
    watch.passes(seconds=30)
    assert watch.look() == []
    assert watch.text == "watching 1 files"
    assert watch.cursor == before


def test_t2_touched_file_is_compared_and_requests_nothing(watch: Watch) -> None:
    os.utime(archive_file(watch.platform), ns=(1, 1))
    assert watch.settle() == []
    assert "touched: MNQH25_FUT_CME.scid" in json.dumps(watch.text) or watch.text == "watching 1 files"
    cursor = Cursor.parse(watch.cursor or "")
    assert cursor.files["MNQ/ticks"]["MNQH25_FUT_CME.scid"].stamp.mtime_ns == 1
    assert cursor.pending == {}


def test_t2_equal_content_under_a_new_inode_requests_nothing(watch: Watch) -> None:
    path = archive_file(watch.platform)
    copy = path.with_name("copy.tmp")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    assert watch.settle() == []
    assert watch.pending() == {}


def test_t2_edit_in_the_middle_requests_exactly_its_day_once(watch: Watch) -> None:
    buy_one_more(archive_file(watch.platform), BAD_DAY)
    requests = watch.settle()
    assert asked(requests) == [whole(BAD_DAY)]
    watch.passes(seconds=30)
    assert watch.look() == []  # its run has not begun yet
    assert watch.run(requests) == [True]
    watch.passes(seconds=30)
    assert watch.look() == []
    assert watch.pending() == {}
    assert watch.is_current()


def test_t2_replaced_file_requests_exactly_the_days_that_differ(watch: Watch) -> None:
    path = archive_file(watch.platform)
    buy_one_more(path, FIVE_DAYS[0], to=path.with_name("new.tmp"))
    buy_one_more(path, FIVE_DAYS[1], to=path.with_name("new.tmp"))
    buy_one_more(path, FIVE_DAYS[4], to=path.with_name("new.tmp"))
    requests = watch.settle()
    assert asked(requests) == [whole(FIVE_DAYS[0], FIVE_DAYS[1]), whole(FIVE_DAYS[4])]
    assert watch.run(requests) == [True, True]
    watch.passes(seconds=30)
    assert watch.look() == []


def test_t2_truncated_file_requests_the_cut_day_and_keeps_the_days_that_vanished(watch: Watch) -> None:
    path = archive_file(watch.platform)
    cut = count(path, FIVE_DAYS[3]) + 300
    os.truncate(path, 56 + cut * 40 + 17)
    before = watch.platform.hashes()
    requests = watch.settle()
    assert asked(requests) == [whole(FIVE_DAYS[3])]
    watch.run(requests)
    watch.passes(seconds=30)
    assert watch.look() == []
    after = watch.platform.hashes()
    assert {key for key in before if before[key] != after[key]} == {
        f"{dataset}/symbol=MNQ/date={FIVE_DAYS[3]}/part-0.parquet" for dataset in ("ticks", "bars_1s", "bars_1m")
    }


def test_t2_appended_day_is_requested_although_it_was_never_made_and_no_other(watch: Watch) -> None:
    friday = FIVE_DAYS[-1]
    path = archive_file(watch.platform)
    # The same contract is front until Friday; a late record of Friday comes as well.
    append_scid(path, day_records(friday)[-1:])
    assert asked(watch.settle()) == [whole(friday)]


def test_t2_days_of_the_past_that_were_never_made_are_not_requested(unseen: Watch) -> None:
    unseen.store(FIVE_DAYS[3], FIVE_DAYS[3])
    unseen.look()
    path = archive_file(unseen.platform)
    for day in FIVE_DAYS:
        buy_one_more(path, day)
    assert asked(unseen.settle()) == [whole(FIVE_DAYS[3])]


def test_p7_file_that_appears_later_is_new_and_its_days_are_requested(unseen: Watch) -> None:
    path = archive_file(unseen.platform)
    content = path.read_bytes()
    path.unlink()
    assert unseen.look() == []
    path.write_bytes(content)
    unseen.passes(seconds=30)
    assert unseen.look() == []
    assert "new: MNQH25_FUT_CME.scid (still changing)" in unseen.text
    assert asked(unseen.settle()) == [whole(FIVE_DAYS[0], FIVE_DAYS[4])]


def test_p7_file_being_copied_is_left_until_it_is_still(watch: Watch) -> None:
    path = archive_file(watch.platform)
    content = path.read_bytes()
    for parts in (2, 4, 8):
        path.write_bytes(content[: len(content) // parts])
        watch.passes(seconds=30)
        assert watch.look() == []
        assert "still changing" in watch.text
    path.write_bytes(content)
    assert watch.settle() == []
    assert watch.pending() == {}


def test_p7_file_that_never_rests_is_looked_at_after_two_minutes(watch: Watch) -> None:
    path = archive_file(watch.platform)
    buy_one_more(path, BAD_DAY)
    requests: list[dg.RunRequest] = []
    looks = 0
    while not requests and looks < 10:
        os.utime(path)
        watch.passes(seconds=30)
        requests, looks = watch.look(), looks + 1
    assert asked(requests) == [whole(BAD_DAY)]
    assert looks == 5


def test_p7_vanished_file_is_reported_once_in_the_log_and_nothing_is_deleted(watch: Watch) -> None:
    path = archive_file(watch.platform)
    content, before = path.read_bytes(), watch.platform.hashes()
    path.unlink()
    with structlog.testing.capture_logs() as logs:
        assert watch.settle() == []
    assert [line["files"] for line in logs if line["event"] == "source_files_gone"] == [["MNQH25_FUT_CME.scid"]]
    assert "gone: MNQH25_FUT_CME.scid (its stored days are kept)" in watch.text
    assert watch.platform.hashes() == before
    path.write_bytes(content)
    assert watch.settle() == []
    assert "gone" not in watch.text


def test_p7_folder_that_cannot_be_read_keeps_the_memory(watch: Watch) -> None:
    folder = archive_file(watch.platform).parent
    away = folder.with_name("unmounted")
    folder.rename(away)
    with structlog.testing.capture_logs() as logs:
        assert watch.settle() == []
    assert [line["code"] for line in logs if line["event"] == "source_folder_lost"] == ["E211"]
    assert "E211" in watch.text
    away.rename(folder)
    buy_one_more(archive_file(watch.platform), BAD_DAY)
    assert asked(watch.settle()) == [whole(BAD_DAY)]


def test_p7_unreadable_file_is_named_and_its_stored_days_are_kept(watch: Watch) -> None:
    path = archive_file(watch.platform)
    content = path.read_bytes()
    path.write_bytes(b"SCDD" + content[4:])
    assert watch.settle() == []
    assert "unreadable: MNQH25_FUT_CME.scid (it begins with b'SCDD' and record size 40)" in watch.text
    path.write_bytes(content)
    assert watch.settle() == []
    assert watch.pending() == {}


@pytest.mark.parametrize("text", ["{", '{"v":0}', '{"v":1}', "[]"])
def test_p7_damaged_memory_is_e607_and_gives_a_new_baseline(watch: Watch, text: str) -> None:
    with pytest.raises(ExecutionError, match="E607"):
        Cursor.parse(text)
    buy_one_more(archive_file(watch.platform), BAD_DAY)
    watch.cursor = text
    with structlog.testing.capture_logs() as logs:
        assert watch.look() == []
    assert [line["code"] for line in logs if line["event"] == "sensor_memory_lost"] == ["E607"]
    assert "first sight of 1 files" in watch.text
    assert watch.settle() == []


def test_p7_memory_reads_back_as_it_was_written(watch: Watch) -> None:
    buy_one_more(archive_file(watch.platform), BAD_DAY)
    assert watch.settle()
    text = watch.cursor or ""
    assert Cursor.parse(text).dump() == text
    assert Cursor.parse(text).pending["MNQ/ticks"][BAD_DAY].is_running


def test_p7_newly_active_instrument_gets_a_baseline_of_its_own(watch: Watch) -> None:
    watch.activate("MNQ", "ES")
    assert watch.look() == []
    assert "first sight of 1 files of ES/ticks" in watch.text
    assert watch.settle() == []


def failing(watch: Watch, *, hours: float = 3) -> list[tuple[float, list[tuple[str, str, tuple[str, ...]]]]]:
    """Let time pass; return after how many seconds what was requested."""
    start, seen = watch.now, []
    while watch.now - start < timedelta(hours=hours):
        watch.passes(seconds=30)
        if requests := watch.look():
            seen.append(((watch.now - start).total_seconds(), asked(requests)))
            watch.run(requests)
    return seen


def test_p7_failing_day_is_tried_three_times_with_growing_pauses_then_left_alone_visibly(watch: Watch) -> None:
    destroy(archive_file(watch.platform), BAD_DAY)
    with structlog.testing.capture_logs() as logs:
        assert failing(watch, hours=1) == [(60, [whole(BAD_DAY)]), (120, [whole(BAD_DAY)]), (420, [whole(BAD_DAY)])]
    warned = [line for line in logs if line["event"] == "day_given_up"]
    assert [(line["code"], line["runbook"]) for line in warned] == [("E606", ALERTS["day_given_up"])]
    assert "after 3 attempts, the last ended with E403" in warned[0]["error"]
    assert warned[0]["next"] == "tp backfill 'MNQ/*' --from 2025-03-12 --to 2025-03-12"
    watch.look()
    assert watch.text == "watching 1 files; left alone: MNQ/ticks 2025-03-12 (E403)"


def test_p7_one_bad_day_does_not_hold_up_the_others(watch: Watch) -> None:
    path = archive_file(watch.platform)
    for day in FIVE_DAYS:
        buy_one_more(path, day)
    destroy(path, BAD_DAY)
    seen = failing(watch, hours=0.2)
    assert seen[0] == (60, [whole(FIVE_DAYS[0], FIVE_DAYS[4])])
    bars = ALL[1:]
    # The good ticks are there, their bars were held up by the bad day: they follow at once, each day alone.
    assert seen[1] == (90, [(day.isoformat(), day.isoformat(), bars) for day in FIVE_DAYS if day != BAD_DAY])
    assert seen[2:] == [(120, [whole(BAD_DAY)]), (420, [whole(BAD_DAY)])]
    assert "left alone: MNQ/ticks 2025-03-12 (E403)" in watch.text


def test_p7_new_content_starts_over(watch: Watch) -> None:
    path = archive_file(watch.platform)
    good = path.read_bytes()
    destroy(path, BAD_DAY)
    failing(watch, hours=0.3)
    path.write_bytes(good)
    confirming = watch.settle()  # the stored day is as the file again; a run stores nothing and takes the failure back
    assert asked(confirming) == [whole(BAD_DAY)]
    before = watch.platform.hashes()
    assert watch.run(confirming) == [True]
    assert watch.platform.hashes() == before
    assert watch.settle() == []
    assert watch.pending() == {}
    destroy(path, BAD_DAY)
    assert [what for _, what in failing(watch, hours=0.3)] == [[whole(BAD_DAY)]] * MAX_ATTEMPTS


def test_p7_day_repaired_by_hand_is_no_longer_left_alone(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    buy_one_more(archive_file(watch.platform), BAD_DAY)
    with monkeypatch.context() as broken:
        broken.setattr(
            "trading_platform.sierra.ticks.guard_day", lambda *_, **__: (_ for _ in ()).throw(OSError("disk"))
        )
        assert len(failing(watch, hours=0.3)) == MAX_ATTEMPTS
    assert "left alone: MNQ/ticks 2025-03-12 (E529)" in watch.text
    watch.store()
    watch.passes(seconds=300)
    assert watch.look() == []
    assert watch.text == "watching 1 files; 1 days compared"


def test_p7_request_that_never_became_a_run_is_made_again(watch: Watch) -> None:
    buy_one_more(archive_file(watch.platform), BAD_DAY)
    first = watch.settle()
    watch.passes(seconds=90)
    assert watch.look() == []
    watch.passes(seconds=60)
    again = watch.look()
    assert asked(again) == asked(first)
    assert again[0].run_key != first[0].run_key
    assert again[0].tags["tp/attempt"] == "1"


def test_p7_days_of_a_running_backfill_wait_for_it(watch: Watch) -> None:
    buy_one_more(archive_file(watch.platform), BAD_DAY)
    with claim(watch.platform.home.claims_dir, [partition_name("MNQ/bars_1m", BAD_DAY.isoformat())]):
        assert watch.settle() == []
        assert "MNQ/ticks 2025-03-12 waits for a running backfill" in watch.text
    assert asked(watch.settle()) == [whole(BAD_DAY)]


def test_p7_content_that_comes_back_gets_a_request_of_another_name(watch: Watch) -> None:
    """Dagster drops a request whose key it has seen, and here the same fingerprint is wanted a second time."""
    path = archive_file(watch.platform)
    one, names = path.read_bytes(), []
    buy_one_more(path, BAD_DAY)
    other = path.read_bytes()
    for content in (other, one, other):
        path.write_bytes(content)
        requests = watch.settle()
        names += [request.run_key for request in requests]
        watch.run(requests)
        watch.passes(seconds=30)
        watch.look()
    assert len(set(names)) == 3


def test_p7_budget_ends_a_look_and_the_next_one_goes_on(watch: Watch) -> None:
    path = archive_file(watch.platform)
    for day in FIVE_DAYS:
        buy_one_more(path, day)
    watch.budget_s = 0.0
    compared = []
    for _ in range(12):
        watch.passes(seconds=30)
        requests = watch.look()
        compared += asked(requests)
        watch.run(requests)
    assert compared == [whole(day) for day in reversed(FIVE_DAYS)]


LIVE = date(2025, 3, 14)
OPENING = datetime(2025, 3, 14, 14, 0, tzinfo=UTC)


@pytest.fixture
def live(small_platform: SmallPlatform) -> Watch:
    """Return a platform in the morning of the last day: four days stored, the folder seen."""
    watch = Watch(small_platform, now=OPENING)
    path = archive_file(small_platform)
    os.truncate(path, 56 + 40 * count(path, LIVE))
    watch.store(last=FIVE_DAYS[3])
    append_scid(path, until(day_records(LIVE), OPENING))
    watch.look()
    return watch


def trades_until_late(watch: Watch, *, every: timedelta) -> list[datetime]:
    """Let the file grow every minute for half an hour, then in larger steps until late; return when Friday was requested."""
    records, path, when = day_records(LIVE, ticks=20_000), archive_file(watch.platform), []
    at = len(until(records, watch.now))
    while watch.now < datetime(2025, 3, 15, 3, tzinfo=UTC):
        watch.now += timedelta(minutes=1) if watch.now < OPENING + timedelta(minutes=30) else every
        grown = len(until(records, watch.now))
        if grown > at:
            append_scid(path, records[at:grown])
        at = grown
        if requests := watch.look():
            assert asked(requests) == [whole(LIVE)]
            when.append(watch.now)
            watch.run(requests)
    return when


def test_p7_live_day_is_refreshed_every_five_minutes_and_once_more_after_its_end(live: Watch) -> None:
    when = trades_until_late(live, every=timedelta(hours=4))
    minutes = [(moment - OPENING).total_seconds() / 60 for moment in when]
    assert [minute for minute in minutes if minute <= 30] == [1, 6, 11, 16, 21, 26]
    final = calendar_for("CME_EQUITY").session(LIVE).window_end + timedelta(minutes=15, seconds=5)
    assert sum(moment > final for moment in when) == 1
    assert live.pending() == {}
    assert live.is_current()


def test_p7_live_day_that_fails_is_tried_more_and_more_rarely_and_starts_over_at_its_end(
    live: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "trading_platform.sierra.ticks.guard_day", lambda *_, **__: (_ for _ in ()).throw(OSError("disk"))
    )
    when = trades_until_late(live, every=timedelta(minutes=30))
    pauses = [(b - a).total_seconds() for a, b in pairwise(when)]
    assert pauses[0] == 300
    assert pauses[1] == 1200
    assert min(pauses[2:-3]) >= 3600
    assert len(when) <= 16
    final = calendar_for("CME_EQUITY").session(LIVE).window_end + timedelta(minutes=15, seconds=5)
    assert sum(moment > final for moment in when) == MAX_ATTEMPTS
    assert "left alone: MNQ/ticks 2025-03-14 (E529)" in live.text


def test_p7_live_day_goes_before_the_past(live: Watch) -> None:
    path = archive_file(live.platform)
    append_scid(path, until(day_records(LIVE), OPENING + timedelta(minutes=30))[-5:])
    requests = live.settle()
    assert [request.tags["dagster/priority"] for request in requests] == ["10"]
