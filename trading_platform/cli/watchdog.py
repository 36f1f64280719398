"""A process that outlives ``tp ui`` by a moment: when ``tp`` is gone, it ends what ``tp`` has started.

Belongs here: only what a process group needs to die. It is started as a plain script, before anything else, and imports nothing of the
platform, so that it is up in milliseconds. ``tp`` holds the writing end of a pipe to it: the kernel closes that end whatever kills
``tp``, ``kill -9`` included. PR_SET_PDEATHSIG would do the same on Linux only, and only for direct children.

Lines on standard input: ``+<process group>`` and ``-<process group>``; the end of the input means that ``tp`` is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE_S = 10.0
_POLL_S = 0.1


def is_alive(group: int) -> bool:
    """Tell whether a process group still has a member."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it exists, and macOS says so for zombies
        return True
    return True


def send(group: int, number: signal.Signals) -> None:
    """Send a signal to a whole process group that may be gone."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def end_groups(groups: set[int], grace_s: float = GRACE_S) -> None:
    """Ask process groups to end, and kill those that have not after ``grace_s`` seconds."""
    for group in groups:
        send(group, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while any(is_alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    for group in groups:
        send(group, signal.SIGKILL)


def main() -> None:
    """Keep the list of process groups until the pipe ends, then end them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        sign, group = line[0], int(line[1:])
        if sign == "+":
            groups.add(group)
        else:
            groups.discard(group)
    end_groups(groups)


if __name__ == "__main__":
    main()
