"""What several threads of one run ask of the vendor: each question once, and none waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest

from trading_platform.sessions import calendar_for

from .l2_shop import L2Shop

SPAN = datetime(2020, 1, 1, tzinfo=UTC), datetime(2025, 9, 30, tzinfo=UTC)
WAIT_S = 5.0


def test_l1_question_about_one_month_does_not_wait_for_that_about_another(
    l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = l2_shop.vendor()
    both = threading.Barrier(2, timeout=WAIT_S)

    def meet(*_: Any) -> dict[date, Any]:
        both.wait()  # breaks if the other one is not let in meanwhile
        return {}

    monkeypatch.setattr(vendor.store.client, "dataset_range", lambda *_: SPAN)
    monkeypatch.setattr(vendor.store.client, "conditions", meet)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(vendor.condition, "GLBX.MDP3", date(2025, month, 3)) for month in (7, 8)]
        assert [one.result() for one in asked] == [None, None]


@pytest.mark.parametrize("question", ["range", "condition", "offer"])
def test_l1_question_that_two_threads_have_is_asked_once(
    l2_shop: L2Shop, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    vendor, day = l2_shop.vendor(), date(2025, 9, 3)
    session = calendar_for("NYSE").session(day)
    target = vendor.target("AAPL", session)
    asked: list[str] = []
    begun = threading.Event()

    def slowly(name: str, ask: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            asked.append(name)
            begun.wait(0.2)  # leaves the other thread time to come in, if it is let in
            return ask(*arguments)

        return call

    client = vendor.store.client
    for name in ("dataset_range", "conditions", "preview"):
        monkeypatch.setattr(client, name, slowly(name, getattr(client, name)))
    ask = {
        "range": lambda: vendor._range("XNAS.ITCH", "mbp-10"),
        "condition": lambda: vendor.condition("XNAS.ITCH", day),
        "offer": lambda: vendor.offer(target, session),
    }[question]
    with ThreadPoolExecutor(2) as pool:
        answers = [one.result() for one in [pool.submit(ask), pool.submit(ask)]]
    assert answers[0] == answers[1]
    assert len(asked) == len(set(asked)) == {"range": 1, "condition": 2, "offer": 3}[question]
