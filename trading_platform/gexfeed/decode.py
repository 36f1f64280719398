"""Snapshots of a history file: strict parse of JSON into columns.

Belongs here: the fields of a snapshot, their types, and what makes one malformed. Does not belong here: where elements begin and end
(``elements.py``), which snapshots belong to a day (``acceptance.py``).

Source: the vendor's public OpenAPI repository. Every documented key must be there; null is a value of its own and stays null, 0 stays 0; an
unknown key is left alone. Ladders are the bulk of a file: their text is checked against the one allowed pattern of brackets and commas,
then all numbers of a batch are parsed as one flat list, which takes half the time of nested tuples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Final

import msgspec
import numpy as np

from .columns import LADDER, SCALARS, STRIKE, Floats, Ints, Mask, SnapshotColumns
from .elements import Elements, ElementSplitter, Refusal

_Number = float | None
_Days = Annotated[int, msgspec.Meta(ge=-100_000, le=100_000)] | None
_Change = tuple[_Number, _Number] | None
_Priors = tuple[_Number, _Number, _Number, _Number, _Number]
_LadderRow = tuple[float, _Number, _Number, _Priors | None]

# Beyond any price or exposure; a contract of the lake would refuse the whole day for one such number.
_LARGEST: Final = 1e15
_WIDTH: Final = len(LADDER)
# What may stand between the brackets and commas of a ladder: numbers, null and white space.
_NOT_STRUCTURE: Final = b"0123456789+-.eEnul \t\r\n"
_BRACKETS: Final = b"[]"
_ROW: Final = b"[,,,[,,,,]]"


class Snapshot(msgspec.Struct, gc=False):
    """The fields of one snapshot, by the vendor's names."""

    timestamp: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    ticker: str
    min_dte: _Days
    sec_min_dte: _Days
    spot: _Number
    zero_gamma: _Number
    major_pos_vol: _Number
    major_pos_oi: _Number
    major_neg_vol: _Number
    major_neg_oi: _Number
    strikes: msgspec.Raw
    sum_gex_vol: _Number
    sum_gex_oi: _Number
    delta_risk_reversal: _Number
    max_priors: tuple[_Change, _Change, _Change, _Change, _Change, _Change] | None


