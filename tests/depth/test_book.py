"""The plain replay: rules of the book, states at batch ends, equality with the oracle."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from trading_platform.depth import Book, Level, replay

from . import frames
from .frames import ask, bid, clear, delete_ask, delete_bid, modify_ask, modify_bid
from .model import model_day


def books_of(events: list[frames.Event]) -> list[tuple[int, Book | None]]:
    frame = frames.event_frame(events)
    return [(state.seq, None if state.book is None else state.book.copy()) for state in replay(frame)]


@settings(max_examples=100, deadline=None)
@given(frames.days())
def test_t6_book_at_every_batch_end_equals_the_dictionary_model(events: list[frames.Event]) -> None:
    frame = frames.event_frame(events)
    model = model_day(frame)
    found = [
        (
            state.seq,
            None if state.book is None else {price: size for price, (size, _) in state.book.bids.items()},
            None if state.book is None else {price: size for price, (size, _) in state.book.asks.items()},
        )
        for state in replay([frame[: frame.height // 2], frame[frame.height // 2 :]])
    ]
    expected = [
        (seq, *(None if side is None else {float(price): size for price, size in side.items()} for side in sides))
        for seq, *sides in model.batches
    ]
    assert found == expected
    absent = [state.book.deletes_of_absent for state in replay(frame) if state.book is not None]
    assert (absent[-1] if absent else 0) == model.deletes_of_absent


def test_t6_add_and_modify_both_set_a_level_and_delete_removes_it() -> None:
    books = books_of(
        [
            clear(end=True),
            modify_bid(99, 5, 2, end=True),
            bid(99, 7, 3, end=True),
            ask(101, 4, end=True),
            modify_ask(101, 6, 2, end=True),
            delete_bid(99, end=True),
        ]
    )
    assert [book.bids for _, book in books if book is not None] == [
        {},
        {24.75: (5, 2)},
        {24.75: (7, 3)},
        {24.75: (7, 3)},
        {24.75: (7, 3)},
        {},
    ]
    assert books[-1][1] == Book({}, {25.25: (6, 2)}, 0)


def test_t6_a_level_with_quantity_zero_does_not_exist() -> None:
    books = books_of([clear(), bid(99, 5), ask(101, 4, end=True), modify_bid(99, 0, end=True), bid(98, 0, end=True)])
    assert [book for _, book in books[1:]] == [Book({}, {25.25: (4, 1)}, 0)] * 2


def test_t6_delete_of_an_absent_level_is_counted_and_changes_nothing() -> None:
    books = books_of([clear(), bid(99, 5, end=True), delete_bid(98), delete_ask(99, end=True), modify_bid(99, 0)])
    assert books[-1] == (3, Book({24.75: (5, 1)}, {}, 2))


def test_t6_the_book_is_unknown_until_a_batch_with_a_clear_has_ended() -> None:
    books = books_of([bid(99, 5, end=True), delete_bid(98, end=True), clear(), bid(97, 1), ask(99, 2, end=True)])
    assert books == [(0, None), (1, None), (4, Book({24.25: (1, 1)}, {24.75: (2, 1)}, 0))]


def test_t6_lone_clear_is_a_known_empty_book() -> None:
    books = books_of([clear(), bid(99, 5, end=True), clear(end=True)])
    assert books[-1] == (2, Book())


def test_t6_a_batch_shows_only_when_it_has_ended() -> None:
    books = books_of([clear(), bid(99, 5, end=True), delete_bid(99), bid(98, 1), bid(97, 2, end=True), bid(96, 1)])
    assert [seq for seq, _ in books] == [1, 4]
    assert books[1][1] == Book({24.5: (1, 1), 24.25: (2, 1)}, {}, 0)


def test_t6_no_book_is_carried_into_the_next_segment() -> None:
    books = books_of(
        [
            clear(),
            bid(99, 5, end=True),
            delete_bid(98),
            bid(100, 5, end=True, segment=1),
            clear(segment=1),
            ask(101, 2, end=True, segment=1),
        ]
    )
    assert books == [
        (1, Book({24.75: (5, 1)}, {}, 0)),
        (3, None),
        (5, Book({}, {25.25: (2, 1)}, 0)),
    ]


def test_t6_ladder_counts_from_the_best_level_outwards() -> None:
    book = Book({24.75: (5, 2), 24.25: (1, 1), 24.5: (7, 3)}, {25.0: (4, 1), 26.0: (6, 2)})
    assert book.bid_levels(2) == [Level(24.75, 5, 2, 5), Level(24.5, 7, 3, 12)]
    assert book.ask_levels() == [Level(25.0, 4, 1, 4), Level(26.0, 6, 2, 10)]
    assert (book.best_bid, book.best_ask, book.is_crossed) == (24.75, 25.0, False)


def test_t6_a_crossed_book_says_so_and_a_locked_or_empty_one_does_not() -> None:
    assert Book({25.0: (1, 1)}, {24.75: (1, 1)}).is_crossed
    assert not Book({25.0: (1, 1)}, {25.0: (1, 1)}).is_crossed
    assert not Book({25.0: (1, 1)}).is_crossed
    assert (Book().best_bid, Book().best_ask) == (None, None)


@pytest.mark.parametrize(("command", "price"), [(0, 25.0), (8, 25.0), (2, None)])
def test_t6_an_event_that_is_none_is_refused(command: int, price: float | None) -> None:
    with pytest.raises(ValueError, match="Expected a command from 1 to 7 with a price"):
        Book().apply(command, price, 1, 1)
