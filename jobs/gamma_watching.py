"""Which days the files of the gamma feed and the saved option chains concern, and what happened to them since they were last looked at.

Belongs here: the step from files on disk to days that must be compared. Does not belong here: comparing and requesting them
(``refresh.py``), telling day, ticker, category and symbol of a file (``trading_platform.gexfeed``, ``trading_platform.chains``).

These are whole files: they come, are replaced, and go; none of them grows. So the state of all files of a day decides, and a difference is
acted on when it is the same at two looks: half of a copy is never taken for a file, however long it takes. What a file holds is not read
here; the fingerprint of the day tells whether it really differs.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

from assets import keys
from assets.builders import Workbench
from assets.partitions import FIRST_TRADE_DATE, TRADE_DATES
from assets.recorded import Parents
from trading_platform.sessions import calendar_for, weekdays_between
from trading_platform.sierra.watch import Stamp, stamp_of

from .gamma_cursor import DIGEST_CHARACTERS, FilesOfDay, GammaCursor
from .lineage import made_from

FEED: Final = "gamma feed"
CHAINS: Final = "option chains"
_MADE_FROM: Final[Mapping[str, tuple[str, ...]]] = {
    # The first one names the files: both datasets of the feed are made from the same ones.
    FEED: (keys.GEX_SNAPSHOTS, keys.GEX_STRIKES),
    CHAINS: (keys.CHAIN_CBOE,),
}
_Files = dict[str, dict[date, list[tuple[str, Stamp]]]]


@dataclass(frozen=True)
class Watched:
    """What is watched and what follows from it, for one set of assets.

    Attributes:
        sources: per source the assets that are made from its files, named after the first one of each set.
        chains: per asset what to make, upstream first: of the files, then the enrichment of later days, which is compared alone.
        from_files: all keys that are made from files.
        later: per asset the assets that look back to it from a later day, with the symbol whose calendar says from which.
    """

    sources: Mapping[str, frozenset[str]]
    chains: Mapping[str, tuple[dg.AssetKey, ...]]
    from_files: frozenset[dg.AssetKey]
    later: Mapping[str, tuple[tuple[str, str], ...]]

    @classmethod
    def of(cls, parents: Parents) -> Watched:
        """Find out from the graph.

        Args:
            parents: all dated assets, with what each is made from.
        """
        sources: dict[str, frozenset[str]] = {}
        chains: dict[str, tuple[dg.AssetKey, ...]] = {}
        later: dict[str, tuple[tuple[str, str], ...]] = {}
        from_files: set[dg.AssetKey] = set()
        for source, (first, *others) in _MADE_FROM.items():
            roots = [key for key in parents if key.path[1] == first]
            for root in roots:
                same = [key for name in others if (key := keys.asset_key(root.path[0], name)) in parents]
                chain = made_from([root, *same], parents)
                from_files |= {root, *same}
                chains[root.to_user_string()] = chain
                later[root.to_user_string()] = _looking_back(chain, parents)
            sources[source] = frozenset(root.to_user_string() for root in roots)
        for name in dict.fromkeys(follower for followers in later.values() for follower, _ in followers):
            chains[name] = (dg.AssetKey(name.split("/")),)
        return cls(sources, chains, frozenset(from_files), later)


def _looking_back(chain: tuple[dg.AssetKey, ...], parents: Parents) -> tuple[tuple[str, str], ...]:
    """Return what of a chain also reads the previous open day of what it is made from: the enrichment."""
    return tuple(
        (key.to_user_string(), above.path[0])
        for key in chain
        for above in sorted(parents[key] & set(chain))
        if keys.is_optional(above, key)
    )


@dataclass(frozen=True)
class Folder:
    """What a folder holds.

    Attributes:
        days: per asset and day its files.
        number: files of these days.
        refused: files that belong to no day, with the number of the error, by name.
    """

    days: Mapping[str, Mapping[date, FilesOfDay]]
    number: int
    refused: tuple[str, ...] = ()


def directory_of(source: str, workbench: Workbench) -> Path | None:
    """Return the folder of a source; None if none is named."""
    return (workbench.feed_archive if source == FEED else workbench.chain_archive).directory


def list_folder(source: str, roots: AbstractSet[str], workbench: Workbench) -> Folder:
    """List the files of a source by asset and day.

    Args:
        source: ``FEED`` or ``CHAINS``.
        roots: assets that are looked after; files of others, and of days without a session or not opened yet, are left out.
        workbench: opened resources.

    Raises:
        SourceError: E240 or E263 the folder cannot be read.
    """
    files, refused = _files_of_feed(workbench) if source == FEED else _files_of_chains(workbench)
    days: dict[str, dict[date, FilesOfDay]] = {}
    number = 0
    for asset in files.keys() & roots:
        is_watched = _watched_days(asset, workbench)
        found = days.setdefault(asset, {})
        for day, states in files[asset].items():
            if is_watched(day):
                found[day] = FilesOfDay(_digest(states), len(states))
                number += len(states)
    return Folder(days, number, refused)


def _files_of_feed(workbench: Workbench) -> tuple[_Files, tuple[str, ...]]:
    archive = workbench.feed_archive
    files: _Files = {}
    for one in archive.files():
        _note(files, one.name.ticker, FEED, one.name.trade_date, archive.directory, one.path, stamp_of(one.path))
    refused = []
    for other in archive.unusable():
        refused.append(f"{other.path.name} ({other.error.code})")
        # A file of unknown category keeps its whole day from being made, so the day is compared when it comes and goes.
        if other.ticker is not None and other.trade_date is not None:
            stamp = stamp_of(other.path)
            _note(files, other.ticker, FEED, other.trade_date, archive.directory, other.path, stamp)
    return files, tuple(sorted(refused))


def _files_of_chains(workbench: Workbench) -> tuple[_Files, tuple[str, ...]]:
    archive = workbench.chain_archive
    files: _Files = {}
    refused = []
    for file in archive.files():
        if file.error is not None:
            refused.append(f"{file.name} ({file.error.code})")
        # A file without a price has a day, which names it.
        if file.symbol is not None and file.trade_date is not None:
            stamp = Stamp.of(file.status)
            _note(files, file.symbol, CHAINS, file.trade_date, archive.directory, file.path, stamp)
    return files, tuple(refused)


def _note(
    files: _Files, symbol: str, source: str, day: date, folder: Path | None, path: Path, stamp: Stamp | None
) -> None:
    if stamp is None:  # it vanished between listing and looking
        return
    name = str(path if folder is None else path.relative_to(folder))
    asset = keys.asset_key(symbol, _MADE_FROM[source][0]).to_user_string()
    files.setdefault(asset, {}).setdefault(day, []).append((name, stamp))


def _watched_days(asset: str, workbench: Workbench) -> Callable[[date], bool]:
    """Return what tells whether a day has a partition, a session, and has opened."""
    symbol = asset.partition("/")[0]
    calendar = calendar_for(workbench.registry.get(symbol).calendar)
    last_key = TRADE_DATES.get_last_partition_key()
    latest = workbench.opened(symbol)
    if last_key is not None:
        latest = min(latest, date.fromisoformat(last_key))
    first = max(FIRST_TRADE_DATE, calendar.first)
    return lambda day: first <= day <= latest and calendar.session(day).is_open


def _digest(states: Iterable[tuple[str, Stamp]]) -> str:
    text = "\n".join(f"{name}\0{tuple(stamp)}" for name, stamp in sorted(states))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())[:DIGEST_CHARACTERS].decode("ascii")


@dataclass
class Seen:
    """What was seen in one folder: assets with their days, ascending.

    Attributes:
        new: days that had no file before.
        changed: days some of whose files are new, others than they were, or gone.
        unsettled: days whose files still change.
        gone: days none of whose files is there; what is stored of them is kept.
        news: what of the last kind, and of files gone from days that have others, was not there at the look before.
    """

    new: dict[str, list[date]] = field(default_factory=dict)
    changed: dict[str, list[date]] = field(default_factory=dict)
    unsettled: dict[str, list[date]] = field(default_factory=dict)
    gone: dict[str, list[date]] = field(default_factory=dict)
    news: dict[str, list[date]] = field(default_factory=dict)


def remember(cursor: GammaCursor, folder: Folder, roots: AbstractSet[str]) -> frozenset[str]:
    """Remember the files of assets that were never looked at as they are, without asking for anything; returns these assets."""
    fresh = frozenset(roots - cursor.seen.keys())
    for asset in fresh:
        cursor.seen[asset] = dict(folder.days.get(asset, {}))
    return fresh


def sight(cursor: GammaCursor, folder: Folder, roots: AbstractSet[str]) -> Seen:
    """Compare the files of every day with what they were and queue the days that differ.

    Args:
        cursor: changed in place; all of ``roots`` must be in ``cursor.seen``.
        folder: from ``list_folder``.
        roots: assets that are looked after.
    """
    seen = Seen()
    for asset in sorted(roots):
        days, known = folder.days.get(asset, {}), cursor.seen[asset]
        unsettled: dict[date, str] = {}
        before = cursor.unsettled.get(asset, {})
        for day in sorted(days):
            files, old = days[day], known.get(day)
            if old is not None and old.digest == files.digest:
                continue
            if before.get(day) != files.digest:
                unsettled[day] = files.digest
                seen.unsettled.setdefault(asset, []).append(day)
                continue
            queue = cursor.queue.setdefault(asset, {})
            queue[day] = queue.get(day, False) or old is None
            _queue_following(cursor, asset, day, days)
            (seen.new if old is None else seen.changed).setdefault(asset, []).append(day)
            if old is not None and files.number < old.number:
                seen.news.setdefault(asset, []).append(day)
            known[day] = files
        cursor.unsettled[asset] = unsettled
        _miss(cursor, asset, days, seen)
    return seen


def _miss(cursor: GammaCursor, asset: str, days: Mapping[date, FilesOfDay], seen: Seen) -> None:
    """Note the days whose files are all gone; they stay remembered, to be compared when a file comes back."""
    gone = sorted(cursor.seen[asset].keys() - days.keys())
    news = [day for day in gone if day not in cursor.gone.get(asset, ())]
    for day in news:  # of itself there is nothing to compare
        _queue_following(cursor, asset, day, days)
    cursor.gone[asset] = set(gone)
    if gone:
        seen.gone[asset] = gone
    if news:
        seen.news[asset] = sorted({*seen.news.get(asset, ()), *news})


def _queue_following(cursor: GammaCursor, asset: str, day: date, days: Mapping[date, FilesOfDay]) -> None:
    """Queue the next day of chains: its first snapshot is compared with the last one before it."""
    following = min((one for one in days if one > day), default=None)
    if following is not None and asset.endswith(f"/{keys.CHAIN_CBOE}"):
        cursor.queue.setdefault(asset, {}).setdefault(following, False)


def queue_later_days(
    cursor: GammaCursor, ended: Iterable[tuple[str, date]], watched: Watched, workbench: Workbench
) -> None:
    """Queue the days that look back to days whose runs have ended.

    Enrichment shows what was known before the session, which lies in the previous open day of the underlying. Whether such a day really
    differs is known only when that day is stored, so it is queued afterwards.
    """
    for asset, day in ended:
        for follower, symbol in watched.later.get(asset, ()):
            calendar = calendar_for(workbench.registry.get(symbol).calendar)
            for later in weekdays_between(day + timedelta(days=1), calendar.next_open(day)):
                cursor.queue.setdefault(follower, {}).setdefault(later, False)
