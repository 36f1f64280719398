"""What the stand-in does wrong on purpose, for which symbol, day and attempt.

Belongs here: the script of faults and its file form. Does not belong here: carrying them out (``transfer.py``, ``service.py``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from ...errors import RefusedError

_NEXT = "tp simulate databento --help"


class FaultKind(StrEnum):
    """Kinds of faults; ``value`` says more."""

    STATUS = "status"  # answer with this HTTP status (value); retry_after gives the header
    HTML_ERROR = "html_error"  # a 502 page of a proxy instead of JSON
    NO_JSON = "no_json"  # 200 with text that is no JSON
    DROPPED = "dropped"  # close the connection without an answer
    LOST_ANSWER = "lost_answer"  # do and bill everything, then close without an answer
    CUT_CHUNKED = "cut_chunked"  # end a chunked body half way, without its last chunk
    CUT_UNFRAMED = "cut_unframed"  # end a body without length half way: looks complete
    CUT_ON_RECORD = "cut_on_record"  # a whole zstd frame that lacks the last records
    CUT_FILE = "cut_file"  # break off the download of a batch file half way
    FLIPPED_BYTE = "flipped_byte"  # one byte in the middle is another
    DEGRADED = "degraded"  # X-Warning header
    SLOW = "slow"  # wait value seconds in the middle of the body
    EMPTY = "empty"  # no records, in count and body
    WRONG_COUNT = "wrong_count"  # the record count is off by value
    OUTSIDE_WINDOW = "outside_window"  # the last record is later than asked for
    UNORDERED = "unordered"  # two records change places
    TWO_INSTRUMENTS = "two_instruments"  # the second half is of another instrument
    OTHER_SCHEMA = "other_schema"  # the metadata name another schema
    VERSION_4 = "version_4"  # a DBN version that does not exist yet
    WRONG_SHA256 = "wrong_sha256"  # list_files names another hash
    JOB_EXPIRED = "job_expired"  # the batch job is gone
    JOB_SLOW = "job_slow"  # the batch job never gets ready
    CONDITION = "condition"  # the dataset condition of the day (value); retry_after does not matter
    ABSENT = "absent"  # the day is left out of the dataset conditions


_DEFAULT_CALLS = {
    FaultKind.WRONG_COUNT: "metadata.get_record_count",
    FaultKind.WRONG_SHA256: "batch.list_files",
    FaultKind.CUT_FILE: "batch.file",
    FaultKind.CONDITION: "metadata.get_dataset_condition",
    FaultKind.ABSENT: "metadata.get_dataset_condition",
}
_ANY_CALL = frozenset({FaultKind.EMPTY, FaultKind.JOB_EXPIRED, FaultKind.JOB_SLOW})
_NEEDS_VALUE = {FaultKind.STATUS: int, FaultKind.SLOW: float, FaultKind.WRONG_COUNT: int, FaultKind.CONDITION: str}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and when it strikes.

    Attributes:
        kind: what goes wrong.
        call: which call, such as ``timeseries.get_range`` or ``*``; empty: the one that the kind is about.
        symbol: only for this symbol; None: for all.
        day: only for this trade date; None: for all.
        attempts: at which calls of the same kind for the same symbol and day, counted from 1; empty: at all of them.
        value: see the kind.
        retry_after: header of that name, seconds as text or an HTTP date.
    """

    kind: FaultKind
    call: str = ""
    symbol: str | None = None
    day: date | None = None
    attempts: tuple[int, ...] = ()
    value: Any = None
    retry_after: str | None = None

    def strikes(self, call: str, symbol: str | None, day: date | None, attempt: int) -> bool:
        """Tell whether the fault is meant for a request."""
        default = "*" if self.kind in _ANY_CALL else _DEFAULT_CALLS.get(self.kind, "timeseries.get_range")
        wanted = self.call or default
        return (
            wanted in {"*", call}
            and self.symbol in {None, symbol}
            and self.day in {None, day}
            and (not self.attempts or attempt in self.attempts)
        )


def read_faults(path: Path) -> tuple[Fault, ...]:
    """Read a script: a JSON list of objects with the attributes of :class:`Fault`.

    Raises:
        RefusedError: E370 if the file is not such a list; the entry is named.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _bad_script(path, f"cannot be read as JSON ({error})") from error
    if not isinstance(content, list):
        raise _bad_script(path, f"holds a {type(content).__name__}, expected a list of faults")
    return tuple(_fault(path, number, entry) for number, entry in enumerate(content, 1))


def struck(
    faults: Sequence[Fault], call: str, symbol: str | None, day: date | None, attempt: int
) -> dict[FaultKind, Fault]:
    """Return the faults that strike a request, the first of each kind."""
    found: dict[FaultKind, Fault] = {}
    for fault in faults:
        if fault.strikes(call, symbol, day, attempt):
            found.setdefault(fault.kind, fault)
    return found


def _fault(path: Path, number: int, entry: Any) -> Fault:
    known = [field.name for field in fields(Fault)]
    if not isinstance(entry, dict) or not set(entry) <= set(known):
        raise _bad_script(path, f"entry {number} is {entry!r}, expected an object with some of {', '.join(known)}")
    try:
        kind = FaultKind(str(entry.get("kind")))
        day = entry.get("day")
        fault = Fault(
            kind,
            str(entry.get("call", "")),
            entry.get("symbol"),
            None if day is None else date.fromisoformat(day),
            tuple(int(attempt) for attempt in entry.get("attempts", ())),
            entry.get("value"),
            None if entry.get("retry_after") is None else str(entry["retry_after"]),
        )
        if kind in _NEEDS_VALUE:
            _NEEDS_VALUE[kind](fault.value)
    except (TypeError, ValueError) as error:
        raise _bad_script(path, f"entry {number}: {error}; kinds are {', '.join(FaultKind)}") from error
    return fault


def _bad_script(path: Path, detail: str) -> RefusedError:
    return RefusedError(
        "E370",
        f"script of faults rejected: {path.name} {detail}",
        "a fault that is misspelt would never strike; the stand-in was not started",
        _NEXT,
    )
