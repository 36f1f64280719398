"""Wide rows with letters: bounded memory, and fast paths that change neither hashes nor bytes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_platform.lake.contracts import L2, TICKS
from trading_platform.lake.hashing import _RunLength
from trading_platform.lake.stream import (
    ROW_GROUP_ROWS,
    VALIDATED_ROWS,
    _is_canonical,
    _validated_rows,
    _with_canonical_dictionaries,
)

LETTERS = st.lists(st.sampled_from(["A", "C", "T"]), max_size=40)


def letters(words: list[str], dictionary: list[str]) -> pa.DictionaryArray:
    codes = pa.array([dictionary.index(word) for word in words], pa.int32())
    return pa.DictionaryArray.from_arrays(codes, pa.array(dictionary, pa.string()))


def one_by_one(words: list[str]) -> tuple[str]:
    hasher = _RunLength()
    for word in words:
        hasher._add(word, 1)
    return hasher.digests()


@settings(deadline=None)
@given(st.lists(LETTERS, max_size=4), st.permutations(["A", "C", "T", "Z"]))
def test_m3_hash_of_letters_is_that_of_their_runs(parts: list[list[str]], dictionary: list[str]) -> None:
    hasher = _RunLength()
    for words in parts:
        hasher.update(letters(words, dictionary), 0)
    assert hasher.digests() == one_by_one([word for words in parts for word in words])


def test_m3_hash_of_a_dictionary_that_repeats_a_word_is_that_of_the_words() -> None:
    codes = pa.array([0, 1, 2, 2, 0], pa.int32())
    hasher = _RunLength()
    hasher.update(pa.DictionaryArray.from_arrays(codes, pa.array(["A", "A", "B"])), 0)
    assert hasher.digests() == one_by_one(["A", "A", "B", "B", "A"])


@pytest.mark.parametrize(
    ("words", "dictionary", "canonical"),
    [
        ("ACT", "ACT", True),
        ("AACAT", "ACT", True),
        ("CAT", "ACT", False),
        ("AC", "ACT", False),
        ("AAA", "A", True),
    ],
)
def test_m3_dictionary_is_stored_in_order_of_appearance(words: str, dictionary: str, *, canonical: bool) -> None:
    array = letters(list(words), list(dictionary))
    assert _is_canonical(array) is canonical
    stored: Any = _with_canonical_dictionaries(pa.table({"action": array})).column(0).chunk(0)
    assert stored.to_pylist() == list(words)
    assert stored.dictionary.to_pylist() == list(dict.fromkeys(words))


def test_m3_wide_rows_are_validated_row_group_by_row_group() -> None:
    assert _validated_rows(TICKS.arrow_schema) == VALIDATED_ROWS
    assert _validated_rows(L2.arrow_schema) == ROW_GROUP_ROWS
