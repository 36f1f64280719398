"""One download over HTTP: allowed hosts, redirects, retries.

Belongs here: everything between a URL and bytes in a file. Does not belong here: what the bytes are (``fetch.py``).

Only listed hosts are asked, redirects included, and only over the listed scheme. The key goes to the API's host and nowhere else: a
redirect leads to a signed URL that must not see it. Queries of URLs carry signatures, so no message and no log line shows one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from ..errors import SourceError

if TYPE_CHECKING:
    from hashlib import _Hash

    import httpx
    from pydantic import SecretStr

ALLOWED_ORIGINS: Final = frozenset(
    {
        "https://hist.gex.bot",
        "https://api.gex.bot",
        "https://api.gexbot.com",
        "https://app.gexbot.com",
        "https://nfagexbotresearch.blob.core.windows.net",
    }
)
"""Hosts on which history files of the vendor have been seen."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 5
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Where to ask and how patiently.

    Attributes:
        origins: scheme and host of everything that may be asked.
        api_url: base of the API.
        files_url: base of the file host.
        attempts: how often a file is asked for in all.
        timeout_s: longest silence of a connection, seconds.
        longest_wait_s: a vendor that wants a longer pause than this is not waited for.
    """

    origins: frozenset[str] = field(default_factory=lambda: ALLOWED_ORIGINS)
    api_url: str = "https://api.gex.bot/v2"
    files_url: str = "https://hist.gex.bot"
    attempts: int = 5
    timeout_s: float = 60.0
    longest_wait_s: float = 120.0


class _TransientError(Exception):
    """An answer or a failure after which asking again makes sense."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class Transport:
    """Downloads files.

    Args:
        policy: hosts and patience.
        now: returns the present, for pauses that the vendor states as a date.
        client: an HTTP client; None for one of its own, which :meth:`close` closes.
    """

    def __init__(
        self,
        policy: FetchPolicy | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        client: httpx.Client | None = None,
    ) -> None:
        import httpx

        self.policy = policy or FetchPolicy()
        self._now = now
        self._own = client is None
        self._client = client or httpx.Client(timeout=self.policy.timeout_s, follow_redirects=False)

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._client.close()

    def download(
        self,
        url: str,
        target: Path,
        hasher: _Hash,
        *,
        key: SecretStr | None = None,
        again: str = "tp gex fetch --help",
    ) -> None:
        """Store the bytes behind a URL; each attempt begins anew.

        Args:
            url: its host must be allowed.
            target: overwritten.
            hasher: gets the bytes of the attempt that succeeded.
            key: sent to the host of the API only.
            again: the command that asks once more, for the error of a vendor that is down or busy.

        Raises:
            SourceError: E273 a host that is not allowed; E274 not reachable or busy after all attempts; E275 not there; E276 refused.
            OSError: the file cannot be written.
        """
        import stamina

        try:
            for attempt in stamina.retry_context(
                on=self._wait, attempts=self.policy.attempts, timeout=None, wait_initial=0.5, wait_max=30.0
            ):
                with attempt, _without_client_logs():
                    self._attempt(url, target, key)
        except _TransientError as error:
            raise SourceError(
                "E274",
                f"{without_query(url)} could not be downloaded: {error}",
                f"the vendor or the network is down or wants a pause of more than {self.policy.longest_wait_s:g} s; at most "
                f"{self.policy.attempts} attempts were made, nothing was stored, an older file is intact",
                again,
            ) from None  # the cause may show a signed URL
        with target.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                hasher.update(chunk)

    def _wait(self, error: Exception) -> bool | float:
        """Tell whether to ask again, and when, if the vendor has said so."""
        if not isinstance(error, _TransientError):
            return False
        if error.wait_s is None:
            return True
        return error.wait_s if error.wait_s <= self.policy.longest_wait_s else False

    def _attempt(self, url: str, target: Path, key: SecretStr | None) -> None:
        import httpx

        try:
            for _ in range(_MOST_REDIRECTS + 1):
                self._require_allowed(url)
                with self._client.stream("GET", url, headers=self._headers(url, key)) as response:
                    if response.status_code in _REDIRECTS and "location" in response.headers:
                        url = _joined(url, response.headers["location"])
                        continue
                    self._judge(response, url)
                    with target.open("wb") as file:
                        # As sent: whether they are packed is told by the bytes.
                        for chunk in response.iter_raw(_CHUNK_BYTES):
                            file.write(chunk)
                    return
        except httpx.TransportError as error:
            raise _TransientError(type(error).__name__) from None
        except httpx.InvalidURL:
            raise _not_allowed(url) from None
        raise SourceError(
            "E274",
            f"{without_query(url)} redirects more than {_MOST_REDIRECTS} times",
            "the vendor's servers send the request round in a circle; nothing was stored",
            "tp gex fetch --help",
        )

    def _headers(self, url: str, key: SecretStr | None) -> dict[str, str]:
        headers = {"Accept-Encoding": "gzip, identity"}
        if key is not None and _origin(url) == _origin(self.policy.api_url):
            headers["Authorization"] = f"Bearer {key.get_secret_value()}"
        return headers

    def _judge(self, response: httpx.Response, url: str) -> None:
        status = response.status_code
        if status in _TRANSIENT:
            wait_s = self._retry_after_s(response.headers.get("retry-after"))
            asked = "" if wait_s is None else f", asks for a pause of {wait_s:g} s"
            raise _TransientError(f"status {status}{asked}", wait_s)
        if status in {401, 403}:
            raise SourceError(
                "E276",
                f"{without_query(url)} answers with status {status}",
                "the key is missing, wrong or not entitled to this history, or the signed address has run out; nothing was stored",
                "tp config",
            )
        if status in {404, 410}:
            raise SourceError(
                "E275",
                f"{without_query(url)} does not exist",
                "the vendor has no file of this day, series and category: no trading, not published yet, or more than about 90 days ago",
                "tp gex fetch --help",
            )
        encoding = response.headers.get("content-encoding", "identity").lower()
        if status != 200 or encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise SourceError(
                "E277",
                f"{without_query(url)} answers with status {status}, encoding {encoding}",
                "this is not what a history file is served with; nothing was stored",
                "tp gex fetch --help",
            )

    def _retry_after_s(self, value: str | None) -> float | None:
        """Read a pause in seconds or until a date; None if there is none or it cannot be read."""
        if value is None:
            return None
        text = value.strip()
        if text.isascii() and text.isdigit():
            return float(text)
        try:
            until = parsedate_to_datetime(text)
            until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
            return max(0.0, (until - self._now()).total_seconds())
        except (ValueError, TypeError, OverflowError):
            return None

    def _require_allowed(self, url: str) -> None:
        if _origin(url) not in self.policy.origins:
            raise _not_allowed(url)


@contextmanager
def _without_client_logs() -> Iterator[None]:
    """Keep the HTTP client quiet during an exchange: it logs whole URLs and headers at INFO and DEBUG."""
    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def without_query(url: str) -> str:
    """Return a URL without query, fragment, user and password: what may be shown and compared."""
    try:
        parts = urlsplit(url)
    except (
        ValueError
    ):  # a bracket without its partner, for instance: nobody can be asked under it, but it must be named
        scheme, separator, rest = re.split(r"[?#]", url)[0].partition("://")
        return f"{scheme}{separator}{rest.rpartition('@')[2]}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _joined(url: str, location: str) -> str:
    """Return where a redirect leads; a location that is no address stays as it is and is refused with its host."""
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _origin(url: str) -> str:
    """Return scheme, host and port; a URL with a user in it has none that is ever listed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()


def _not_allowed(url: str) -> SourceError:
    return SourceError(
        "E273",
        f"{without_query(url)} is not on a host that history files are taken from",
        "a wrong URL, or a redirect to somewhere else; nothing was asked for there and no key was sent",
        "tp gex fetch --help",
    )
