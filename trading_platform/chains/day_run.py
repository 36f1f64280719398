"""What is learnt of a day of chains while its files are read.

Belongs here: repeats, lacking contracts, counts and refused files from snapshot to snapshot. Does not belong here: which files a day has
(``builder.py``), judging the day (``checks.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from ..errors import SourceError
from ..instants import NEW_YORK
from ..lake import Json, PartitionWriter
from .archive import ChainFile
from .cboe import DecodedChain
from .credible import expiries_off_price, lacking
from .facts import ChainFactCounter
from .repeats import is_repeat


@dataclass
class DayRun:
    """What is known while the files of a day are read, one after the other, by time."""

    writer: PartitionWriter
    counter: ChainFactCounter
    last: pl.DataFrame | None = None
    whole: pl.DataFrame | None = None
    observed_at: datetime | None = None
    name: str = ""
    copies: int = 0
    digests: set[str] = field(default_factory=set)
    first_error: SourceError | None = None
    rejected: dict[str, int] = field(default_factory=dict)
    refused_files: list[str] = field(default_factory=list)
    other_name_dates: dict[str, Json] = field(default_factory=dict)
    lacking: dict[str, Json] = field(default_factory=dict)
    expiries_off_price: dict[str, Json] = field(default_factory=dict)
    spot_deviation: dict[str, Json] = field(default_factory=dict)
    absent: int = 0
    beyond: int = 0

    def begin(self, before: pl.DataFrame | None, *, same_session: bool) -> None:
        """Take the snapshot before the day; one of another session is no evidence of a repeat."""
        self.whole = before
        self.last = before if same_session else None

    def accept(self, chain: DecodedChain, file: ChainFile) -> None:
        """Write and count a snapshot."""
        frame = chain.frame
        self._note_lacking(chain, file)
        if self.last is not None and is_repeat(self.last, frame):
            frame = frame.with_columns(is_repeat=pl.lit(value=True))
        self.last, self.observed_at, self.name = frame, file.observed_at, file.name
        self.counter.add(frame)
        self.writer.append(frame.drop("source").to_arrow())
        self._reject(chain.rejects, chain.header.observed_at)
        self.absent += int(str(chain.facts["absent"]))
        self._note_name_date(chain, file)
        self.beyond = max(self.beyond, int(str(chain.facts["expiries_beyond_calendar"])))

    def _note_lacking(self, chain: DecodedChain, file: ChainFile) -> None:
        """Note what shows that a table is not whole; the next one is compared with the last one that was."""
        found = None
        if self.whole is not None:
            stay = not chain.header.synthetic
            found = lacking(self.whole, chain.frame, chain.rejects.height, strikes_stay=stay)
        if found is None:
            self.whole = chain.frame
        else:
            self.lacking[file.name] = found
        off = expiries_off_price(chain.frame)
        if off:
            self.expiries_off_price[file.name] = off
        self.spot_deviation[file.name] = chain.facts["spot_deviation"]

    def _note_name_date(self, chain: DecodedChain, file: ChainFile) -> None:
        """Note a date in the name of a file that is not the one in its head, which alone counts."""
        in_name = chain.facts["file_name_date"]
        if in_name not in (None, chain.header.observed_at.astimezone(NEW_YORK).date().isoformat()):
            self.other_name_dates[file.name] = {"name": in_name, "head": chain.header.date_text}

    def refuse(self, file: ChainFile, reason: str, text: str) -> None:
        """Put a file into quarantine as one line."""
        self.refused_files.append(f"{file.name} ({reason})")
        row = {"file": [file.name], "row": [0], "right": [None], "reason": [reason], "text": [text]}
        if file.observed_at is None:
            raise ValueError(f"Expected a file with a time, was {file}")
        self._reject(pl.DataFrame(row, schema_overrides={"right": pl.String}), file.observed_at)

    def _reject(self, rows: pl.DataFrame, observed_at: datetime) -> None:
        if rows.is_empty():
            return
        at = pl.lit(observed_at, pl.Datetime("us", "UTC")).alias("observed_at")
        self.writer.reject(rows.select(at, pl.all()).to_arrow())
        for reason, count in rows.group_by("reason").len().iter_rows():
            self.rejected[reason] = self.rejected.get(reason, 0) + count

    def source_facts(self, files: int) -> dict[str, Json]:
        """Return the facts that only the files know, not the stored rows."""
        lines = sum(self.rejected.values()) - len(self.refused_files)
        return {
            "files": files,
            "copies": self.copies,
            "refused_files": list(self.refused_files),
            "rejected_lines": lines,
            "duplicate_contracts": self.rejected.get("duplicate_contract", 0),
            "absent_sides": self.absent,
            "expiries_beyond_calendar": self.beyond,
            "other_name_dates": dict(self.other_name_dates),
            "lacking": dict(self.lacking),
            "expiries_off_price": dict(self.expiries_off_price),
            "spot_deviation": dict(self.spot_deviation),
        }
