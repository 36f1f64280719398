"""One call of the vendor: attempts, numbered errors, the circuit breaker.

Belongs here: everything that is the same for each call. Does not belong here: what is asked (``client.py``), what an exception means
(``failures.py``).

The library neither tries a call again nor gives up for good. Only what it raises itself is judged here: an error of our own looks like an
answer that cannot be read, and would be paid for again.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from ..clock import Clock
from ..errors import VendorError, command
from ..settings import Settings
from .failures import CallFailedError, Failure, FailureKind, classify, numbered

T = TypeVar("T")

BREAKER_LIMIT: Final = 5


class Calls:
    """The calls of one run; safe to use from several threads.

    Args:
        settings: key, attempts, waits.
        clock: reads a ``Retry-After`` that is a date.
        uniform: random number in a range, for the jitter.
    """

    def __init__(
        self, settings: Settings, clock: Clock, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._uniform = uniform
        self._lock = threading.Lock()
        self._was_usable = False
        self._unavailable_in_a_row = 0
        self._stopped: VendorError | None = None

    def call(
        self, what: str, function: Callable[[], T], *, again: Callable[[Failure], bool] = lambda _failure: True
    ) -> T:
        """Call the library, again where that makes sense, and translate what it raises.

        Args:
            what: the call and its subject, for messages.
            function: makes the call and reads the answer; nothing else.
            again: says of a passing failure whether this call may be repeated.

        Raises:
            VendorError: E332 to E336, E339, E343; E337 if the breaker is open.
        """
        return self.repeated(what, lambda: self.asked(function), again=again)

    def asked(self, function: Callable[[], T]) -> T:
        """Call the library once.

        Raises:
            CallFailedError: what the library raised, sorted. VendorError: as it came.
        """
        try:
            return function()
        except Exception as error:
            failure = self.classified(error)
            if failure is None:
                raise
            # No cause: exceptions of the HTTP library carry the request, and with it the key.
            raise CallFailedError(failure) from None

    def repeated(
        self, what: str, function: Callable[[], T], *, again: Callable[[Failure], bool] = lambda _failure: True
    ) -> T:
        """Make attempts until one succeeds or its failure lasts.

        Args:
            what: the call and its subject, for messages.
            function: one attempt; only CallFailedError counts as a failure of the vendor, everything else is raised as it is.
            again: says of a passing failure whether there may be another attempt.

        Raises:
            VendorError: E332 to E336, E338, E339, E343; E337 if the breaker is open, also when another thread opens it meanwhile.
        """
        import stamina

        attempts = 0

        def may_retry(error: Exception) -> bool | float:
            if not isinstance(error, CallFailedError):
                return False
            failure = error.failure
            if not failure.may_be_tried_again or not again(failure):
                return False
            return self._wait_s(failure, attempts)

        try:
            for attempt in stamina.retry_context(
                on=may_retry, attempts=self._settings.databento_attempts, timeout=None, wait_initial=0, wait_jitter=0
            ):
                with attempt:
                    self._require_not_stopped()
                    attempts += 1
                    result = function()
        except CallFailedError as error:
            final = error.failure
            translated = numbered(final, what, attempts=attempts, was_usable=self._was_usable)
            self._note(final, translated)
            raise translated from final.verification
        self._note(None, None)
        return result

    def classified(self, error: BaseException) -> Failure | None:
        """Return what an exception of the library means; None for one that is not the vendor's."""
        key = self._settings.databento_api_key
        secret = "" if key is None else key.get_secret_value().strip()
        return classify(error, secret, self._clock.now())

    def _wait_s(self, failure: Failure, attempts: int) -> float:
        if failure.retry_after_s is not None:
            return failure.retry_after_s
        settings = self._settings
        doubled_ms = settings.databento_retry_base_ms * 2.0 ** (attempts - 1)
        ceiling_ms = min(settings.databento_retry_cap_ms, doubled_ms)
        return self._uniform(0.0, ceiling_ms / 1_000)

    def _require_not_stopped(self) -> None:
        with self._lock:
            stopped = self._stopped
        if stopped is not None:
            raise VendorError(stopped.code, stopped.what, stopped.why, stopped.next_command)

    def _note(self, failure: Failure | None, error: VendorError | None) -> None:
        """Keep count: an error of access stops everything, five unavailable answers in a row open the breaker."""
        with self._lock:
            if failure is None or error is None:
                self._was_usable = True
                self._unavailable_in_a_row = 0
                return
            if failure.kind is FailureKind.ACCESS:
                self._stopped = error
            elif failure.kind is FailureKind.PASSING and failure.verification is None:
                self._unavailable_in_a_row += 1
                if self._unavailable_in_a_row >= BREAKER_LIMIT:
                    self._stopped = VendorError(
                        "E337",
                        f"DataBento failed {BREAKER_LIMIT} calls in a row; no more are made in this run",
                        f"the last one: {error.what}; days that are done stay done",
                        command("tp", "l2", "plan", "--help"),
                    )
            else:
                self._unavailable_in_a_row = 0


def log_retries_ourselves() -> None:
    """Keep the retries off standard output, where structlog writes unless it was told otherwise and ``--json`` belongs."""
    import stamina.instrumentation
    import structlog

    def note(details: stamina.instrumentation.RetryDetails) -> None:
        if structlog.is_configured():
            cause = type(details.caused_by).__name__
            structlog.get_logger().warning(
                "vendor_retry", attempt=details.retry_num, wait_s=details.wait_for, cause=cause
            )

    stamina.instrumentation.set_on_retry_hooks([note])
