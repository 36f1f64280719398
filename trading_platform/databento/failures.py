"""What can go wrong when the vendor is called, and what it means for us.

Belongs here: the families of exceptions of the client library and the libraries under it, sorted into few kinds and turned into numbered
errors. Does not belong here: trying again (``calls.py``).

Source: the library raises ``BentoHttpError`` with a status, ``BentoError`` without one for a broken stream, and lets errors of requests,
zstandard and json pass through.
"""

from __future__ import annotations

import email.utils
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from ..errors import VendorError, command
from ..words import counted

_ACCESS = frozenset({401, 403})
_PAYMENT = 402
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

# A vendor that asks for more patience than this is not there for today's run.
RETRY_AFTER_LIMIT_S: Final = 300.0

_READERS = frozenset({"zstandard", "zstd", "databento_dbn", "backports"})
_DETAIL_LENGTH = 300
_PLAN = command("tp", "l2", "plan", "--help")


class FailureKind(StrEnum):
    """What a failure means."""

    ACCESS = "access"  # every further call fails too
    REFUSED = "refused"  # this question is wrong and stays wrong
    PASSING = "passing"  # may work in a moment
    LOCAL = "local"  # our disk


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed call.

    Attributes:
        kind: what it means.
        detail: what the vendor or the library said, without secrets.
        status: HTTP status; None if there was no answer.
        request_id: the vendor's number for support.
        retry_after_s: how long the vendor asks us to wait.
        verification: the answer came, but was not what was asked for.
        is_nonsense: the answer came and cannot be read.
        never_arrived: no connection came about, so nothing can have been billed.
        is_lasting: another attempt would bring the same.
    """

    kind: FailureKind
    detail: str
    status: int | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    verification: VendorError | None = None
    is_nonsense: bool = False
    never_arrived: bool = False
    is_lasting: bool = False

    @property
    def may_be_billed(self) -> bool:
        """Tell whether the vendor may have sent data, and so billed it: a status other than success means that it did not."""
        return self.status is None and not self.never_arrived

    @property
    def may_be_tried_again(self) -> bool:
        """Tell whether another attempt makes sense."""
        is_patient = self.retry_after_s is None or self.retry_after_s <= RETRY_AFTER_LIMIT_S
        return self.kind is FailureKind.PASSING and not self.is_lasting and is_patient


class CallFailedError(Exception):
    """A call of the vendor failed; what it raised is sorted already.

    Args:
        failure: what it means.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


def classify(error: BaseException, secret: str, now: datetime) -> Failure | None:  # noqa: PLR0911 - a table
    """Return what an exception means; None for one that is none of the vendor's and none of the disk's.

    Args:
        error: as raised by the library, or while its answer was read. Errors of our own look the same, so none of our code runs there.
        secret: the key, which must not appear in any text.
        now: to read a ``Retry-After`` that is a date.
    """
    from databento.common.error import BentoError, BentoHttpError
    from requests.exceptions import JSONDecodeError, RequestException

    if isinstance(error, VendorError):
        return None
    detail = _clean(error, secret)
    if isinstance(error, BentoHttpError):
        return _http(error.http_status, detail, error.request_id, error.headers.get("Retry-After"), now)
    # The library hides a full disk in its error of a broken stream.
    if _is_of_the_disk(error) or _is_of_the_disk(error.__context__):
        return Failure(FailureKind.LOCAL, detail)
    if isinstance(error, JSONDecodeError):
        return Failure(FailureKind.PASSING, detail, is_nonsense=True)
    if isinstance(error, (BentoError, RequestException, OSError)):
        return Failure(FailureKind.PASSING, detail, never_arrived=_never_arrived(error))
    # What the library and the packages under it raise when they read an answer that is none.
    if isinstance(error, (ValueError, LookupError, TypeError, EOFError, RuntimeError)) or _package(error) in _READERS:
        return Failure(FailureKind.PASSING, detail, is_nonsense=True)
    return None


