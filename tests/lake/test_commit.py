"""Committing a partition: same bytes for the same rows, and nothing lost when the disk fails."""

from __future__ import annotations

import errno
import itertools
import resource
from contextlib import contextmanager

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trading_platform.errors import LakeError, QualityError
from trading_platform.lake import LocalLake, Outcome
from trading_platform.lake.contracts import BARS_1S, TICK_REJECTS, TICKS
from trading_platform.lake.contracts import ticks as tick_models
from trading_platform.lake.hashing import ContentHasher
from trading_platform.lake.stream import ROW_GROUP_ROWS, VALIDATED_ROWS

from .samples import (
    DAY,
    FaultyFiles,
    bar_frame,
    footer_fields,
    reject_table,
    store,
    temporaries,
    tick_frame,
    tick_table,
)

STEPS = ("open", "write", "fsync", "replace")


def test_p5_same_rows_give_the_same_bytes(tmp_path):
    first = store(LocalLake(tmp_path / "a"), tick_table(1_000)).read_bytes()
    second = store(LocalLake(tmp_path / "b"), tick_table(1_000)).read_bytes()
    assert first == second


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 2_000), max_size=8),
    text=st.sampled_from(["dictionary", "string", "large", "reversed"]),
)
def test_p5_chunks_and_layout_of_the_rows_do_not_change_the_bytes(tmp_path_factory, cuts, text):
    table = tick_table(2_000, contracts=("MNQU25", "MNQZ25"))
    root = tmp_path_factory.mktemp("lake")
    files = FaultyFiles()
    whole = store(LocalLake(root / "whole", files=files), table).read_bytes()
    with LocalLake(root / "cut", files=files).begin(TICKS, "MNQ", DAY) as writer:
        edges = [0, *sorted(cuts), 2_000]
        for start, end in itertools.pairwise(edges):
            writer.append(_laid_out(table.slice(start, end - start), text))
        path = writer.commit(footer_fields()).path
    assert path.read_bytes() == whole


def _laid_out(table, text):
    strings = table.column("contract").cast(pa.string()).combine_chunks()
    if text == "large":
        column = strings.cast(pa.large_string())
    elif text == "string":
        column = strings
    elif text == "reversed":
        words = pa.array(["unused", "MNQZ25", "MNQU25"])
        codes = pa.compute.index_in(strings, words).cast(pa.int8())
        column = pa.DictionaryArray.from_arrays(codes, words)
    else:
        column = strings.dictionary_encode()
    return table.set_column(table.schema.get_field_index("contract"), "contract", column)


def test_p5_chunks_across_row_groups_and_validation_blocks_do_not_change_the_bytes(tmp_path):
    rows = VALIDATED_ROWS + ROW_GROUP_ROWS + 17
    table = tick_table(rows, contracts=("MNQU25", "MNQZ25"))
    files = FaultyFiles()
    whole = store(LocalLake(tmp_path / "whole", files=files), table).read_bytes()
    with LocalLake(tmp_path / "cut", files=files).begin(TICKS, "MNQ", DAY) as writer:
        for start in range(0, rows, 99_991):
            writer.append(table.slice(start, 99_991))
        committed = writer.commit(footer_fields())
    assert committed.path.read_bytes() == whole
    groups = pq.read_metadata(committed.path)
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [ROW_GROUP_ROWS] * 9 + [17]


def test_p5_bytes_under_nulls_do_not_change_file_or_hash(tmp_path):
    table = tick_table(50)
    index = table.schema.get_field_index("bid")
    bid = table.column("bid").combine_chunks()
    garbage = bid.fill_null(123.25)
    masked = pa.Array.from_buffers(bid.type, len(bid), [bid.buffers()[0], garbage.buffers()[1]])
    other = table.set_column(index, "bid", masked)
    first = store(LocalLake(tmp_path / "a"), table).read_bytes()
    assert store(LocalLake(tmp_path / "b"), other).read_bytes() == first


