"""A DBN file to one partition of ``l2``, in one pass and bounded memory.

Belongs here: the order of reading, verifying, splitting, measuring and appending. Does not belong here: the vendor's server, the cache of
raw files, commit and events.

One pass does everything: blocks of 4,096 records are decompressed into one reused buffer, looked at, split into the columns of a row group
and measured while they are in the cache; a full row group is handed to the lake writer without copying.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..lake import Json, PartitionWriter
from ..lake.footer import damaged
from ..lake.stream import ROW_GROUP_ROWS
from ..sessions import Session, calendar_for
from .dbn import BLOCK_RECORDS, DbnFile
from .decode import L2Columns, L2Decoder, Selection
from .facts import L2Facts, TradingHours, count_facts
from .format import LEVELS, RECORD, UNDEF_SIZE
from .preview import L2Preview
from .tables import BatchMaker, reject_batch
from .verify import DbnReport, Expectation, Verifier, instrument_on, other_instrument

_EPOCH_UTC = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True)
class Part:
    """One file and what of it becomes rows.

    Attributes:
        file: the file.
        selection: which records become rows. Others are counted: they belong to other partitions.
        expected: what the file as a whole should hold.
    """

    file: DbnFile
    selection: Selection
    expected: Expectation = field(default_factory=Expectation)


@dataclass(frozen=True)
class Conversion:
    """What became of the files of a partition.

    Attributes:
        reports: what the files hold, all of it as expected.
        facts: measurements of the rows, input of the checks.
        rejected: quarantined records by reason.
        rows: rows of the partition.
        other_day_records: records of the instrument outside the partition's window.
        other_instrument_records: records of other instruments.
    """

    reports: tuple[DbnReport, ...]
    facts: Mapping[str, Json]
    rejected: Mapping[str, int]
    rows: int
    other_day_records: int
    other_instrument_records: int


def convert(
    file: DbnFile,
    selection: Selection,
    writer: PartitionWriter,
    *,
    expected: Expectation | None = None,
    hours: TradingHours | None = None,
) -> Conversion:
    """Stream the rows of one instrument and window of one file into a partition; see :func:`convert_parts`."""
    return convert_parts([Part(file, selection, expected or Expectation())], writer, hours=hours)


def convert_parts(
    parts: Sequence[Part],
    writer: PartitionWriter,
    *,
    hours: TradingHours | None = None,
    preview: L2Preview | None = None,
) -> Conversion:
    """Stream the rows of one instrument into a partition; never commits.

    Args:
        parts: files of the same instrument, their selections one after the other in time. More than one where the vendor cut a session at
            midnight UTC.
        writer: of an ``l2`` partition; undecipherable records go to its quarantine.
        hours: continuous trading, in which books are judged; None judges none.
        preview: told of every row group.

    Raises:
        VendorError: E303, E304, E310 damage found on the way; E306 to E309, E311 a file is not what was expected.
    """
    stream = _Stream(writer, parts[0].selection, hours, preview)
    for part in parts:
        if part.selection.instrument_id != parts[0].selection.instrument_id:
            raise other_instrument(part.file, part.selection.instrument_id, parts[0].selection.instrument_id)
        stream.add(part)
    return stream.finish([part.expected.records for part in parts])


class _Stream:
    """The row group that is being filled, and everything that sees the rows go by."""

    def __init__(
        self, writer: PartitionWriter, selection: Selection, hours: TradingHours | None, preview: L2Preview | None
    ) -> None:
        self._writer = writer
        self._maker = BatchMaker(selection)
        self._facts = L2Facts(hours)
        self._preview = preview
        self._columns = L2Columns.empty(ROW_GROUP_ROWS)
        self._sent = 0
        self._decoders: list[L2Decoder] = []
        self._reports: list[DbnReport] = []

    def add(self, part: Part) -> None:
        """Stream one file."""
        verifier, decoder = Verifier(part.file, part.expected), L2Decoder(part.selection)
        # The decoder numbers refused records by the rows before them.
        decoder.rows = self._rows
        for _, records in part.file.blocks(np.empty(BLOCK_RECORDS, RECORD)):
            at = 0
            while at < len(records):
                columns = self._columns
                # A block is cut where a row group ends.
                block = records[at : at + columns.capacity - columns.rows]
                at += len(block)
                before = columns.rows
                rejects = decoder.decode(block, columns)
                if columns.rows == before + len(block):
                    verifier.add_rows(columns.ts_recv[before : columns.rows], part.selection.instrument_id)
                else:
                    verifier.add(block)
                disorder = verifier.order_error()
                if disorder is not None:
                    raise disorder
                self._facts.add_books(columns, before, ordered=decoder.ordered)
                if rejects is not None:
                    self._writer.reject(reject_batch(rejects))
                del columns
                if self._columns.rows == self._columns.capacity:
                    self._flush()
        self._reports.append(verifier.report().require())
        self._decoders.append(decoder)

    def finish(self, expected: Sequence[int | None]) -> Conversion:
        """Hand over the last rows and return what became of the files."""
        if self._columns.rows:
            self._flush()
        told = [count for count in expected if count is not None]
        counts = count_facts(
            sum(report.records for report in self._reports), sum(told) if len(told) == len(expected) else None
        )
        rejected: Counter[str] = Counter()
        for decoder in self._decoders:
            rejected.update(decoder.rejected)
        others = {
            "other_day_records": sum(decoder.other_day_records for decoder in self._decoders),
            "other_instrument_records": sum(decoder.other_instrument_records for decoder in self._decoders),
        }
        return Conversion(
            tuple(self._reports),
            {**self._facts.facts(), **counts, **others, "rejected_records": rejected.total()},
            dict(sorted(rejected.items())),
            self._rows,
            **others,
        )

    @property
    def _rows(self) -> int:
        return self._sent + self._columns.rows

    def _flush(self) -> None:
        columns = self._columns
        self._facts.add(columns)
        if self._preview is not None:
            self._preview.add(columns)
        self._writer.append(self._maker.batch(columns, self._sent))
        self._sent += columns.rows
        # Let go of 46 MB before taking as much again.
        del columns
        del self._columns
        self._columns = L2Columns.empty(ROW_GROUP_ROWS)


def select(
    file: DbnFile,
    symbol: str,
    session: Session,
    *,
    raw_symbol: str | None = None,
    window_ns: tuple[int, int] | None = None,
    on: date | None = None,
) -> Selection:
    """Return the selection of one trade date.

    Args:
        file: says which instrument the symbol means on that date.
        symbol: as requested from the vendor.
        session: of the trade date.
        raw_symbol: the venue's symbol; default: the requested one, which is right if it was requested as raw symbol.
        window_ns: narrower than the session's window, epoch nanoseconds UTC, half-open.
        on: date whose mapping counts; default: the trade date.

    Raises:
        VendorError: E309 if the file does not say which instrument is meant.
    """
    start, end = window_ns or (ns_of(session.window_start), ns_of(session.window_end))
    number = instrument_on(file, symbol, on or session.trade_date)
    return Selection(number, raw_symbol or symbol, start, end, regular_hours_ns(session.trade_date))


def regular_hours_ns(trade_date: date) -> tuple[int, int] | None:
    """Return regular trading hours, 09:30 New York to 16:00 or the early close, half-open; None on a holiday of the stock exchange."""
    session = calendar_for("NYSE").session(trade_date)
    if session.opens_at is None or session.closes_at is None:
        return None
    return ns_of(session.opens_at), ns_of(session.closes_at)


def trading_hours(session: Session) -> TradingHours | None:
    """Return when books of a session are judged; None on a closed date."""
    if session.opens_at is None or session.closes_at is None:
        return None
    breaks = tuple((ns_of(start), ns_of(end)) for start, end in session.breaks)
    return TradingHours(ns_of(session.opens_at), ns_of(session.closes_at), breaks)


def stored_facts(path: Path, hours: TradingHours | None) -> dict[str, Json]:
    """Measure the rows of a stored partition again; what only the source knows is not among them.

    Raises:
        LakeError: E505 if the file is damaged.
    """
    facts = L2Facts(hours)
    for columns in _stored_columns(path):
        facts.add_books(columns)
        facts.add(columns)
    return facts.facts()


def ns_of(instant: datetime) -> int:
    """Return epoch nanoseconds of an aware instant."""
    return (instant - _EPOCH_UTC) // timedelta(microseconds=1) * 1_000


def _stored_columns(path: Path) -> Iterator[L2Columns]:
    names = ["ts_recv", "ts_event", "action", "side", "price", "size", "flags", "sequence"]
    books = [f"{side}_px_{level:02d}" for level in range(LEVELS) for side in ("bid", "ask")]
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as stored:
            for batch in stored.iter_batches(batch_size=BLOCK_RECORDS * 4, columns=names + books):
                yield _columns(batch, books)
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, str(error)) from error


def _columns(batch: pa.RecordBatch, books: list[str]) -> L2Columns:
    columns = L2Columns.empty(batch.num_rows)
    columns.rows = batch.num_rows
    columns.ts_recv[:] = batch.column("ts_recv").cast(pa.int64()).to_numpy()
    columns.ts_event[:] = batch.column("ts_event").cast(pa.int64()).fill_null(-1).to_numpy()
    columns.size[:] = batch.column("size").fill_null(UNDEF_SIZE).to_numpy()
    for name in ("flags", "sequence"):
        getattr(columns, name)[:] = batch.column(name).to_numpy()
    for name in ("action", "side"):
        letters = (
            batch.column(name).dictionary_encode()
            if pa.types.is_string(batch.column(name).type)
            else batch.column(name)
        )
        codes = np.array([ord(word) for word in letters.dictionary.to_pylist()], np.uint8)
        getattr(columns, name)[:] = codes[letters.indices.to_numpy()]
    for row, name in enumerate(books):
        columns.books[row // 2][row % 2] = batch.column(name).to_numpy(zero_copy_only=False)
    columns.price[:] = batch.column("price").to_numpy(zero_copy_only=False)
    return columns
