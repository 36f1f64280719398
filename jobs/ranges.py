"""Trade dates as ranges: Dagster's range runs take a first and a last partition key and everything between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from trading_platform.errors import ConfigurationError, command
from trading_platform.sessions import weekdays_between

TAG_RANGE_START = "dagster/asset_partition_range_start"
TAG_RANGE_END = "dagster/asset_partition_range_end"
TAG_PARTITION = "dagster/partition"


def refuse_impossible_range(first: date, last: date, earliest: date, *parts: object) -> None:
    """Refuse a range that begins before the first partition or holds no trade date.

    Args:
        first: first trade date.
        last: last trade date, inclusive, not before ``first``.
        earliest: first trade date that has a partition.
        parts: the command without its range, for the next command.

    Raises:
        ConfigurationError: E174 it begins too early, E175 it is a weekend.
    """
    if first < earliest:
        raise ConfigurationError(
            "E174",
            f"the range begins on {first}, before the first partition {earliest}",
            "days before it have no partition, so they are neither made nor judged; nothing was done",
            command(*parts, "--from", earliest, "--to", max(last, earliest)),
        )
    if not weekdays_between(first, last):
        friday = first - timedelta(days=first.weekday() - 4)
        raise ConfigurationError(
            "E175",
            f"there is no trade date from {first} to {last}: it is a weekend",
            "a session is named after the weekday on which it ends, Sunday evening after Monday; nothing was done",
            command(*parts, "--from", friday, "--to", friday),
        )


def days_of_run(tags: Mapping[str, str]) -> list[date]:
    """Return the trade dates that a run is about, by its tags; none for a run without partitions."""
    first = tags.get(TAG_RANGE_START) or tags.get(TAG_PARTITION)
    last = tags.get(TAG_RANGE_END) or tags.get(TAG_PARTITION)
    if first is None or last is None:
        return []
    return weekdays_between(date.fromisoformat(first), date.fromisoformat(last))


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