def test_p5_content_hash_tells_null_from_zero_and_one_order_from_another():
    schema = pa.schema([("value", pa.int64()), ("text", pa.string()), ("yes", pa.bool_())])

    def digest(values, texts, truths):
        hasher = ContentHasher(schema)
        hasher.update(
            pa.RecordBatch.from_arrays([pa.array(values, pa.int64()), pa.array(texts), pa.array(truths)], schema=schema)
        )
        return hasher.hexdigest()

    variants = [
        digest([1, 0], ["ab", "c"], [True, False]),
        digest([1, None], ["ab", "c"], [True, False]),
        digest([None, 1], ["ab", "c"], [True, False]),
        digest([0, 1], ["ab", "c"], [True, False]),
        digest([1, 0], ["a", "bc"], [True, False]),
        digest([1, 0], ["ab", None], [True, False]),
        digest([1, 0], ["ab", "c"], [True, None]),
        digest([1], ["ab"], [True]),
    ]
    assert len(set(variants)) == len(variants)


def test_m3_stored_file_has_the_layout_of_the_contract(tmp_path):
    path = store(LocalLake(tmp_path), tick_table(300))
    metadata = pq.read_metadata(path)
    group = metadata.row_group(0)
    assert {group.column(i).compression for i in range(metadata.num_columns)} == {"ZSTD"}
    encodings = {group.column(i).path_in_schema: group.column(i).encodings for i in range(metadata.num_columns)}
    assert "DELTA_BINARY_PACKED" in encodings["ts"]
    assert "BYTE_STREAM_SPLIT" in encodings["price"]
    assert "RLE_DICTIONARY" in encodings["contract"]
    assert group.column(0).has_offset_index
    assert group.column(0).has_column_index
    assert [column.column_index for column in group.sorting_columns] == [1]
    assert (group.column(1).statistics.min, group.column(1).statistics.max) == (0, 299)


def test_m3_rows_read_back_as_they_were_written(tmp_path):
    lake = LocalLake(tmp_path)
    store(lake, tick_table(1_000, contracts=("MNQU25", "MNQZ25")))
    stored = lake.read("ticks", "MNQ", DAY).drop("symbol", "trade_date")
    assert_frame_equal(stored, tick_frame(1_000, contracts=("MNQU25", "MNQZ25")))


@pytest.mark.parametrize(
    ("orders", "found"),
    [
        ([[0, 1, 2], [2, 3]], "row 3: .*was .2,. after .2,."),
        ([[0, 1], [1, 0]], "row 2: .*was .1,. after .1,."),
        ([[0, 2, 1, 3]], "row 2: .*was .1,. after .2,."),
        ([[0, 1, 3]], "row 0: expected seq counting from 0, was seq from 0 to 3 for 3 rows"),
        ([[1, 2]], "row 0: expected seq counting from 0"),
    ],
)
def test_m3_rows_out_of_order_are_refused(tmp_path, orders, found):
    frame = tick_frame(3)
    with LocalLake(tmp_path).begin(TICKS, "MNQ", DAY) as writer, pytest.raises(QualityError, match=found) as caught:
        append_in_order(writer, frame, orders)
    assert caught.value.code == "E402"
    assert temporaries(tmp_path) == []


def append_in_order(writer, frame, orders):
    for numbers in orders:
        sampled = frame[[0] * len(numbers)].with_columns(pl.Series("seq", numbers, dtype=pl.UInt32))
        writer.append(sampled.to_arrow())


def test_b1_repeated_bar_is_refused_and_repeated_reject_key_is_not(tmp_path):
    lake = LocalLake(tmp_path)
    bars = bar_frame(2).to_arrow()
    with lake.begin(BARS_1S, "MNQ", DAY) as writer:
        writer.append(bars)
        with pytest.raises(QualityError, match=r"ascending order of \(ts_open\) without repeats"):
            writer.append(bars.slice(1))
    with lake.begin(TICK_REJECTS, "MNQ", DAY) as writer:
        writer.append(reject_table(2))
        assert writer.commit(footer_fields()).rows == 2


