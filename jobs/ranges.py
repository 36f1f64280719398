"""Trade dates as ranges: Dagster's range runs take a first and a last partition key and everything between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

TAG_RANGE_START = "dagster/asset_partition_range_start"
TAG_RANGE_END = "dagster/asset_partition_range_end"
TAG_PARTITION = "dagster/partition"


def trade_dates_between(first: date, last: date) -> list[date]:
    """Return the days from first to last, both included, that can be trade dates: all but weekends."""
    days = (date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1))
    return [day for day in days if day.weekday() < 5]


def days_of_run(tags: Mapping[str, str]) -> list[date]:
    """Return the trade dates that a run is about, by its tags; none for a run without partitions."""
    first = tags.get(TAG_RANGE_START) or tags.get(TAG_PARTITION)
    last = tags.get(TAG_RANGE_END) or tags.get(TAG_PARTITION)
    if first is None or last is None:
        return []
    return trade_dates_between(date.fromisoformat(first), date.fromisoformat(last))


def first_of_last(last: date, number: int) -> date:
    """Return the first of the ``number`` weekdays that end with ``last``; at the earliest the first day of the calendar."""
    if number > last.toordinal():
        return date.min
    day, left = last, number - 1 if last.weekday() < 5 else number
    while left > 0:
        day -= timedelta(days=1)
        left -= day.weekday() < 5
    return day


def next_partition(day: date) -> date:
    """Return the next trade date: weekends have no partition."""
    return day + timedelta(days=3 if day.weekday() == 4 else 1)


def contiguous_chunks(days: Sequence[date], size: int) -> Iterator[list[date]]:
    """Split ascending trade dates into runs without gaps, each of at most ``size`` days."""
    chunk: list[date] = []
    for day in days:
        if chunk and (len(chunk) == size or day != next_partition(chunk[-1])):
            yield chunk
            chunk = []
        chunk.append(day)
    if chunk:
        yield chunk
