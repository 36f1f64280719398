"""Noticing Ctrl-C and SIGTERM while Dagster runs.

Dagster installs handlers of its own for the length of a run. A signal that arrives inside an asset becomes a failed step, one that arrives
between two steps is lost. Python writes every signal to the wake-up descriptor whoever handles it, so that is where we look.
"""

from __future__ import annotations

import signal
import socket
import threading
from types import TracebackType
from typing import Self

_STOPPING = frozenset({signal.SIGINT, signal.SIGTERM})


class InterruptWatch:
    """Remember whether the process was asked to stop inside the block; outside the main thread, where signals never arrive, it is idle."""

    def __init__(self) -> None:
        self._received = False
        self._reader, self._writer = socket.socketpair()
        self._previous: int | None = None

    def __enter__(self) -> Self:
        """Start to watch."""
        if threading.current_thread() is threading.main_thread():
            self._reader.setblocking(False)
            self._writer.setblocking(False)
            self._previous = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to watch."""
        if self._previous is not None:
            signal.set_wakeup_fd(self._previous)
        self._reader.close()
        self._writer.close()

    def raise_if_interrupted(self) -> None:
        """Raise KeyboardInterrupt if a stopping signal has arrived since the block was entered."""
        try:
            arrived = self._reader.recv(4096)
        except BlockingIOError:
            arrived = b""
        self._received = self._received or any(number in _STOPPING for number in arrived)
        if self._received:
            raise KeyboardInterrupt
