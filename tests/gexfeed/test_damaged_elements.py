"""Damaged arrays: every element is one element, what is whole is kept, and no byte goes unread."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trading_platform.gexfeed.decode import FIELDS, Snapshot
from trading_platform.gexfeed.elements import CutShortError, ElementSplitter, Refusal

from .feed_files import OPEN_S, snapshot, without

SEPARATORS = b", \t\r\n"


def read(text: bytes, size: int = 1 << 20) -> tuple[list[int], list[Refusal]]:
    """Return the seconds after the open of what was accepted, and the refusals; every byte must be in one or the other."""
    splitter = ElementSplitter(Snapshot, FIELDS)
    raws: dict[int, bytes] = {}
    found: list[int] = []
    refusals: list[Refusal] = []
    blocks: Iterator[bytes] = (text[start : start + size] for start in range(0, len(text), size))
    for elements in splitter.split(blocks):
        for index, (position, one) in enumerate(zip(elements.positions, elements.decoded, strict=True)):
            raws[position] = elements.raw_of(index)
            found.append(one.timestamp - OPEN_S)
        raws |= {one.position: one.raw for one in elements.refusals}
        refusals += elements.refusals
    assert sorted(raws) == list(range(splitter.count))
    assert splitter.count == len(found) + len(refusals)
    assert _bare(b"".join(raws[position] for position in sorted(raws))) == _bare(text.strip()[1:-1])
    return found, refusals


def _bare(text: bytes) -> bytes:
    return text.translate(None, SEPARATORS)


def versioned(second: int, **changes: Any) -> dict[str, Any]:
    """Return a snapshot that begins with a key that the vendor does not document."""
    return {"v": 2, **snapshot(second, **changes)}


WELL_FORMED_BAD: dict[str, tuple[str, Callable[[int], str]]] = {
    "a number as ticker": ("wrong_type", lambda second: json.dumps(versioned(second, ticker=5))),
    "a missing key": ("missing_key", lambda second: json.dumps({"v": 2, **without("spot", second)})),
    "another object": ("missing_key", lambda second: json.dumps({"note": {"ticker": "X"}, "second": second})),
    "an array": ("wrong_type", lambda second: json.dumps([[second, "}"], {"a": [1]}])),
    "a text": ("wrong_type", lambda second: json.dumps(f'}}{{"timestamp": {second}')),
    "a number": ("wrong_type", str),
    "null": ("wrong_type", lambda _: "null"),
    "NaN": ("not_json", lambda second: json.dumps(versioned(second, spot=float("nan")))),
}
BROKEN: dict[str, Callable[[str], str]] = {
    "no closing brace": lambda text: text[:-1],
    "no bracket": lambda text: text.replace("]]", "]", 1),
    "a bracket too many": lambda text: text.replace("]]", "]]]", 1),
    "no quote": lambda text: text.replace('"ticker"', '"ticker', 1),
    "a quote too many": lambda text: text.replace('"ticker"', '"tick"er"', 1),
    "no colon": lambda text: text.replace(":", " ", 1),
    "a word": lambda text: text.replace("20", "twenty", 1),
    "cut in the middle": lambda text: text[: len(text) // 2],
    "without its beginning": lambda text: text[len(text) // 2 :],
}


@pytest.mark.parametrize("size", [300, 1 << 20])
@pytest.mark.parametrize("name", WELL_FORMED_BAD)
def test_g1_one_bad_element_costs_itself_whatever_keys_the_others_begin_with(name: str, size: int) -> None:
    reason, make = WELL_FORMED_BAD[name]
    day = [json.dumps(versioned(second)) for second in range(40)]
    day[20] = make(20)
    found, refusals = read(f"[{','.join(day)}]".encode(), size)
    assert found == [second for second in range(40) if second != 20]
    assert [(one.position, one.reason, one.raw.decode()) for one in refusals] == [(20, reason, day[20])]


@pytest.mark.parametrize("size", [300, 1 << 20])
@pytest.mark.parametrize("make", [snapshot, versioned])
@pytest.mark.parametrize("name", BROKEN)
def test_g1_broken_elements_cost_none_of_their_neighbours(name: str, make: Any, size: int) -> None:
    day = [json.dumps(make(second)) for second in range(40)]
    broken = (0, 20, 21, 30)
    for second in broken:
        day[second] = BROKEN[name](day[second])
    found, refusals = read(f"[{', '.join(day)}]".encode(), size)
    assert found == [second for second in range(40) if second not in broken]
    assert len(refusals) >= len(broken) - 1


GOOD = st.tuples(st.just("good"), st.sampled_from([snapshot, versioned]))
BAD = st.tuples(st.just("bad"), st.sampled_from(sorted(WELL_FORMED_BAD)))
DAMAGED = st.tuples(st.sampled_from(sorted(BROKEN)), st.sampled_from([snapshot, versioned]))


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.one_of(GOOD, GOOD, BAD, DAMAGED), min_size=1, max_size=14),
    st.sampled_from([57, 700, 4_096, 1 << 20]),
    st.sampled_from([",", ", ", ",\n"]),
)
def test_g1_whatever_is_inserted_all_good_elements_are_kept_and_all_bytes_counted(
    parts: list[tuple[str, Any]], size: int, separator: str
) -> None:
    # The front half of one and the back half of the next are the bytes of one whole element: nothing can tell them from it.
    kinds = [kind for kind, _ in parts]
    assume(("cut in the middle", "without its beginning") not in pairwise(kinds))
    texts: list[str] = []
    for second, (kind, what) in enumerate(parts):
        if kind == "bad":
            texts.append(WELL_FORMED_BAD[what][1](second))
        else:
            text = json.dumps(what(second))
            texts.append(text if kind == "good" else BROKEN[kind](text))
    # The last one is whole: a text that ends inside an element is a broken download.
    texts.append(json.dumps(snapshot(100)))
    found, _ = read(f"[{separator.join(texts)}]".encode(), size)
    good = [second for second, (kind, _) in enumerate(parts) if kind == "good"]
    assert found == [*good, 100]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_g1_a_stray_character_anywhere_loses_one_or_two_elements_and_no_byte(data: st.DataObject) -> None:
    text = f"[{','.join(json.dumps(versioned(second)) for second in range(12))}]"
    at = data.draw(st.integers(1, len(text) - 1))
    stray = data.draw(st.sampled_from(['"', "{", "}", "[", "]", "\\", "x", ":", "0"]))
    size = data.draw(st.sampled_from([64, 999, 1 << 20]))
    try:
        found, refusals = read((text[:at] + stray + text[at:]).encode(), size)
    except CutShortError:
        assert at > text.rindex("{")  # the last element has no end
        return
    assert len(found) >= 10
    assert len(found) == 12 or refusals


def test_g1_refused_bytes_are_as_many_as_were_not_read() -> None:
    day = [json.dumps(versioned(second)) for second in range(200)]
    day[0] = day[0][:-1]
    found, refusals = read(f"[{','.join(day)}]".encode())
    assert found == list(range(1, 200))
    assert sum(len(one.raw) for one in refusals) < 2 * len(day[0])
