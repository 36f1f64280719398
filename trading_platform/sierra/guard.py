"""Refusing a day before anything is written: bar storage, wrong price scale, legacy dates.

Belongs here: questions that a sample of the day answers. Does not belong here: verdicts on single records (``decode.py``) and on the
finished day (``checks.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SourceError
from ..instruments import Instrument
from .checks import ON_GRID_FRAC_MIN
from .format import STORAGE_REMEDY, STORAGE_SETTING, Records
from .prices import GRID_TOLERANCE_TICKS, NEAR_FACTOR, Float64s, PriceRule
from .record_file import RecordFile
from .records import RecordKind, record_kinds

if TYPE_CHECKING:
    from .archive import ScidSource
    from .depth.archive import DepthFileSource

FUT_STYLE = "fut"  # what tp instruments set assumes without --style
_SAMPLE_BLOCKS = 8
_SAMPLE_RECORDS = 1_024
_BAR_FRAC_MAX = 0.01  # fewer are counted as rejects: damage looks like a bar now and then
# Factors between the stored number and the price that feeds and display settings of Sierra Chart produce.
CANDIDATE_SCALES = (1.0, 0.01, 0.1, 0.001, 0.0001, 0.00001, 10.0, 100.0)


def guard_day(
    file: RecordFile,
    ranges: Sequence[tuple[int, int]],
    instrument: Instrument,
    rule: PriceRule,
    *,
    style: str = FUT_STYLE,
) -> Float64s:
    """Look at a sample of a day, spread evenly over its records.

    Args:
        file: the source.
        ranges: half-open record ranges of the day.
        instrument: whose ticks they should be.
        rule: price scale and band to be tried.
        style: symbol style of the file's name, for the command that corrects its scale.

    Returns:
        The stored prices of the trades in the sample.

    Raises:
        SourceError: E206 bar records; E207 the median is outside the price band, or fewer than 99.9 % of the prices are on the tick grid.
    """
    if not ranges:
        return np.empty(0, np.float64)
    sample = sample_records(file, ranges)
    kinds = record_kinds(sample)
    bars = int(np.count_nonzero(kinds == RecordKind.BAR))
    if bars > _BAR_FRAC_MAX * len(sample):
        raise bar_storage(file.path, bars / len(sample), ranges[0][0])
    stored: Float64s = sample["close"][kinds == RecordKind.TRADE].astype(np.float64)
    stored = stored[np.isfinite(stored) & (stored != 0)]
    refuse_wrong_scale(file.path, ranges[0][0], stored, instrument, rule, style)
    return stored


def refuse_wrong_scale(
    path: Path, index: int, stored: Float64s, instrument: Instrument, rule: PriceRule, style: str
) -> None:
    """Refuse a day whose prices do not fit its scale; a sample without prices tells nothing.

    Args:
        path: the file, for errors.
        index: index of the first record of the day in it.
        stored: stored prices of a sample, finite and not zero.
        instrument: whose prices they should be.
        rule: price scale and band to be tried.
        style: symbol style of the file's name, for the command that corrects its scale.

    Raises:
        SourceError: E207 the median is outside the price band, or fewer than 99.9 % of the prices are on the tick grid.
    """
    if len(stored) and not scale_fits(stored, rule):
        raise _wrong_scale(path, index, stored, instrument, rule, style)


def reference_price(path: Path, stored: Float64s, rule: PriceRule) -> float | None:
    """Return the price level of one day, from which a single trade may differ by a factor of ``NEAR_FACTOR`` at most.

    It is the median, so that prices off by a factor do not move it while they are the minority.

    Args:
        path: the file, for errors.
        stored: stored prices of a sample of the day, as ``guard_day`` returns them.
        rule: their scale.

    Returns:
        The level in points; None without a sample, and for instruments whose prices may be negative, which have no such level.

    Raises:
        SourceError: E209 the quartiles are a factor of ``NEAR_FACTOR`` apart: which of the prices are right is anyone's guess.
    """
    if rule.allows_negative or not len(stored):
        return None
    lower, median, upper = (float(price) for price in np.quantile(stored, (0.25, 0.5, 0.75)) * rule.price_scale)
    if upper > NEAR_FACTOR * lower:
        raise SourceError(
            "E209",
            f"{path.name}: the prices of the day have no common level: a quarter lies below {lower:,.2f}, a quarter above {upper:,.2f}",
            f"a factor of {NEAR_FACTOR:g} between the quartiles of one session is no move of a market: part of the day has another price "
            "scale or belongs to another instrument; nothing was written: let Sierra Chart download the day again",
            f"tp sierra inspect {path}",
        )
    return median


def sample_records(file: RecordFile, ranges: Sequence[tuple[int, int]]) -> Records:
    """Return at most 8,192 records, in blocks spread evenly over the ranges; all of them if there are not more."""
    total = sum(stop - first for first, stop in ranges)
    starts = np.unique(np.linspace(0, max(0, total - _SAMPLE_RECORDS), _SAMPLE_BLOCKS).astype(np.int64)).tolist()
    if total <= _SAMPLE_BLOCKS * _SAMPLE_RECORDS:
        return np.concatenate([file.read(first, stop) for first, stop in ranges])
    blocks = []
    for start in starts:
        skipped = 0
        for first, stop in ranges:
            begin = first + start - skipped
            if begin < stop:
                blocks.append(file.read(begin, min(stop, begin + _SAMPLE_RECORDS)))
                break
            skipped += stop - first
    return np.concatenate(blocks) if blocks else np.empty(0, file.RECORD)


def scale_fits(stored: Float64s, rule: PriceRule) -> bool:
    """Tell whether the median lies in the band and at least 99.9 % lie on the grid.

    The grid alone cannot tell a scale of 1 from one of 0.01: 642350 is a multiple of 0.25 as well.
    """
    low, high = rule.price_band
    if not low <= float(np.median(stored)) * rule.price_scale <= high:
        return False
    ticks = stored * rule.ticks_per_stored
    return float(np.mean(np.abs(ticks - np.rint(ticks)) <= GRID_TOLERANCE_TICKS)) >= ON_GRID_FRAC_MIN


def fitting_scale(stored: Float64s, rule: PriceRule) -> float | None:
    """Return the first usual scale under which the prices fit the instrument, or None."""
    return next((scale for scale in CANDIDATE_SCALES if scale_fits(stored, replace(rule, price_scale=scale))), None)


def style_option(style: str) -> str:
    """Return the option of ``tp instruments set`` that names a symbol style, with a space before it."""
    return "" if style == FUT_STYLE else f" --style {style}"


def no_price_scale(symbol: str, source: ScidSource | DepthFileSource) -> SourceError:
    """Return the error for a file of a symbol style without a price scale."""
    return SourceError(
        "E219",
        f"{symbol} has no price scale for the symbol style {source.style!r} of {source.path.name}",
        "the registry does not say how Sierra Chart stores its prices, and guessing would be wrong by a factor of 100",
        f"tp instruments set {symbol} --price-scale 1{style_option(source.style)}",
    )


def bar_storage(path: Path, share: float, index: int) -> SourceError:
    """Return the error for a file that holds bars."""
    return SourceError(
        "E206",
        f"{path.name}, from record {index}: {share:.2%} of the records are bars, not single trades",
        f'Sierra Chart stores bars when "{STORAGE_SETTING}" is not 1 Tick, and ticks cannot be had from bars; nothing was written. '
        f"Remedy: {STORAGE_REMEDY}",
        f"tp sierra inspect {path}",
    )


def legacy_dates(path: Path, index: int) -> SourceError:
    """Return the error for dates in the old floating-point encoding."""
    return SourceError(
        "E205",
        f"{path.name}, record {index}: the date is a float64 count of days (the encoding of old Sierra Chart versions)",
        f"such dates have no exact microseconds; nothing was written. Remedy: {STORAGE_REMEDY}",
        f"tp sierra inspect {path}",
    )


def _wrong_scale(
    path: Path, index: int, stored: Float64s, instrument: Instrument, rule: PriceRule, style: str
) -> SourceError:
    low, high = rule.price_band
    median = float(np.median(stored)) * rule.price_scale
    fits = fitting_scale(stored, rule)
    what = f"price scale rejected: {path.name}, from record {index}: "
    if low <= median <= high:
        what += f"fewer than {ON_GRID_FRAC_MIN:.1%} of the prices are multiples of {rule.tick_size:g} for {instrument.symbol}"
    else:
        what += f"median price {median:,.2f}, expected {low:,.2f} to {high:,.2f} for {instrument.symbol}"
    if fits is None:
        why = f"price_scale is {rule.price_scale:g} and no usual scale fits: the file may hold another instrument; nothing was written"
        command = f"tp instruments show {instrument.symbol}"
    else:
        why = f"price_scale is {rule.price_scale:g}, but the file stores prices that fit {fits:g}; nothing was written"
        command = f"tp instruments set {instrument.symbol} --price-scale {fits:g}{style_option(style)}"
    return SourceError("E207", what, why, command)