def test_m3_bad_rows_leave_the_older_file_and_no_temporary(tmp_path):
    lake = LocalLake(tmp_path)
    before = store(lake, tick_table(10)).read_bytes()
    bad = tick_frame(10).with_columns(pl.lit(0, dtype=pl.Int32).alias("volume")).to_arrow()
    with pytest.raises(QualityError, match="volume: expected at least 1, 10 rows differ"):
        store(lake, bad)
    assert lake.path("ticks", "MNQ", DAY).read_bytes() == before
    assert temporaries(tmp_path) == []


def test_m3_null_where_none_is_allowed_is_refused_by_name(tmp_path):
    bad = tick_frame(10).with_columns(pl.lit(None, dtype=pl.Float64).alias("price")).to_arrow()
    with pytest.raises(QualityError, match="price: expected never null, 10 rows differ"):
        store(LocalLake(tmp_path), bad)


def test_m3_other_columns_are_refused_on_append(tmp_path):
    table = tick_table(3)
    with pytest.raises(QualityError, match="missing flags") as caught:
        store(LocalLake(tmp_path), table.drop_columns("flags"))
    assert caught.value.code == "E400"
    wide = table.set_column(5, "volume", table.column("volume").cast(pa.int64()))
    with pytest.raises(QualityError, match="volume Int64 instead of Int32"):
        store(LocalLake(tmp_path), wide)


def test_p5_leaving_without_commit_changes_nothing(tmp_path):
    lake = LocalLake(tmp_path)
    before = store(lake, tick_table(10)).read_bytes()
    with lake.begin(TICKS, "MNQ", DAY) as writer:
        writer.append(tick_table(20))
        writer.reject(reject_table(1))
        assert len(temporaries(tmp_path)) == 2
    assert lake.path("ticks", "MNQ", DAY).read_bytes() == before
    assert temporaries(tmp_path) == []
    assert not lake.quarantine_path("ticks", "MNQ", DAY).exists()


def test_p4_partition_without_rows_is_stored_with_its_reason(tmp_path):
    lake = LocalLake(tmp_path)
    with lake.begin(TICKS, "MNQ", DAY) as writer:
        committed = writer.commit(footer_fields(outcome=Outcome.CLOSED))
    assert committed.rows == 0
    assert lake.footer("ticks", "MNQ", DAY).outcome is Outcome.CLOSED
    assert lake.read("ticks", "MNQ", DAY).shape == (0, 12)


def test_t7_rows_in_are_clean_rows_plus_quarantined_rows(tmp_path):
    lake = LocalLake(tmp_path)
    with lake.begin(TICKS, "MNQ", DAY) as writer:
        writer.append(tick_table(90))
        writer.reject(reject_table(4, "zero_volume"))
        writer.reject(reject_table(6, "off_scale"))
        assert (writer.rows, writer.rejected_rows) == (90, 10)
        writer.commit(footer_fields())
    assert lake.read("ticks", "MNQ", DAY).height + lake.read("tick_rejects", "MNQ", DAY).height == 100
    counts = lake.read("tick_rejects", "MNQ", DAY)["reason"].cast(pl.String).value_counts().sort("reason").rows()
    assert counts == [("off_scale", 6), ("zero_volume", 4)]


def test_t7_rebuild_without_rejects_removes_the_quarantine_file(tmp_path):
    lake = LocalLake(tmp_path)
    with lake.begin(TICKS, "MNQ", DAY) as writer:
        writer.append(tick_table(9))
        writer.reject(reject_table(1))
        writer.commit(footer_fields())
    assert lake.quarantine_path("ticks", "MNQ", DAY).is_file()
    store(lake, tick_table(10))
    assert not lake.quarantine_path("ticks", "MNQ", DAY).exists()


