"""Warnings that the vendor sends with an answer, caught per thread.

Belongs here: one context manager. Does not belong here: what is done with the texts.

The client library turns the header ``X-Warning`` into a Python warning, which is lost in a run without a terminal. The filters of Python's
warnings belong to the whole process, so ``catch_warnings`` alone would mix up or lose the warnings of parallel downloads.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_lock = threading.Lock()
_of_thread = threading.local()
_holders = 0
_stack: ExitStack | None = None


@contextmanager
def vendor_warnings() -> Iterator[list[str]]:
    """Collect the texts of the vendor's warnings that this thread receives; the list fills while the block runs."""
    caught: list[str] = []
    outer = getattr(_of_thread, "caught", None)
    _enter()
    _of_thread.caught = caught
    try:
        yield caught
    finally:
        _of_thread.caught = outer
        _leave()


def _enter() -> None:
    from databento.common.error import BentoWarning

    global _holders, _stack  # noqa: PLW0603 - the state of Python's warnings is global too
    with _lock:
        _holders += 1
        if _holders > 1:
            return
        _stack = ExitStack()
        _stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("always", category=BentoWarning)
        show = warnings.showwarning

        def keep(message: Any, category: type[Warning], *rest: Any, **named: Any) -> None:
            texts = getattr(_of_thread, "caught", None)
            if texts is not None and issubclass(category, BentoWarning):
                texts.append(str(message))
            else:
                show(message, category, *rest, **named)

        warnings.showwarning = keep


def _leave() -> None:
    global _holders, _stack  # noqa: PLW0603
    with _lock:
        _holders -= 1
        if _holders == 0 and _stack is not None:
            _stack.close()
            _stack = None
