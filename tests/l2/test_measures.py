"""Measures of a small book, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.errors import QualityError
from trading_platform.instants import MICROSECONDS, us_of
from trading_platform.l2 import COLUMNS, L2Measures, l2_metrics, value_area, volume_profile
from trading_platform.l2.measures import Coverage
from trading_platform.lake.contracts import L2, L2_METRICS

T0 = datetime(2025, 9, 3, 14, 30, tzinfo=UTC)
TYPES = {name: L2.polars_schema[name] for name in COLUMNS}


def row(ms: int, bid: tuple[float, int] | None, ask: tuple[float, int] | None, **fields: Any) -> dict[str, Any]:
    """Return a row with one level on each side; deeper levels by ``bids`` and ``asks``, sizes from level 1 on."""
    bids, asks = fields.pop("bids", []), fields.pop("asks", [])
    sizes = {f"bid_sz_{level:02d}": 0 for level in range(10)} | {f"ask_sz_{level:02d}": 0 for level in range(10)}
    sizes |= {f"bid_sz_{level + 1:02d}": size for level, size in enumerate(bids)}
    sizes |= {f"ask_sz_{level + 1:02d}": size for level, size in enumerate(asks)}
    sizes |= {"bid_sz_00": bid[1] if bid else 0, "ask_sz_00": ask[1] if ask else 0}
    return {
        "ts_recv": T0 + timedelta(milliseconds=ms),
        "action": "A",
        "side": "B",
        "price": 100.0,
        "size": 1,
        "flags": 130,
        "bid_px_00": bid[0] if bid else None,
        "ask_px_00": ask[0] if ask else None,
        **sizes,
        **fields,
    }


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=TYPES)


def measured(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    found = l2_metrics([frame(*rows)], "ESU5", [(us_of(T0), us_of(T0) + 2 * MICROSECONDS)])
    L2_METRICS.validate(found)
    return found.to_dicts()


def test_l8_book_at_the_end_of_a_second() -> None:
    first, second = measured(
        row(0, (99.75, 5), (100.0, 9)),
        row(400, (99.75, 6), (100.25, 2), bids=[3, 1, 0, 0, 2], asks=[4, 4, 4, 4, 4, 4, 4, 4, 4]),
        row(900, (99.0, 1), (98.0, 1), flags=2),
        row(1_250, (100.0, 4), (100.25, 12)),
    )
    assert first["ts"] == T0
    assert (first["bid"], first["bid_quantity"], first["ask"], first["ask_quantity"]) == (99.75, 6, 100.25, 2)
    assert (first["spread"], first["mid"]) == (0.5, 100.0)
    assert first["microprice"] == (99.75 * 2 + 100.25 * 6) / 8 == 100.125
    assert first["imbalance_1"] == (6 - 2) / (6 + 2)
    assert first["imbalance_5"] == (10 - 18) / (10 + 18)
    assert first["imbalance_10"] == (12 - 38) / (12 + 38)
    assert first["spread_mean"] == (0.25 + 0.5) / 2
    assert first["imbalance_1_mean"] == pytest.approx(((5 - 9) / 14 + 4 / 8) / 2)
    assert (first["updates"], first["events"], first["snapshot_rows"], first["age_ms"]) == (3, 2, 0, 600)
    assert (second["bid"], second["microprice"]) == (100.0, (100.0 * 12 + 100.25 * 4) / 16)
    assert second["in_session"]
    assert second["raw_symbol"] == "ESU5"


def test_l8_order_flow_imbalance_by_hand() -> None:
    rows = measured(
        row(0, (99.75, 5), (100.0, 9)),  # first book: nothing before it
        row(1, (99.75, 8), (100.0, 9)),  # bid grew by 3
        row(2, (99.75, 8), (100.0, 4)),  # ask shrank by 5
        row(3, (100.0, 2), (100.25, 7)),  # bid rose: +2; ask rose: +4 that were taken away
        row(1_000, (99.75, 6), (100.0, 3)),  # bid fell: -2; ask fell: -3
        row(1_001, (99.75, 1), (100.0, 8)),  # bid shrank by 5, ask grew by 5
    )
    assert [second["order_flow_imbalance"] for second in rows] == [3 + 5 + 2 + 4, -2 - 3 - 5 - 5]


def test_l8_order_flow_when_a_side_empties_and_returns() -> None:
    (only,) = measured(
        row(0, (99.75, 5), (100.0, 9)),
        row(1, None, (100.0, 9)),  # -5
        row(2, (99.5, 4), (100.0, 9)),  # +4
        row(3, (99.5, 4), None),  # ask vanished: +9
    )
    assert only["order_flow_imbalance"] == -5 + 4 + 9
    assert (only["ask"], only["spread"], only["mid"], only["microprice"]) == (None, None, None, None)
    assert (only["bid"], only["imbalance_1"]) == (99.5, 1.0)


def test_l8_snapshot_is_no_order_flow() -> None:
    (only,) = measured(
        row(0, (99.75, 5), (100.0, 9)),
        row(1, (90.0, 1), (110.0, 1), flags=168),
        row(2, (90.0, 4), (110.0, 1)),
    )
    assert only["order_flow_imbalance"] == 3
    assert (only["updates"], only["snapshot_rows"], only["events"]) == (2, 1, 3)


def test_l8_trades_of_a_second() -> None:
    first, second = measured(
        row(0, (99.75, 5), (100.0, 9)),
        row(1, (99.75, 5), (100.0, 9), action="T", side="B", price=100.0, size=3, flags=0),
        row(2, (99.75, 5), (100.0, 9), action="T", side="A", price=99.75, size=1, flags=0),
        row(3, (99.75, 5), (100.0, 9), action="T", side="N", price=99.5, size=4, flags=0),
        row(1_500, (99.75, 5), (100.0, 9)),
    )
    assert (first["trades"], first["volume"], first["buy_volume"], first["sell_volume"]) == (3, 8, 3, 1)
    assert first["vwap"] == (100.0 * 3 + 99.75 + 99.5 * 4) / 8
    assert (second["trades"], second["volume"], second["vwap"]) == (0, 0, None)


@pytest.mark.parametrize("unknown", [{"price": None}, {"size": None}])
def test_l8_trade_without_a_price_or_a_size_counts_as_a_trade_and_in_no_sum(unknown: dict[str, Any]) -> None:
    def trade_of(ms: int, **fields: Any) -> dict[str, Any]:
        told = {"action": "T", "side": "B", "price": 100.0, "size": 3, "flags": 0, **fields}
        return row(ms, (99.75, 5), (100.0, 9), **told)

    first, second = measured(
        row(0, (99.75, 5), (100.0, 9)),
        trade_of(1),
        trade_of(2, side="A", price=99.0, size=1),
        trade_of(3, **unknown),
        trade_of(1_000, **unknown),
    )
    assert (first["trades"], first["volume"], first["buy_volume"], first["sell_volume"]) == (3, 4, 3, 1)
    assert first["vwap"] == (100.0 * 3 + 99.0) / 4
    assert (second["trades"], second["volume"], second["vwap"]) == (1, 0, None)


def test_l8_quiet_seconds_repeat_the_book_and_seconds_before_the_first_book_are_unknown() -> None:
    rows = measured(
        row(0, (99.75, 5), (100.0, 9), flags=0),
        row(1_100, (99.75, 5), (100.0, 9)),
        row(4_000, (99.75, 6), (100.0, 9)),
    )
    assert [second["bid_quantity"] for second in rows] == [None, 5, 5, 5, 6]
    assert [second["age_ms"] for second in rows] == [None, 900, 1_900, 2_900, 1_000]
    assert [second["updates"] for second in rows] == [1, 1, 0, 0, 1]
    assert [second["spread_mean"] for second in rows] == [None, 0.25, None, None, 0.25]
    assert [second["in_session"] for second in rows] == [True, True, False, False, False]


def test_l8_crossed_book_has_a_negative_spread_and_no_mid() -> None:
    (only,) = measured(row(0, (100.25, 5), (100.0, 9)))
    assert (only["spread"], only["mid"], only["microprice"]) == (-0.25, None, None)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4_000), st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=30
    ),
    st.integers(1, 7),
)
def test_l8_parts_of_any_size_give_the_same_measures(events: list[tuple[int, int, int, bool]], size: int) -> None:
    rows = frame(
        *(
            row(ms, (99.75, bid) if bid else None, (100.0, ask) if ask else None, flags=130 if last else 0)
            for ms, bid, ask, last in sorted(events)
        )
    )
    whole = l2_metrics([rows], "X")
    parts = l2_metrics([rows[at : at + size] for at in range(0, rows.height, size)], "X")
    assert parts.drop("spread_mean", "imbalance_1_mean").equals(whole.drop("spread_mean", "imbalance_1_mean"))
    for name in ("spread_mean", "imbalance_1_mean"):
        assert parts[name].to_list() == pytest.approx(whole[name].to_list(), nan_ok=True)


def test_l8_nothing_gives_nothing() -> None:
    assert l2_metrics([], "X").equals(L2_METRICS.empty())
    assert l2_metrics([frame()], "X").height == 0


def test_l8_rows_that_cannot_be_measured_are_refused() -> None:
    with pytest.raises(QualityError) as missing:
        l2_metrics([frame(row(0, None, None)).drop("flags")], "X")
    assert missing.value.code == "E450"
    measures = L2Measures()
    measures.add(frame(row(5, None, None)))
    with pytest.raises(QualityError) as disorder:
        measures.add(frame(row(4, None, None)))
    assert disorder.value.code == "E451"


def trade(price: float, size: int, side: str = "B") -> dict[str, Any]:
    return row(0, None, None, action="T", price=price, size=size, side=side)


def test_l8_volume_profile_and_value_area_by_hand() -> None:
    sizes = {100.0: 5, 100.25: 10, 100.5: 40, 100.75: 25, 101.0: 8, 101.25: 12}
    rows = frame(*(trade(price, size) for price, size in sizes.items()), trade(100.5, 2, "A"), row(1, None, None))
    profile = volume_profile(rows)
    assert profile["price"].to_list() == list(sizes)
    assert profile["volume"].to_list() == [5, 10, 42, 25, 8, 12]
    assert profile.row(2, named=True) == {
        "price": 100.5,
        "volume": 42,
        "buy_volume": 40,
        "sell_volume": 2,
        "trades": 2,
    }
    area = value_area(profile)
    assert area is not None
    # 102 in all, 71.4 wanted: 42, then 25 above (67), then 10 below (77)
    assert (area.point_of_control, area.low, area.high, area.volume) == (100.5, 100.25, 100.75, 77)
    assert area.total_volume == 102
    whole = value_area(profile, 1.0)
    assert whole is not None
    assert (whole.low, whole.high) == (100.0, 101.25)


def test_l8_profile_without_trades_has_no_value_area() -> None:
    assert value_area(volume_profile(frame(row(0, None, None)))) is None


def test_l8_book_is_unknown_after_a_hole_that_no_file_covers() -> None:
    start = us_of(T0) * 1_000
    second = 1_000_000_000
    rows = [row(0, (100.0, 5), (100.5, 5)), row(4_000, (101.0, 5), (101.5, 5))]
    windows = [(start, start + 2 * second), (start + 3 * second, start + 6 * second)]
    found = l2_metrics([frame(*rows)], "ESU5", (), windows)
    assert found["ts"].to_list() == [T0 + timedelta(seconds=n) for n in (0, 1, 3, 4)]
    assert found["bid"].to_list() == [100.0, 100.0, None, 101.0]
    assert found["age_ms"].to_list() == [1_000, 2_000, None, 1_000]
    assert found["order_flow_imbalance"].to_list() == [0, 0, 0, 0]
    unbroken = l2_metrics(
        [frame(*rows)], "ESU5", (), [(start, start + 3 * second), (start + 3 * second, start + 6 * second)]
    )
    assert unbroken["bid"].to_list() == [100.0, 100.0, 100.0, 100.0, 101.0]
    assert unbroken["order_flow_imbalance"][-1] != 0
    assert unbroken.equals(l2_metrics([frame(*rows)], "ESU5"))
    assert Coverage(windows).seconds_between(start // second, start // second + 4) == found.height
