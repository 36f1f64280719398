"""Which file is what: names, content, folders."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path

import pytest

from trading_platform.errors import SourceError
from trading_platform.gexfeed import FeedArchive
from trading_platform.gexfeed.names import CATEGORIES, read_name

from .feed_files import DAY, NAME, snapshot, write


def kinds(archive: FeedArchive) -> list[tuple[str, str, str]]:
    return [(one.name.trade_date.isoformat(), one.name.ticker, one.name.category) for one in archive.files()]


@pytest.mark.parametrize("category", CATEGORIES)
def test_g1_each_category_is_filed_under_its_own_name(category: str, folder: Path) -> None:
    write(folder, [], f"2025-03-10_NQ_NDX_classic_{category}.json.gz")
    assert kinds(FeedArchive(folder)) == [("2025-03-10", "NQ_NDX", category)]


@pytest.mark.parametrize(
    "name",
    [
        "2025-03-10_NQ_NDX_classic_gex_full.json",
        "2025-03-10_NQ_NDX_classic_gex_full.json.gz",
        "2025-03-10_NQ_NDX_classic_gex_full (1).json",
        "gexbot 2025-03-10_nq_ndx_classic_gex_full.JSON",
        "2025-03-10_NQ_NDX_classic_gex_full",
    ],
)
def test_g1_names_with_additions_are_read(name: str) -> None:
    found = read_name(name)
    assert found is not None
    assert (found.trade_date, found.ticker, found.category) == (DAY, "NQ_NDX", "gex_full")


def test_g1_native_and_mapped_series_are_never_merged(folder: Path) -> None:
    write(folder, [], NAME)
    write(folder, [], NAME.replace("NQ_NDX", "NDX"))
    archive = FeedArchive(folder)
    assert [one.path.name for one in archive.day("NDX", DAY)] == [NAME.replace("NQ_NDX", "NDX")]
    assert [one.path.name for one in archive.day("NQ_NDX", DAY)] == [NAME]


@pytest.mark.parametrize("packed", [False, True])
def test_g1_odd_name_is_told_by_content_if_the_category_stands_somewhere(folder: Path, *, packed: bool) -> None:
    write(folder / "gex_zero", [snapshot()], "download.json", packed=packed)
    write(folder, [snapshot()], "my gex_one copy.json", packed=packed)
    assert kinds(FeedArchive(folder)) == [("2025-03-10", "NQ_NDX", "gex_one"), ("2025-03-10", "NQ_NDX", "gex_zero")]


def test_g1_unknown_category_is_an_error_of_its_day_and_no_guess(folder: Path) -> None:
    write(folder, [], "2025-03-10_NQ_NDX_classic_gex_weekly.json")
    write(folder, [snapshot(86_400)], "download.json")
    write(folder, [], NAME.replace("03-10", "03-12"))
    archive = FeedArchive(folder)
    for day in (10, 11):
        with pytest.raises(SourceError, match="E265"):
            archive.day("NQ_NDX", date(2025, 3, day))
    assert len(archive.day("NQ_NDX", date(2025, 3, 12))) == 1
    assert {one.path.name for one in archive.unusable()} == {
        "download.json",
        "2025-03-10_NQ_NDX_classic_gex_weekly.json",
    }


def test_g1_two_files_of_one_day_and_category_are_refused(folder: Path) -> None:
    write(folder, [snapshot(0)], NAME)
    write(folder, [snapshot(1)], f"{NAME}.gz")  # of the same length
    with pytest.raises(SourceError, match="E264"):
        FeedArchive(folder).day("NQ_NDX", DAY)


def test_g1_of_copies_with_equal_bytes_one_is_taken_and_the_others_are_counted(folder: Path) -> None:
    archive = FeedArchive(folder)
    write(folder, [snapshot(0)], NAME)
    assert [(one.path.name, one.copies) for one in archive.day("NQ_NDX", DAY)] == [(NAME, 0)]
    write(folder / "again", [snapshot(0)], NAME)
    assert [(one.path.name, one.copies) for one in archive.day("NQ_NDX", DAY)] == [(NAME, 1)]
    assert len(archive.files("NQ_NDX")) == 2


def test_g1_other_files_hidden_files_and_temporaries_are_left_alone(folder: Path) -> None:
    for name in ("notes.txt", "prices.json", f".{NAME}", f"{NAME}.part", f"{NAME}.tmp", "broken.gz"):
        write(folder, b"\x1f\x8b no gzip" if name == "broken.gz" else b'{"a": 1}', name)
    archive = FeedArchive(folder)
    assert archive.files() == ()
    assert archive.unusable() == ()


def test_g1_new_file_is_seen_and_the_first_day_is_told(folder: Path) -> None:
    archive = FeedArchive(folder)
    span = date(2000, 1, 1), date(2029, 12, 31)
    assert archive.first_day("NQ_NDX", *span) is None
    write(folder / "later", [], NAME.replace("03-10", "03-13"))
    write(folder, [], NAME)
    write(folder, [], NAME.replace("2025", "1998"))
    assert archive.first_day("NQ_NDX", *span) == DAY
    assert archive.first_day("NDX", *span) is None


def test_g1_no_folder_is_said_with_its_number(tmp_path: Path) -> None:
    for directory in (None, tmp_path / "absent"):
        with pytest.raises(SourceError, match="E263"):
            FeedArchive(directory).files()


def test_g1_label_beside_the_files_marks_them_synthetic(folder: Path) -> None:
    write(folder / "demo" / "inner", [], NAME)
    (folder / "demo" / "SYNTHETIC.txt").write_text("synthetic", encoding="utf-8")
    write(folder / "real", [], NAME.replace("03-10", "03-11"))
    assert [one.is_synthetic for one in FeedArchive(folder).files()] == [True, False]


def test_g1_gzip_peek_needs_only_the_beginning(folder: Path) -> None:
    whole = gzip.compress(json.dumps([snapshot(second) for second in range(2_000)]).encode())
    write(folder, whole[: len(whole) // 2], "gex_full.bin.gz")
    assert kinds(FeedArchive(folder)) == [("2025-03-10", "NQ_NDX", "gex_full")]