def _is_of_the_disk(error: BaseException | None) -> bool:
    from requests.exceptions import RequestException

    return (
        isinstance(error, OSError)
        and error.errno is not None
        and not isinstance(error, (RequestException, ConnectionError, TimeoutError))
        and _package(error) == "builtins"
    )


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _never_arrived(error: BaseException) -> bool:
    """Tell whether the request certainly did not leave this machine.

    An error of TLS alone does not say so: requests raises the same for a record that is damaged in the middle of an answer.
    """
    from requests.exceptions import ConnectTimeout
    from urllib3.exceptions import NewConnectionError

    if type(error) is OSError:
        return True  # a certificate bundle that does not exist; a connection that breaks is a subclass
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    is_untrusted = "CERTIFICATE_VERIFY_FAILED" in str(reason)
    return isinstance(error, ConnectTimeout) or isinstance(reason, NewConnectionError) or is_untrusted


def _http(status: int, detail: str, request_id: str | None, retry_after: str | None, now: datetime) -> Failure:
    if status in _ACCESS or status == _PAYMENT:
        kind = FailureKind.ACCESS
    elif status in _PASSING or status >= 500:
        kind = FailureKind.PASSING
    else:
        kind = FailureKind.REFUSED
    return Failure(kind, detail, status, request_id, _seconds(retry_after, now))


def numbered(  # noqa: PLR0911 - a table
    failure: Failure, what: str, *, attempts: int, was_usable: bool
) -> VendorError:
    """Return the numbered error for a failure that is final.

    Args:
        failure: the last one.
        what: the call and its subject.
        attempts: how many there were.
        was_usable: the vendor has answered something before.
    """
    said = f"{what}: {failure.detail}" + ("" if failure.request_id is None else f" (request {failure.request_id})")
    if failure.kind is FailureKind.ACCESS:
        return _no_access(failure, said)
    if failure.kind is FailureKind.REFUSED:
        return VendorError(
            "E334",
            f"DataBento refuses the request, {said}",
            "symbol, dataset, schema or window do not exist there; asked again, the answer would be the same; nothing was stored",
            _PLAN,
        )
    if failure.kind is FailureKind.LOCAL:
        return VendorError(
            "E339",
            f"what DataBento sends cannot be written, {said}",
            "the disk is full or may not be written; the temporary file was deleted, older files are intact",
            "tp config",
        )
    if failure.verification is not None:
        return VendorError(
            "E338",
            f"{what} failed the verification, {counted(attempts, 'attempt')}: {failure.detail}",
            f"see {failure.verification.code}; the file lies in the quarantine folder beside the cache, nothing was stored; another one "
            "costs again",
            _PLAN,
        )
    if failure.is_nonsense:
        return VendorError(
            "E343",
            f"DataBento answers something that cannot be read, {said}",
            "a proxy or a sign-in page of the network answers in its place, or the service has changed; nothing was stored",
            "tp config",
        )
    if was_usable:
        return VendorError(
            "E336",
            f"DataBento failed, {counted(attempts, 'attempt')}, {said}",
            "it answered other calls before, so this one or this moment is the problem; nothing was stored, run again later",
            _PLAN,
        )
    return VendorError(
        "E335",
        f"DataBento cannot be reached after {counted(attempts, 'attempt')}, {said}",
        "no network, a wrong TP_DATABENTO_GATEWAY, an untrusted certificate (REQUESTS_CA_BUNDLE), or the service is down",
        "tp config",
    )


def _no_access(failure: Failure, said: str) -> VendorError:
    if failure.status == _PAYMENT:
        return VendorError(
            "E333",
            f"DataBento asks for payment, {said}",
            "the account has no means of payment or reached its own limit; every further call would fail too",
            "tp l2 spend",
        )
    return VendorError(
        "E332",
        f"DataBento refuses the key, {said}",
        "DATABENTO_API_KEY is wrong, revoked, or may not use this dataset; every further call would fail too, none is made",
        "tp config",
    )


def _seconds(text: str | None, now: datetime) -> float | None:
    """Read ``Retry-After``: seconds, or an HTTP date; what is neither counts as absent."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _clean(error: BaseException, secret: str) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if secret:
        text = text.replace(secret, "********")
    return text if len(text) <= _DETAIL_LENGTH else text[: _DETAIL_LENGTH - 3] + "..."
