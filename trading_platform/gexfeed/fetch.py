"""Downloading history files of the gamma feed.

Belongs here: where the vendor keeps them, a queue of them, and storing what comes as a whole or not at all. Does not belong here: one HTTP
exchange with its redirects and retries (``transport.py``), parsing (``decode.py``).

Source: the vendor's public OpenAPI repository: files under https://hist.gex.bot, and for holders of a key the API, which answers with a
redirect to a signed URL. About 90 days back are served.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import PlatformError, SourceError, command
from ..instants import MICROSECONDS, NEW_YORK, us_of
from .acceptance import Acceptance
from .archive import SYNTHETIC_SIDECAR
from .decode import read_batches
from .elements import CutShortError, NotAnArrayError
from .names import CATEGORIES, DEFAULT_CATEGORY, file_name, read_name
from .reading import GZIP_MAGIC, read_blocks
from .snapshot_checks import check_rejects
from .transport import FetchPolicy, Transport, without_query

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ..instruments import Registry

# A file is judged without a clock: what a host serves ahead of its time is refused when the day is built.
_NO_CLOCK_S: Final = 2**62


class FetchStatus(StrEnum):
    """What became of one file."""

    PLANNED = "planned"
    FETCHED = "fetched"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """One file to download.

    Attributes:
        trade_date: New York calendar day.
        ticker: the vendor's series.
        category: one of ``CATEGORIES``.
        urls: where it may lie; the next one is tried where the one before does not know it.
    """

    trade_date: date
    ticker: str
    category: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of a request.

    Attributes:
        request: what was asked for.
        status: see :class:`FetchStatus`.
        url: where it came from or would come from, without its query, which may hold a signature.
        path: the file; None if there is none.
        size_bytes: size of the file, 0 without one.
        sha256: of the bytes as stored; None if nothing was downloaded.
        error: why it failed.
    """

    request: HistoryRequest
    status: FetchStatus
    url: str
    path: Path | None = None
    size_bytes: int = 0
    sha256: str | None = None
    error: PlatformError | None = None


def vendor_ticker(name: str, registry: Registry) -> str:
    """Return the vendor's series for a name: what the registry names as ``gex_underlying`` of a future, else the name itself.

    A series that the vendor maps to a future carries the basis in its strikes: NDX and NQ_NDX are different series with different rows, so
    an index stays what it is.
    """
    instrument = registry.instruments.get(name.upper())
    if instrument is None or not instrument.is_future or instrument.gex_underlying is None:
        return name.upper()
    return instrument.gex_underlying


def history_request(
    trade_date: date,
    ticker: str,
    category: str = DEFAULT_CATEGORY,
    *,
    with_key: bool = False,
    policy: FetchPolicy | None = None,
) -> HistoryRequest:
    """Return where the vendor keeps a history file.

    Args:
        trade_date: New York calendar day.
        ticker: the vendor's series, see :func:`vendor_ticker`.
        category: one of ``CATEGORIES``.
        with_key: ask the API, which wants a key, instead of the file host.
        policy: hosts.

    Raises:
        SourceError: E278 the ticker or the category cannot be one of the vendor's.
    """
    policy = policy or FetchPolicy()
    series = ticker.upper()
    if category not in CATEGORIES or not series.replace("_", "").isalnum() or not series.isascii():
        raise SourceError(
            "E278",
            f"there is no history file of {ticker!r}, category {category!r}",
            f"tickers look like NQ_NDX or SPX, categories are {', '.join(CATEGORIES)}; nothing was asked for",
            command("tp", "gex", "fetch", trade_date.isoformat(), "--ticker", "NQ_NDX", "--category", DEFAULT_CATEGORY),
        )
    if with_key:
        urls: tuple[str, ...] = (f"{policy.api_url}/hist/{series}/classic/{category}/{trade_date.isoformat()}",)
    else:
        names = (file_name(trade_date, series, category, is_gzip=packed) for packed in (True, False))
        urls = tuple(f"{policy.files_url}/{name}" for name in names)
    return HistoryRequest(trade_date, series, category, urls)


def requests_of_urls(urls: Iterable[str]) -> tuple[HistoryRequest, ...]:
    """Return requests for URLs whose last part is the vendor's file name.

    Raises:
        SourceError: E278 a URL does not say which day, series and category it holds.
    """
    found = []
    for url in urls:
        name = read_name(without_query(url).rpartition("/")[2])
        if name is None or not name.is_known:
            raise SourceError(
                "E278",
                f"{without_query(url)} does not name a history file, expected …/YYYY-MM-DD_TICKER_classic_CATEGORY.json",
                "the category stands in the name only, so a file of another name could not be filed; nothing was asked for",
                "tp gex fetch --help",
            )
        found.append(HistoryRequest(name.trade_date, name.ticker, name.category, (url,)))
    return tuple(found)


