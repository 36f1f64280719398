"""Raw files are brought ahead of the conversion, several at a time.

Belongs here: the threads. Does not belong here: buying (``vendor.py``), making days.

All paid transfers of a backfill run in these threads and not in the main one, where Ctrl-C and SIGTERM arrive: a transfer that has begun is
paid, so it is finished and kept, whatever happens to the conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from types import TracebackType
from typing import Self

from ..errors import PlatformError
from .l2_builder import L2Builder
from .targets import DayTarget
from .vendor import Vendor


class DownloadAhead:
    """Brings the raw files of days while the block runs, from the moment on at which the first of them is really wanted.

    Until then nothing is paid: the backfill may still find that somebody else works on the same days.

    Args:
        vendor: of this run.
        days: builder, day and target of every day that is to be bought, in the order in which they will be made.
        workers: how many are brought at the same time.
        note: told once at the end how many transfers are still being finished.
    """

    def __init__(
        self,
        vendor: Vendor,
        days: Sequence[tuple[L2Builder, date, DayTarget]],
        workers: int,
        note: Callable[[str], None],
    ) -> None:
        self._vendor = vendor
        self._days = days
        self._note = note
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="databento")
        self._futures: list[Future[bool]] = []

    def __enter__(self) -> Self:
        """Be ready."""
        self._vendor.before_first_purchase(self._start)
        return self

    def _start(self) -> None:
        for builder, day, target in self._days:
            future = self._pool.submit(self._bring, builder, day)
            self._futures.append(future)
            self._vendor.downloads(target, future)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Begin no further transfer, and finish those that have begun: they are paid."""
        self._vendor.before_first_purchase(None)
        for future in self._futures:
            future.cancel()
        running = sum(not future.done() for future in self._futures)
        if running:
            self._note(f"finishing {running} downloads that have begun, because they are paid")
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _bring(self, builder: L2Builder, day: date) -> bool:
        with self._vendor.downloading():
            try:
                return builder.download(day)
            except PlatformError:
                return False  # remembered by the vendor; becomes the outcome of the day when it is made
