"""Files of several contracts of one root with a chosen volume per session, all of them synthetic."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np

from trading_platform.instruments import Instrument
from trading_platform.sessions import calendar_for
from trading_platform.simulation import SCID_RECORD, write_scid

EPOCH_OFFSET_US = 2_209_161_600_000_000
MINUTE_US = 60_000_000
STEP_US = 10 * MINUTE_US


def session_records(
    instrument: Instrument,
    day: date,
    volume: int,
    *,
    gap_ticks: int = 0,
    price_scale: float = 0.01,
    base_ticks: int = 20_000,
    offset_us: int = 0,
) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return a trade every ten minutes of a session and one a minute before its close; the volumes add up to ``volume``.

    The price goes up one tick per trade and two more per day, the same in every contract but for the gap. ``offset_us`` shifts the times.
    """
    session = calendar_for(instrument.calendar).session(day)
    assert session.opens_at is not None
    assert session.closes_at is not None
    opens_us, closes_us = (int(at.timestamp()) * 1_000_000 for at in (session.opens_at, session.closes_at))
    times = np.append(np.arange(opens_us + MINUTE_US, closes_us - STEP_US, STEP_US), closes_us - MINUTE_US) + offset_us
    records = np.zeros(len(times), SCID_RECORD)
    ticks = base_ticks + gap_ticks + np.arange(len(times)) + 2 * (day.toordinal() % 7)
    stored = instrument.tick_size / price_scale
    records["dt"] = times + EPOCH_OFFSET_US
    records["close"] = records["low"] = ticks * stored
    records["high"] = (ticks + 1) * stored
    records["num_trades"] = 1
    records["total_volume"] = volume // len(times)
    records["total_volume"][0] += volume % len(times)
    records["bid_volume"] = records["total_volume"]
    return records


def write_contract(
    folder: Path,
    instrument: Instrument,
    contract: str,
    volumes: Mapping[date, int],
    *,
    gap_ticks: int = 0,
    offset_us: int = 0,
) -> Path:
    """Write ``<contract>_FUT_<exchange>.scid`` with one session per day, in order of time."""
    assert instrument.sierra is not None
    path = folder / f"{contract}_FUT_{instrument.sierra.exchange}.scid"
    scale = instrument.sierra.price_scales["fut"]
    chunks = [
        session_records(instrument, day, volume, gap_ticks=gap_ticks, price_scale=scale, offset_us=offset_us)
        for day, volume in sorted(volumes.items())
    ]
    write_scid(path, chunks)
    return path
