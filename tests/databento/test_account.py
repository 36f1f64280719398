"""Which gateways count as a stand-in."""

from __future__ import annotations

import pytest

from trading_platform.databento.account import is_stand_in


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [
        ("https://127.0.0.1:8443", True),
        ("https://127.8.8.8", True),
        ("https://127.255.255.254:1", True),
        ("https://[::1]:8443", True),
        ("https://localhost:8443", True),
        ("https://hist.databento.com", False),
        ("https://128.0.0.1", False),
        ("https://localhost.example.com", False),
        ("https://127.0.0.1.example.com", False),
    ],
)
def test_l7_every_address_of_this_machine_is_a_stand_in(gateway: str, *, expected: bool) -> None:
    assert is_stand_in(gateway) == expected
