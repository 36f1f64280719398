"""Files of market depth are watched as well: one per UTC day, each of which has a part of two trade dates (P7, T2)."""

from __future__ import annotations

import shutil
import struct
from datetime import date
from pathlib import Path

import pytest

from assets.builders import Workbench
from jobs.watch_cursor import Cursor
from jobs.watching import WATCHED_DEPTH_DATES
from sensors.new_files import chains_of

from .conftest import FIVE_DAYS, SmallPlatform
from .test_sensors import Watch, asked

DEPTH = ("MNQ/depth_events", "MNQ/depth_metrics")
TUESDAY, WEDNESDAY = FIVE_DAYS[1], FIVE_DAYS[2]


def depth_file(watch: Watch, day: date) -> Path:
    assert watch.platform.home.sierra_dir is not None
    (found,) = watch.platform.home.sierra_dir.rglob(f"MNQH25*.{day}.depth")
    return found


@pytest.fixture
def watch(small_platform: SmallPlatform) -> Watch:
    """Return a platform with depth of five days, of which Tuesday and Wednesday are stored."""
    made = Watch(small_platform)
    made.store(TUESDAY, WEDNESDAY, DEPTH)
    return made


def test_p7_depth_of_the_past_is_not_requested_on_first_sight(watch: Watch) -> None:
    assert watch.look() == []
    assert "MNQ/depth_events, MNQ/ticks" in watch.text
    assert watch.settle() == []


def test_t2_edited_depth_file_requests_exactly_the_stored_days_that_it_changes(watch: Watch) -> None:
    watch.look()
    path = depth_file(watch, TUESDAY)
    raw = bytearray(path.read_bytes())
    at = 64 + 24 * ((len(raw) - 64) // 48) + 16
    struct.pack_into("<I", raw, at, struct.unpack_from("<I", raw, at)[0] + 1)  # the size of a level around noon UTC
    path.write_bytes(raw)
    requests = watch.settle()
    assert asked(requests) == [(str(TUESDAY), str(TUESDAY), DEPTH)]
    assert watch.run(requests) == [True]
    watch.passes(seconds=30)
    assert watch.look() == []
    assert watch.pending() == {}


def test_p7_new_depth_file_requests_its_days(watch: Watch) -> None:
    path = depth_file(watch, FIVE_DAYS[4])
    away = path.with_suffix(".away")
    path.rename(away)
    watch.look()
    away.rename(path)
    first, last, keys = asked(watch.settle())[0]
    assert (first, last, keys) == (str(FIVE_DAYS[4]), str(FIVE_DAYS[4]), DEPTH)


def test_p7_archive_of_old_depth_is_not_remembered_file_by_file(watch: Watch) -> None:
    path = depth_file(watch, TUESDAY)
    for ordinal in range(date(2025, 1, 1).toordinal(), date(2025, 3, 1).toordinal()):
        shutil.copy(path, path.with_name(path.name.replace(str(TUESDAY), str(date.fromordinal(ordinal)))))
    watch.look()
    names = Cursor.parse(watch.cursor or "").files["MNQ/depth_events"]
    assert len({name[-16:-6] for name in names}) == WATCHED_DEPTH_DATES


def test_p7_depth_that_comes_in_after_a_long_pause_is_seen_beyond_the_newest_dates(watch: Watch) -> None:
    path = depth_file(watch, TUESDAY)
    newer = sorted(path.parent.glob("MNQH25*.depth"))
    newer = newer[newer.index(path) + 1 :]
    away = {file: file.read_bytes() for file in newer}
    for file in newer:
        file.unlink()
    watch.look()
    for file, content in away.items():
        file.write_bytes(content)
    for day in range(20, 32):  # later dates of another contract push them out of the newest
        shutil.copy(path, path.with_name(f"ESH25_FUT_CME.2025-03-{day}.depth"))
    # Wednesday is stored, and its files are back as they were.
    assert [span[:2] for span in asked(watch.settle())] == [(str(FIVE_DAYS[3]), str(FIVE_DAYS[4]))]


def test_p7_file_named_after_an_impossible_date_holds_nothing_up(watch: Watch) -> None:
    path = depth_file(watch, FIVE_DAYS[4])
    watch.look()
    shutil.copy(path, path.with_name(path.name.replace(str(FIVE_DAYS[4]), "2099-01-01")))
    assert watch.settle() == []
    assert "still changing" not in watch.text


def test_p7_chains_hold_everything_that_is_made_from_a_file(watch: Watch) -> None:
    dated = [asset for asset in watch.defs.assets or [] if asset.key.path[0] != "lake"]
    chains = {name: [key.to_user_string() for key in keys] for name, keys in chains_of(dated).items()}
    assert chains["MNQ/depth_events"] == list(DEPTH)
    assert chains["MNQ/ticks"][0] == "MNQ/ticks"
    assert {"MNQ/bars_1s", "MNQ/bars_1m"} <= set(chains["MNQ/ticks"])
    assert Workbench.of(watch.defs).registry.get("MNQ").is_future
