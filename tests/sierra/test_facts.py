"""What is measured about a day: sums that cannot be exact are refused."""

from __future__ import annotations

import numpy as np
import pytest

from trading_platform.errors import SourceError
from trading_platform.sessions import calendar_for
from trading_platform.sierra.facts import FactCounter, TickChunk
from trading_platform.sierra.prices import PriceRule

from .scid_bytes import us
from .test_ticks import DAYS

RULE = PriceRule(1.0, 0.25, (500.0, 20_000.0), allows_negative=True)
SIZE = 2**31 - 1


def chunk(price: float, rows: int, size: int) -> TickChunk:
    small = np.zeros(rows, np.uint8)
    ts = us("2025-11-03T15:00:00") + np.arange(rows, dtype=np.int64)
    volume = np.full(rows, size, np.int32)
    return TickChunk(ts, np.full(rows, price), volume, np.ones(rows, np.int8), small, small, None, None)


def counter() -> FactCounter:
    return FactCounter(calendar_for("CME_EQUITY").session(DAYS[0]), RULE, "tp sierra inspect ESZ25.scid")


def test_t4_sums_are_exact_up_to_the_limit_of_floats() -> None:
    # 4 x (2**31 - 1) contracts at 2**20 ticks stay below 2**53.
    counted = counter()
    for _ in range(3):
        counted.add(chunk(2**18, 3, SIZE))
    assert counted.facts()["volume_sum"] == 9 * SIZE
    assert counted.facts()["notional"] == 9 * SIZE * 2**18


@pytest.mark.parametrize("price", [2.0**18, -(2.0**18)])
def test_t4_sums_beyond_the_limit_of_floats_are_e220(price: float) -> None:
    with pytest.raises(SourceError) as caught:
        counter().add(chunk(price, 5, SIZE))
    assert (caught.value.code, caught.value.next_command) == ("E220", "tp sierra inspect ESZ25.scid")
    assert str(5 * SIZE) in caught.value.what.replace(",", "")