def fetch_all(
    requests: Sequence[HistoryRequest],
    out_dir: Path,
    transport: Transport,
    *,
    key: SecretStr | None = None,
    force: bool = False,
    dry_run: bool = False,
    progress: Callable[[Fetched], None] | None = None,
) -> list[Fetched]:
    """Download a queue of files; one that fails does not hold up the others.

    Args:
        requests: those with an equal first URL, its query left out, are one.
        out_dir: where the files go; created if needed.
        transport: does the exchanges.
        key: sent to the API only; never logged, stored or shown.
        force: download files that are there already.
        dry_run: only tell what would happen.
        progress: called with each result.

    Returns:
        One result per distinct request, in their order; failures carry their error.
    """
    distinct: dict[str, HistoryRequest] = {}
    for request in requests:
        distinct.setdefault(without_query(request.urls[0]), request)
    results = []
    for url, request in distinct.items():
        there = _existing(request, out_dir)
        if there is not None and not force:
            result = Fetched(request, FetchStatus.KEPT, url, there, there.stat().st_size)
        elif dry_run:
            result = Fetched(request, FetchStatus.PLANNED, url)
        else:
            try:
                result = fetch_history(request, out_dir, transport, key=key)
            except PlatformError as error:
                result = Fetched(request, FetchStatus.FAILED, url, error=error)
        results.append(result)
        if progress is not None:
            progress(result)
    return results


def fetch_history(
    request: HistoryRequest, out_dir: Path, transport: Transport, *, key: SecretStr | None = None
) -> Fetched:
    """Download one file under the vendor's name; an older one of the same day is replaced as the last step.

    Args:
        request: what to download.
        out_dir: where the file goes.
        transport: does the exchanges.
        key: see :func:`fetch_all`.

    Raises:
        SourceError: E273 a host that is not allowed; E274 not reachable; E275 the vendor does not have it; E276 the key is refused; E277
            what came is no history file of this series; E279 it cannot be stored.
    """
    if (out_dir / SYNTHETIC_SIDECAR).is_file():
        raise SourceError(
            "E279",
            f"{out_dir} is labelled as a folder of synthetic files by its {SYNTHETIC_SIDECAR}",
            "real and synthetic data never share a folder, and a real file in it would be taken for a synthetic one; nothing was stored",
            "tp gex fetch --help",
        )
    try:
        with _temporary(out_dir) as temporary:
            url, sha256 = _download(request, temporary, transport, key)
            is_gzip = _judge(temporary, request, url)
            path = out_dir / file_name(request.trade_date, request.ticker, request.category, is_gzip=is_gzip)
            temporary.replace(path)
            # The same day in the other packing would be a second file of it.
            other = out_dir / file_name(request.trade_date, request.ticker, request.category, is_gzip=not is_gzip)
            other.unlink(missing_ok=True)
            return Fetched(request, FetchStatus.FETCHED, without_query(url), path, path.stat().st_size, sha256)
    except OSError as error:
        raise SourceError(
            "E279",
            f"a history file cannot be stored in {out_dir}: {error.strerror or error}",
            "the disk is full or the folder must not be written to; an older file is intact",
            "tp doctor",
        ) from error


@contextmanager
def _temporary(out_dir: Path) -> Iterator[Path]:
    """Give a name that no reader of the folder looks at; what is left under it is removed."""
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / f".{uuid.uuid4().hex}.part"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _download(request: HistoryRequest, target: Path, transport: Transport, key: SecretStr | None) -> tuple[str, str]:
    """Return the URL that had the file, and its sha256."""
    for number, url in enumerate(request.urls, 1):
        hasher = hashlib.sha256()
        try:
            transport.download(url, target, hasher, key=key, again=_again(request))
        except SourceError as error:
            if error.code == "E275" and number < len(request.urls):
                continue
            raise
        return url, hasher.hexdigest()
    raise ValueError("Expected a request with a URL, was one without")


def _judge(path: Path, request: HistoryRequest, url: str) -> bool:
    """Refuse what no day could be built from, by the same rules; tell whether it is gzip."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP_MAGIC
    first_s, end_s = _day_s(request.trade_date)
    acceptance = Acceptance(request.ticker, first_s, end_s, _NO_CLOCK_S)
    accepted = 0
    try:
        for batch in read_batches(acceptance.counted(read_blocks(path))):
            accepted += len(acceptance.judge(batch)[0])
    except SourceError as error:
        raise _no_history(url, f"{error.what.replace(path.name, 'it')}", request) from error
    except NotAnArrayError as error:
        raise _no_history(url, f"{error}, expected a JSON array", request) from error
    except CutShortError as error:
        raise _no_history(url, f"{error}", request) from error
    if not accepted:
        refused = ", ".join(f"{number} {reason}" for reason, number in acceptance.rejected.most_common())
        raise _no_history(
            url, f"it has no snapshot of {request.trade_date}, {refused or 'its array is empty'}", request
        )
    share = check_rejects(acceptance.facts())
    if not share.passed:
        raise _no_history(url, share.description, request)
    return is_gzip


def _day_s(day: date) -> tuple[int, int]:
    """Return the first epoch second of a New York day and the first one after it."""
    edges = (datetime.combine(day, at, NEW_YORK) for at in (time.min, time.max))
    first, last = (us_of(edge) // MICROSECONDS for edge in edges)
    return first, last + 1


def _existing(request: HistoryRequest, out_dir: Path) -> Path | None:
    for packed in (True, False):
        path = out_dir / file_name(request.trade_date, request.ticker, request.category, is_gzip=packed)
        if path.is_file():
            return path
    return None


def _no_history(url: str, found: str, request: HistoryRequest) -> SourceError:
    return SourceError(
        "E277",
        f"{without_query(url)} sent no history file of {request.ticker}: {found}",
        "an error page or another day came instead, or the transfer was broken off; nothing was stored, an older file is intact",
        _again(request, "--force"),
    )


def _again(request: HistoryRequest, *options: str) -> str:
    names = ("--ticker", request.ticker, "--category", request.category)
    return command("tp", "gex", "fetch", request.trade_date.isoformat(), *names, *options)