def test_m3_dataset_without_rejects_takes_none(tmp_path):
    with LocalLake(tmp_path).begin(BARS_1S, "MNQ", DAY) as writer, pytest.raises(ValueError, match="bars_1s"):
        writer.reject(reject_table(1))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("error_number", "code"),
    [
        (errno.ENOSPC, "E502"),
        (errno.EDQUOT, "E502"),
        (errno.EIO, "E503"),
        (errno.EROFS, "E504"),
        (errno.EACCES, "E504"),
    ],
)
def test_p5_failing_disk_keeps_the_older_file(tmp_path, step, error_number, code):
    before = store(LocalLake(tmp_path), tick_table(10)).read_bytes()
    broken = LocalLake(tmp_path, files=FaultyFiles(step, error_number))
    with pytest.raises(LakeError) as caught:
        store(broken, tick_table(500))
    assert caught.value.code == code
    assert str(broken.path("ticks", "MNQ", DAY)) in caught.value.what
    assert broken.path("ticks", "MNQ", DAY).read_bytes() == before
    assert temporaries(tmp_path) == []
    assert store(LocalLake(tmp_path), tick_table(500)).stat().st_size > len(before)


def test_p5_failure_after_the_rename_is_reported_and_the_new_file_is_whole(tmp_path):
    store(LocalLake(tmp_path), tick_table(10))
    broken = LocalLake(tmp_path, files=FaultyFiles("fsync_directory", errno.EIO))
    with pytest.raises(LakeError, match="E503") as caught:
        store(broken, tick_table(500))
    assert "the new file is whole and in place" in caught.value.why
    assert "older file" not in caught.value.why
    assert broken.read("ticks", "MNQ", DAY).height == 500
    assert temporaries(tmp_path) == []


def test_p5_quarantine_file_that_cannot_be_removed_is_reported_truthfully(tmp_path):
    lake = LocalLake(tmp_path)
    with lake.begin(TICKS, "MNQ", DAY) as writer:
        writer.append(tick_table(9))
        writer.reject(reject_table(1))
        writer.commit(footer_fields())
    broken = LocalLake(tmp_path, files=FaultyFiles("fsync_directory", errno.EIO))
    with pytest.raises(LakeError, match="E503") as caught:
        store(broken, tick_table(500))
    assert "refused rows were deleted; the older rows of the day are intact" in caught.value.why
    assert not lake.quarantine_path("ticks", "MNQ", DAY).exists()
    assert lake.read("ticks", "MNQ", DAY).height == 9


def test_p5_leftover_that_cannot_be_deleted_is_an_error_with_a_number(tmp_path):
    lake = LocalLake(tmp_path)
    path = store(lake, tick_table(10))
    path.with_name(".part-0.dead.tmp").mkdir()
    with pytest.raises(LakeError) as caught:
        store(lake, tick_table(20))
    assert caught.value.code in ("E503", "E504")
    assert str(path) in caught.value.what
    assert lake.read("ticks", "MNQ", DAY).height == 10


@contextmanager
def largest_file(size_bytes: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_p5_full_disk_loses_nothing_and_names_path_and_bytes(tmp_path):
    lake = LocalLake(tmp_path)
    before = store(lake, tick_table(10)).read_bytes()
    with largest_file(100_000), pytest.raises(LakeError) as caught:
        store(lake, tick_table(200_000))
    assert caught.value.code == "E502"
    assert "part-0.parquet: 100,000 bytes or more needed" in caught.value.what
    assert lake.path("ticks", "MNQ", DAY).read_bytes() == before
    assert temporaries(tmp_path) == []


def test_p5_file_that_reads_back_otherwise_is_not_published(tmp_path):
    class Forgetful(FaultyFiles):
        """A disk that accepts everything and keeps nothing."""

        def open_sink(self, path):
            return pa.BufferOutputStream()

    with pytest.raises(LakeError) as caught:
        store(LocalLake(tmp_path, files=Forgetful()), tick_table(10))
    assert caught.value.code == "E506"
    assert not LocalLake(tmp_path).exists("ticks", "MNQ", DAY)
    assert temporaries(tmp_path) == []


def test_m3_models_are_the_ones_the_contracts_name():
    assert TICKS.model is tick_models.Ticks
    assert TICKS.rejects is TICK_REJECTS
