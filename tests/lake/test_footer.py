"""Footers: round trip, determinism, damaged files."""

from __future__ import annotations

import dataclasses
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trading_platform.errors import LakeError
from trading_platform.lake import FooterFields, LocalLake, Outcome, SourceSlice
from trading_platform.lake.contracts import TICKS
from trading_platform.lake.footer import encode_footer, read_footer

from .samples import DAY, SESSION, store, tick_table

FIELDS = FooterFields(
    fingerprint="f" * 64,
    code_version="3",
    outcome=Outcome.WRITE,
    session=SESSION.resolved(),
    sources=(SourceSlice("MNQZ25_FUT_CME.scid", "0" * 64),),
    reason=None,
    facts={"volume": 12, "first": 1.5, "nested": {"b": 1, "a": None}},
    rejected={"zero_volume": 2},
    synthetic=True,
)


def test_m3_footer_reads_back_what_was_written(tmp_path):
    lake = LocalLake(tmp_path)
    with lake.begin(TICKS, "MNQ", DAY) as writer:
        writer.append(tick_table(12))
        committed = writer.commit(FIELDS)
    footer = lake.footer("ticks", "MNQ", DAY)
    assert {name: getattr(footer, name) for name in ("dataset", "contract_version", "rows")} == {
        "dataset": "ticks",
        "contract_version": 1,
        "rows": 12,
    }
    for field in dataclasses.fields(FooterFields):
        assert getattr(footer, field.name) == getattr(FIELDS, field.name), field.name
    assert footer.content_hash == committed.content_hash
    assert footer.size_bytes == committed.size_bytes == committed.path.stat().st_size


def test_p5_footer_text_does_not_depend_on_the_order_of_mappings():
    other = dataclasses.replace(FIELDS, facts=dict(reversed(list(FIELDS.facts.items()))))
    assert encode_footer(TICKS, FIELDS, 1, "h") == encode_footer(TICKS, other, 1, "h")


def test_m3_facts_that_are_no_json_are_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        encode_footer(TICKS, dataclasses.replace(FIELDS, facts={"vwap": float("nan")}), 1, "h")


def test_m3_missing_partition_has_no_footer(tmp_path):
    assert LocalLake(tmp_path).footer("ticks", "MNQ", DAY) is None


def test_m3_reading_a_footer_does_not_read_the_rows(tmp_path, monkeypatch):
    class Watched(io.FileIO):
        """A file that remembers where it was read."""

        def read(self, size=-1):
            start = self.tell()
            content = super().read(size)
            reads.append((start, len(content)))
            return content

    reads: list[tuple[int, int]] = []
    path = store(LocalLake(tmp_path), tick_table(300_000))
    groups = pq.read_metadata(path)
    last_group = min(
        groups.row_group(2).column(i).dictionary_page_offset or groups.row_group(2).column(i).data_page_offset
        for i in range(groups.num_columns)
    )
    monkeypatch.setattr(type(path), "open", lambda self, _mode: Watched(self))
    # A new lake: the one that stored the file may know the footer without looking.
    footer = LocalLake(tmp_path).footer("ticks", "MNQ", DAY)
    assert footer.rows == 300_000
    assert min(start for start, _ in reads) > last_group
    assert sum(length for _, length in reads) <= 2 * 65_536 < last_group


def test_m3_known_footer_is_read_again_only_when_the_file_is_another(tmp_path, monkeypatch):
    from trading_platform.lake import local

    read: list[int] = []
    monkeypatch.setattr(local, "read_footer", lambda path: (read.append(1), read_footer(path))[1])
    lake = LocalLake(tmp_path)
    store(lake, tick_table(5))
    assert [lake.footer("ticks", "MNQ", DAY).rows for _ in range(3)] == [5, 5, 5]
    assert read == [1]
    store(lake, tick_table(6))
    assert lake.footer("ticks", "MNQ", DAY).rows == 6
    assert read == [1, 1]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"nothing" * 100])
def test_p5_damaged_file_is_named_with_the_command_that_rebuilds_it(tmp_path, content):
    lake = LocalLake(tmp_path)
    path = store(lake, tick_table(5))
    path.write_bytes(content)
    for look in (lambda: lake.footer("ticks", "MNQ", DAY), lambda: lake.read("ticks", "MNQ", DAY)):
        with pytest.raises(LakeError) as caught:
            look()
        assert caught.value.code == "E505"
        assert caught.value.next_command == "tp backfill MNQ/ticks --from 2025-09-02 --to 2025-09-02 --force"


def test_p5_parquet_file_of_another_program_is_not_taken_for_a_partition(tmp_path):
    lake = LocalLake(tmp_path)
    path = lake.path("ticks", "MNQ", DAY)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(LakeError, match=r"tp\.dataset"):
        lake.footer("ticks", "MNQ", DAY)
