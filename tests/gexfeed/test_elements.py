"""Where one element ends and the next begins, whatever the blocks, the white space and the damage."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.gexfeed.decode import FIELDS, Snapshot
from trading_platform.gexfeed.elements import (
    LARGEST_ELEMENT_BYTES,
    CutShortError,
    ElementSplitter,
    NotAnArrayError,
    Refusal,
)

from .feed_files import OPEN_S, snapshot, without


def blocks_of(text: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def split(text: bytes, size: int = 1 << 20) -> tuple[dict[int, int], list[Refusal]]:
    """Return seconds after the open by position, and the refusals."""
    splitter = ElementSplitter(Snapshot, FIELDS)
    seconds: dict[int, int] = {}
    refusals: list[Refusal] = []
    for elements in splitter.split(blocks_of(text, size)):
        for index, (position, one) in enumerate(zip(elements.positions, elements.decoded, strict=True)):
            assert json.loads(elements.raw_of(index))["timestamp"] == one.timestamp
            seconds[position] = one.timestamp - OPEN_S
        refusals += elements.refusals
    assert splitter.count == len(seconds) + len(refusals)
    return seconds, refusals


SPACE = st.sampled_from(["", " ", "\n", "\r\n\t", "    "])
TICKERS = st.sampled_from(["NQ_NDX", "a}b", '"},{"timestamp":', "[", "\\", "\\\\", "é}", '{"ticker":1}'])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(SPACE, TICKERS, SPACE), max_size=6), st.sampled_from([13, 97, 400, 5_000]), st.booleans())
def test_g1_any_blocks_any_space_any_string_give_every_element_once(
    parts: list[tuple[str, str, str]],
    size: int,
    spread: bool,  # noqa: FBT001
) -> None:
    elements = [
        before + json.dumps(snapshot(second, ticker=ticker), indent=1 if spread else None) + after
        for second, (before, ticker, after) in enumerate(parts)
    ]
    text = f"\ufeff [{','.join(elements)}]\n".encode()
    seconds, refusals = split(text, size)
    assert seconds == {second: second for second in range(len(parts))}
    assert refusals == []


@pytest.mark.parametrize("size", [7, 64, 1 << 20])
def test_g1_cut_at_every_byte_is_noticed_and_whole_elements_are_right(size: int) -> None:
    text = json.dumps([snapshot(second) for second in range(3)]).encode()
    for length in range(1, len(text), 5):
        with pytest.raises(CutShortError):
            split(text[:length], size)
    assert split(text, size) == ({0: 0, 1: 1, 2: 2}, [])


@pytest.mark.parametrize("size", [50, 1 << 20])
@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (json.dumps(without("spot", 1)), "missing_key"),
        (json.dumps(snapshot(1, spot="20600")), "wrong_type"),
        (json.dumps(snapshot(1, timestamp=1.5)), "wrong_type"),
        (json.dumps(snapshot(1, zero_gamma=float("nan"))), "not_json"),
        (json.dumps(snapshot(1)).replace("}", ""), "not_json"),
        (json.dumps(snapshot(1)).replace('"ticker"', '"ticker'), "not_json"),
        (json.dumps(snapshot(1)).replace("]]", "]"), "not_json"),
        ("{}", "missing_key"),
        ("null", "wrong_type"),
        ("12", "wrong_type"),
        ('{"other": {"timestamp": [1]}}', "missing_key"),
    ],
)
def test_g1_damaged_element_costs_itself_and_not_its_neighbours(damaged: str, reason: str, size: int) -> None:
    text = f"[{json.dumps(snapshot(0))}, {damaged}, {json.dumps(snapshot(2))}, {json.dumps(snapshot(3))}]".encode()
    seconds, refusals = split(text, size)
    assert list(seconds.values()) == [0, 2, 3]
    assert [(one.position, one.reason) for one in refusals] == [(1, reason)]
    assert refusals[0].raw.decode() == damaged


def test_g1_last_element_damaged_is_no_cut_file() -> None:
    broken = json.dumps(snapshot(1)).replace("[[", "[")
    seconds, refusals = split(f"[{json.dumps(snapshot(0))},{broken}]".encode())
    assert list(seconds.values()) == [0]
    assert [one.reason for one in refusals] == ["not_json"]


def test_g1_two_arrays_one_after_the_other_lose_nothing() -> None:
    one, other = json.dumps([snapshot(0), snapshot(1)]), json.dumps([snapshot(2)])
    seconds, refusals = split((one + other).encode())
    assert list(seconds.values()) == [0, 1, 2]
    assert [refusal.raw for refusal in refusals] == [b"]["]


@pytest.mark.parametrize("text", [b"[]", b" [ ] \n", b"\xef\xbb\xbf[]"])
def test_g1_empty_array_has_no_elements(text: bytes) -> None:
    assert split(text, 1) == ({}, [])


@pytest.mark.parametrize("text", [b"  \n", b"<html>", b'{"timestamp": 1}', b"\x00\x01"])
def test_g1_other_text_is_no_array(text: bytes) -> None:
    with pytest.raises(NotAnArrayError):
        split(text)


def test_g1_endless_rubbish_does_not_fill_the_memory() -> None:
    rubbish = b"1," * (LARGEST_ELEMENT_BYTES // 2 + 10)
    seconds, refusals = split(b"[" + rubbish + b"\n" + json.dumps(snapshot(0)).encode() + b"]", 1 << 20)
    assert list(seconds.values()) == [0]
    assert len(refusals) == 1
    assert len(refusals[0].raw) > LARGEST_ELEMENT_BYTES


def test_g1_element_without_end_is_refused_before_it_fills_the_memory() -> None:
    endless = b'{"timestamp": ' + b"9" * (LARGEST_ELEMENT_BYTES + 10)
    seconds, refusals = split(b"[" + endless + b",\n" + json.dumps(snapshot(0)).encode() + b"]", 1 << 18)
    assert list(seconds.values()) == [0]
    assert {refusal.reason for refusal in refusals} <= {"not_json", "wrong_type"}


@pytest.mark.parametrize("size", [50, 1 << 20])
def test_g1_objects_inside_a_snapshot_are_no_snapshots(size: int) -> None:
    nested = [{**snapshot(second), "meta": {"ticker": "X", "timestamp": 5}} for second in range(3)]
    text = json.dumps([*nested, without("spot", 3), *nested[:1]]).encode()
    seconds, refusals = split(text, size)
    assert list(seconds.values()) == [0, 1, 2, 0]
    assert [refusal.reason for refusal in refusals] == ["missing_key"]