FIELDS: Final = Snapshot.__struct_fields__
_FLAT = msgspec.json.Decoder(list[_Number])
_LADDER = msgspec.json.Decoder(list[_LadderRow] | None)
_NO_CHANGES: Final[tuple[_Change, ...]] = (None,) * 6
_NO_PRIORS: Final[_Priors] = (None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded snapshots and the elements that were refused, in the order of the file.

    Attributes:
        columns: the snapshots.
        positions: int64[n], number of each in the array.
        refusals: malformed elements.
        elements: gives the bytes of a snapshot; index them by ``indexes``.
        indexes: int64[n], index of each snapshot in ``elements``.
    """

    columns: SnapshotColumns
    positions: Ints
    refusals: list[Refusal]
    elements: Elements[Snapshot]
    indexes: Ints

    def refusal(self, row: int, reason: str, detail: str) -> Refusal:
        """Return the refusal of a decoded snapshot."""
        return Refusal(int(self.positions[row]), reason, detail, self.elements.raw_of(int(self.indexes[row])))


def read_batches(blocks: Iterable[bytes]) -> Iterator[Batch]:
    """Decode the text of a history file.

    Args:
        blocks: its unpacked bytes, of any length.

    Raises:
        NotAnArrayError: the text does not begin with ``[``.
        CutShortError: the closing ``]`` is missing.
    """
    splitter = ElementSplitter(Snapshot, FIELDS)
    for elements in splitter.split(blocks):
        if elements.decoded or elements.refusals:
            yield _batch(elements)


def _batch(elements: Elements[Snapshot]) -> Batch:
    snapshots = elements.decoded
    ladder, counts, problems = _ladders(snapshots)
    columns = SnapshotColumns(
        np.array([one.timestamp for one in snapshots], np.int64),
        np.array([one.ticker for one in snapshots], np.object_),
        _scalars(snapshots),
        np.maximum(counts, 0),
        counts >= 0,
        ladder,
    )
    batch = Batch(
        _sorted_by_strike(columns),
        np.array(elements.positions, np.int64),
        elements.refusals,
        elements,
        np.arange(len(snapshots)),
    )
    for row in np.flatnonzero(~_credible(batch.columns)).tolist():
        problems.setdefault(row, ("absurd_number", f"a number beyond {_LARGEST:g}"))
    for row in np.flatnonzero(_repeats_strike(batch.columns)).tolist():
        problems.setdefault(row, ("repeated_strike", "a strike stands twice in the ladder"))
    for row in np.flatnonzero(_has_no_price(batch.columns)).tolist():
        problems.setdefault(row, ("strike_not_positive", "a strike of the ladder is zero or negative"))
    if not problems:
        return batch
    refused = [batch.refusal(row, *problem) for row, problem in sorted(problems.items())]
    keep = np.ones(len(snapshots), np.bool_)
    keep[list(problems)] = False
    return Batch(
        batch.columns.where(keep),
        batch.positions[keep],
        sorted([*elements.refusals, *refused], key=lambda refusal: refusal.position),
        elements,
        batch.indexes[keep],
    )


def _scalars(snapshots: list[Snapshot]) -> Floats:
    rows = [
        (
            one.spot,
            one.zero_gamma,
            one.major_pos_vol,
            one.major_pos_oi,
            one.major_neg_vol,
            one.major_neg_oi,
            one.sum_gex_vol,
            one.sum_gex_oi,
            one.delta_risk_reversal,
            one.min_dte,
            one.sec_min_dte,
            *(part for change in one.max_priors or _NO_CHANGES for part in change or (None, None)),
        )
        for one in snapshots
    ]
    # None becomes NaN.
    return np.array(rows, np.float64).reshape(len(rows), len(SCALARS))


def _ladders(snapshots: list[Snapshot]) -> tuple[Floats, Ints, dict[int, tuple[str, str]]]:
    """Return all ladder rows, the number of rows per snapshot (-1 for null), and what is wrong with some ladders."""
    counts = np.zeros(len(snapshots), np.int64)
    parts: list[bytes] = []
    problems: dict[int, tuple[str, str]] = {}
    usual = True
    for index, one in enumerate(snapshots):
        text = bytes(one.strikes)
        structure = text.translate(None, _NOT_STRUCTURE)
        rows, odd = divmod(len(structure) - 1, len(_ROW) + 1)
        if text == b"[]":
            continue
        if odd or rows < 1 or structure != _structure(rows):
            usual = False
            break
        counts[index] = rows
        parts.append(text)
    if usual:
        values = _flat(parts)
        if values is not None and not np.isnan(values[:, STRIKE]).any():
            return values, counts, problems
    return _ladders_one_by_one(snapshots)


def _flat(parts: list[bytes]) -> Floats | None:
    """Parse ladders of the right structure; None if something between the commas is no number and not null."""
    numbers = b",".join(parts).translate(None, _BRACKETS)
    try:
        return np.array(_FLAT.decode(b"[%b]" % numbers), np.float64).reshape(-1, _WIDTH)
    except (msgspec.MsgspecError, ValueError):
        return None


def _ladders_one_by_one(snapshots: list[Snapshot]) -> tuple[Floats, Ints, dict[int, tuple[str, str]]]:
    counts = np.zeros(len(snapshots), np.int64)
    rows: list[tuple[_Number, ...]] = []
    problems: dict[int, tuple[str, str]] = {}
    for index, one in enumerate(snapshots):
        try:
            ladder = _LADDER.decode(one.strikes)
        except msgspec.MsgspecError as error:
            problems[index] = ("bad_ladder", f"strikes: {error}")
            continue
        counts[index] = -1 if ladder is None else len(ladder)
        rows.extend(
            (strike, volume, interest, *(priors or _NO_PRIORS)) for strike, volume, interest, priors in ladder or ()
        )
    return np.array(rows, np.float64).reshape(len(rows), _WIDTH), counts, problems


@cache
def _structure(rows: int) -> bytes:
    """Return the brackets and commas of a ladder."""
    return b"[%b]" % b",".join([_ROW] * rows)


def _sorted_by_strike(columns: SnapshotColumns) -> SnapshotColumns:
    strike = columns.ladder[:, STRIKE]
    inner = np.ones(len(strike), np.bool_)
    inner[columns.starts[columns.counts > 0]] = False
    if not (inner[1:] & (strike[1:] < strike[:-1])).any():
        return columns
    owner = np.repeat(np.arange(len(columns)), columns.counts)
    order = np.lexsort((strike, owner))
    return SnapshotColumns(
        columns.timestamp_s,
        columns.ticker,
        columns.scalars,
        columns.counts,
        columns.has_ladder,
        columns.ladder[order],
    )


def _repeats_strike(columns: SnapshotColumns) -> Mask:
    strike = columns.ladder[:, STRIKE]
    owner = np.repeat(np.arange(len(columns)), columns.counts)
    same = (strike[1:] == strike[:-1]) & (owner[1:] == owner[:-1])
    found = np.zeros(len(columns), np.bool_)
    found[owner[1:][same]] = True
    return found


def _has_no_price(columns: SnapshotColumns) -> Mask:
    """Tell whose lowest strike is zero or negative; ladders are in ascending order."""
    found = np.zeros(len(columns), np.bool_)
    filled = columns.counts > 0
    found[filled] = columns.ladder[columns.starts[filled], STRIKE] <= 0
    return found


def _credible(columns: SnapshotColumns) -> Mask:
    with np.errstate(invalid="ignore"):
        good: Mask = np.logical_not((np.abs(columns.scalars) > _LARGEST).any(axis=1))
        beyond = (np.abs(columns.ladder) > _LARGEST).any(axis=1)
    if beyond.any():
        good[np.repeat(np.arange(len(columns)), columns.counts)[beyond]] = False
    return good
