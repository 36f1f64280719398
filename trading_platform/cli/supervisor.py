"""Child processes that live and die together: the web server and the daemon behind ``tp ui``.

Belongs here: starting, watching and stopping a group of commands, with their output in log files. Does not belong here: which commands
(``commands/ui.py``), what happens after ``kill -9`` of this process (``watchdog.py``).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from ..errors import ExecutionError
from .watchdog import GRACE_S, end_groups

_POLL_S = 0.25
_TAIL_LINES = 5
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Command:
    """A child process.

    Attributes:
        name: for messages, and the name of its log file.
        arguments: program and arguments.
    """

    name: str
    arguments: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Supervisor:
    """Run commands side by side until one ends or this process is asked to stop; use as a context manager.

    Args:
        commands: what to run.
        logs: folder for ``<name>.log``; the log of the run before is kept as ``<name>.previous.log``.
        environment: of the children.
        folder: working directory of the children.
    """

    def __init__(self, commands: Sequence[Command], logs: Path, environment: Mapping[str, str], folder: Path) -> None:
        self._commands = commands
        self._logs = logs
        self._environment = dict(environment)
        self._folder = folder
        self._children: list[_Child] = []
        self._stop = threading.Event()
        self._watchdog: subprocess.Popen[str] | None = None
        self._handlers: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        """Start everything; a signal that asks to stop is taken from now on."""
        for number in _STOP_SIGNALS:
            self._handlers[number] = signal.signal(number, self._ask_to_stop)
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
            watchdog = [sys.executable, "-I", str(Path(__file__).with_name("watchdog.py"))]
            self._watchdog = subprocess.Popen(  # noqa: S603  # our own script with our own interpreter
                watchdog, stdin=subprocess.PIPE, text=True, start_new_session=True
            )
            for command in self._commands:
                self._start(command)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self._end()

    def wait(self, until: Callable[[], bool] | None = None, timeout_s: float | None = None) -> bool:
        """Watch the children.

        Args:
            until: asked about four times a second; the wait ends when it says yes.
            timeout_s: ends the wait, in seconds.

        Returns:
            True if ``until`` said yes, False if this process was asked to stop.

        Raises:
            ExecutionError: E604 if a child has ended, or the time is up.
        """
        waited_s = 0.0
        while not self._stop.is_set():
            for child in self._children:
                if child.process.poll() is not None:
                    raise _died(child)
            if until is not None and until():
                return True
            if timeout_s is not None and waited_s >= timeout_s:
                raise _too_slow(self._children[0], timeout_s)
            self._stop.wait(_POLL_S)
            waited_s += _POLL_S
        return False

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stop.set()

    def _start(self, command: Command) -> None:
        log = self._logs / f"{command.name}.log"
        if log.is_file():
            log.replace(log.with_name(f"{command.name}.previous.log"))
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  # the caller's fixed commands, no shell
                command.arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._folder,
                # A group of its own: Ctrl-C in the terminal reaches only us, and we reach all its descendants.
                start_new_session=True,
            )
        self._children.append(_Child(command.name, process, log))
        self._tell_watchdog(f"+{process.pid}")

    def _tell_watchdog(self, line: str) -> None:
        if self._watchdog is None or self._watchdog.stdin is None:
            return
        try:
            self._watchdog.stdin.write(f"{line}\n")
            self._watchdog.stdin.flush()
        except BrokenPipeError:  # someone has killed the watchdog; the children are still ended below
            return

    def _end(self) -> None:
        # Reap the leaders while waiting: a zombie counts as a living member of its group.
        ended = threading.Thread(target=self._reap, daemon=True)
        ended.start()
        end_groups({child.process.pid for child in self._children}, GRACE_S)
        ended.join()
        for child in self._children:
            self._tell_watchdog(f"-{child.process.pid}")
        if self._watchdog is not None and self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
            self._watchdog.wait()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _reap(self) -> None:
        for child in self._children:
            child.process.wait()


def free_port(host: str) -> int:
    """Return a port that nobody listens on at this moment; OSError if the host is no address of this machine."""
    import socket

    family, address = _address(host, 0)
    with socket.socket(family) as probe:
        probe.bind(address)
        return int(probe.getsockname()[1])


def _address(host: str, port: int) -> tuple[int, tuple[Any, ...]]:
    """Return the family (IPv4 or IPv6) and the address to listen on; OSError if the host has none."""
    import socket

    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except UnicodeError as error:  # a label of the name is empty or too long
        raise OSError(str(error)) from error
    return family, address


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen on the port."""
    import socket

    try:
        family, address = _address(host, port)
        probe = socket.socket(family)
    except OSError:
        return False
    with probe:
        # As a server does: a port whose last connections are only winding down counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def _died(child: _Child) -> ExecutionError:
    return ExecutionError(
        "E604",
        f"the {child.name} ended with exit code {child.process.returncode}; its log: {child.log}",
        f"last lines: {_tail(child.log)}; the other processes were stopped, the data are not affected",
        "tp ui",
    )


def _too_slow(child: _Child, timeout_s: float) -> ExecutionError:
    return ExecutionError(
        "E604",
        f"the {child.name} did not answer within {timeout_s:g} s; its log: {child.log}",
        f"last lines: {_tail(child.log)}; everything was stopped, the data are not affected",
        "tp ui",
    )


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return os.linesep.join(lines[-_TAIL_LINES:]) or "(empty)"
