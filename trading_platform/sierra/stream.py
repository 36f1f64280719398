"""Ticks as a stream of frames in constant memory, without a lake.

Belongs here: generators that read, validate, clean and yield. Does not belong here: partitions (``ticks.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..instants import us_of
from ..instruments import Instrument
from ..lake.contracts import TICKS
from .decode import PriceRule, TickColumns, TickDecoder
from .format import EARLIEST_DT, EPOCH_OFFSET_US, RECORD, latest_dt
from .guard import guard_day
from .index import load_index
from .record_file import BLOCK_RECORDS, RecordFile
from .tables import BatchMaker

FRAME_ROWS = BLOCK_RECORDS  # larger frames are not faster, and each doubling costs 5 to 10 MB of peak memory
_EARLIEST_US = EARLIEST_DT - EPOCH_OFFSET_US


@dataclass
class StreamCounts:
    """What a stream has set aside so far; rows in = clean + rejected + quotes.

    Attributes:
        records: records read.
        rows: clean rows yielded or about to be.
        quote_rows: quote-only records.
        rejected: refused records by reason code.
    """

    records: int
    rows: int
    quote_rows: int
    rejected: dict[str, int]


class TickStream:
    """Yields the trades of a ``.scid`` file: read -> validate -> clean -> frame, some ten thousand rows at a time.

    Peak memory does not depend on the file's size: a block of records and one frame are held.

    Args:
        path: the file.
        instrument: tick size, price band and whether negative prices are legal.
        contract: written into the column ``contract``, e.g. ``MNQZ25``.
        price_scale: factor from the stored number to points.
        now: aware time; records later than one day after it are rejected.
        start: first instant, inclusive; None for the start of the file.
        end: first instant after the last one; None for the end of the file.
        validate: check every frame against the contract of ``ticks``.

    Raises:
        SourceError: E200 to E203 the file cannot be used; while iterating E204, E206 bars, E207 price scale, E208 zero record.
        QualityError: E401 while iterating, if a frame breaks the contract.
    """

    def __init__(
        self,
        path: Path,
        instrument: Instrument,
        contract: str,
        price_scale: float,
        now: datetime,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        validate: bool = True,
    ) -> None:
        self._path = path
        self._instrument = instrument
        self._batches = BatchMaker(contract)
        self._rule = PriceRule.of(instrument, price_scale)
        self._window = None if start is None and end is None else (start, end)
        self._now = now
        self._validate = validate
        self.counts = StreamCounts(0, 0, 0, {})

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Yield frames of at most 15,360 rows with the columns of the ``ticks`` contract; ``seq`` counts through all of them."""
        latest = latest_dt(self._now)
        # Without a window every plausible time is inside; damage is told from dates by the decoder.
        start_us, end_us = _EARLIEST_US, latest - EPOCH_OFFSET_US + 1
        if self._window is not None:
            start, end = self._window
            start_us = start_us if start is None else us_of(start)
            end_us = end_us if end is None else us_of(end)
        index = load_index(self._path, None, self._now)
        with index.file as file:
            ranges = [(0, index.record_count)] if self._window is None else index.ranges(start_us, end_us)
            guard_day(file, ranges, self._instrument, self._rule)
            yield from self._frames(file, ranges, TickDecoder(self._path, self._rule, start_us, end_us, latest))

    def _frames(self, file: RecordFile, ranges: list[tuple[int, int]], decoder: TickDecoder) -> Iterator[pl.DataFrame]:
        buffer = np.empty(BLOCK_RECORDS, RECORD)
        columns, first_seq = TickColumns.empty(FRAME_ROWS), 0
        for first, stop in ranges:
            at = first
            while at < stop:
                block = buffer[: min(BLOCK_RECORDS, stop - at, columns.capacity - columns.rows)]
                file.read_into(block, at)
                decoder.decode(block, at, columns)
                at += len(block)
                self.counts = StreamCounts(
                    self.counts.records + len(block), decoder.rows, decoder.quote_rows, decoder.rejected
                )
                if columns.rows == columns.capacity:
                    yield self._frame(columns, first_seq)
                    columns, first_seq = TickColumns.empty(FRAME_ROWS), decoder.rows
        if columns.rows:
            yield self._frame(columns, first_seq)

    def _frame(self, columns: TickColumns, first_seq: int) -> pl.DataFrame:
        frame: Any = pl.from_arrow(self._batches.batch(columns, first_seq), schema=dict(TICKS.polars_schema))
        if self._validate:
            TICKS.validate(frame)
        ticks: pl.DataFrame = frame
        return ticks


def running_vwap(frames: Iterable[pl.DataFrame], tick_size: float) -> Iterator[float]:
    """Yield the volume-weighted average price after each frame, points.

    The sums are whole ticks times contracts, as integers: the last value equals the batch result exactly, however the rows are cut.

    Args:
        frames: frames with price f64 [points] and volume i32 [contracts], none of them empty.
        tick_size: smallest price step, points.
    """
    notional_ticks = volume = 0
    for frame in frames:
        ticks = (frame["price"] / tick_size).round().cast(pl.Int64)
        notional_ticks += int((ticks * frame["volume"].cast(pl.Int64)).sum())
        volume += int(frame["volume"].cast(pl.Int64).sum())
        yield float(notional_ticks * PriceRule(1.0, tick_size, (0.0, 0.0), allows_negative=True).tick / volume)
