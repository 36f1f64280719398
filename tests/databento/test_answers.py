"""Times and ranges as the vendor writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from trading_platform.databento.answers import instant_from, ns_from, span_from
from trading_platform.errors import VendorError

from .shop import DATASET, Shop

SECOND = 1_756_857_600 * 10**9  # 2025-09-03T00:00:00Z


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2025-09-03T00:00:00Z", SECOND),
        ("2025-09-03T00:00:00.000000001Z", SECOND + 1),
        ("2025-09-03T00:00:00.123456789Z", SECOND + 123_456_789),
        ("2025-09-03T00:00:00.5+00:00", SECOND + 500_000_000),
        ("2025-09-03T02:00:00.123456789+02:00", SECOND + 123_456_789),
        ("2025-09-02T19:00:00-05:00", SECOND),
        (str(SECOND + 7), SECOND + 7),
        (SECOND + 7, SECOND + 7),
    ],
)
def test_l1_times_of_the_vendor_are_read_to_the_nanosecond(text: str | int, ns: int) -> None:
    assert ns_from(text) == ns
    if isinstance(text, str) and not text.isdigit():
        read = instant_from(text)
        assert read == datetime(2025, 9, 3, microsecond=(ns - SECOND) // 1_000, tzinfo=UTC)
        assert read.tzinfo is not None


@pytest.mark.parametrize(
    "text", ["2025-09-03T00:00:00", "2025-09-03", "2025-09-03T00:00:00.5", "soon", "", None, True, 1.5, "2025-13-01Z"]
)
def test_l1_a_time_without_a_zone_or_of_another_form_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        ns_from(text)


@pytest.mark.parametrize("answer", [{}, {"schema": {}}, {"schema": {"trades": {}}}, [], "text"])
def test_l1_a_range_that_does_not_name_the_schema_is_no_answer(answer: Any) -> None:
    with pytest.raises(ValueError, match="Expected the range of mbp-10"):
        span_from(answer, "mbp-10")


def test_l1_a_dataset_without_the_schema_is_e343(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    client = shop.client()
    whole = {"start": "2010-06-06T00:00:00.000000000Z", "end": "2025-10-01T00:00:00.000000000Z"}
    monkeypatch.setattr(client.library.metadata, "get_dataset_range", lambda **_: {**whole, "schema": {"mbo": whole}})
    with pytest.raises(VendorError, match="was one of mbo") as raised:
        client.dataset_range(DATASET, "mbp-10")
    assert raised.value.code == "E343"
