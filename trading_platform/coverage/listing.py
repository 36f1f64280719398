"""Which partition files there are, with what tells a changed file from an unchanged one.

Belongs here: asking the disk, in helper processes where there is much to ask. Does not belong here: what the files hold (``files.py``).

Asking for the status of a file takes four microseconds and threads do not help (the interpreter lock changes hands at every call), so
hundreds of thousands of files are shared among processes that do nothing else, while this one reads the run history. This file is their
program too, so it imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from array import array
from collections.abc import Sequence
from datetime import date

PART_NAME = "part-0.parquet"
_PREFIX = "date="
_HELPERS = 2
# Starting helpers costs 30 ms of this process, and as much as 10,000 files.
_WORTH_HELP = 40_000
# Inodes may use all 64 bits; for telling files apart 63 do as well.
_63_BITS = (1 << 63) - 1
NO_DAY = -1


def stored_files(folder: str, first: int, last: int) -> tuple[int, array[int]]:
    """Ask for the status of every partition file of one series in a range.

    Args:
        folder: folder of one symbol of one dataset.
        first: ordinal of the first day.
        last: ordinal of the last day, included.

    Returns:
        Ordinal of the first day that has a file, whatever the range, or ``NO_DAY``; and for each file in the range, by day: ordinal, inode,
        time of the last change in nanoseconds.
    """
    found = array("q")
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return NO_DAY, found
    try:
        names = os.listdir(descriptor)  # noqa: PTH208 a folder by descriptor
        days = sorted((day, name) for name in names if (day := day_of(name)) != NO_DAY)
        status_of, add = os.stat, found.extend
        for day, name in days:
            if first <= day <= last:
                try:
                    status = status_of(f"{name}/{PART_NAME}", dir_fd=descriptor)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                add((day, status.st_ino & _63_BITS, status.st_ctime_ns))
        earlier = (day for day, name in days if day < first and _exists(name, descriptor))
        later = (day for day, name in days if day > last and _exists(name, descriptor))
        first_day = next(earlier, found[0] if found else next(later, NO_DAY))
    finally:
        os.close(descriptor)
    return first_day, found


def day_of(name: str) -> int:
    """Return the ordinal of the day that a folder is named after exactly as the lake would, else ``NO_DAY``."""
    known = _days.get(name)
    if known is None:
        known = _days[name] = _parsed(name)
    return known


# All series share their days.
_days: dict[str, int] = {}


def _parsed(name: str) -> int:
    text = name.removeprefix(_PREFIX)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return NO_DAY
    return day.toordinal() if name == f"{_PREFIX}{day.isoformat()}" else NO_DAY


def _exists(name: str, descriptor: int) -> bool:
    try:
        os.stat(f"{name}/{PART_NAME}", dir_fd=descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


class Listing:
    """The stored files of many series; the work starts at once.

    Args:
        folders: one per series.
        first: first day.
        last: last day, included.
        worth_help: from so many possible files on, helper processes are started.
    """

    def __init__(self, folders: Sequence[str], first: date, last: date, *, worth_help: int = _WORTH_HELP) -> None:
        self._folders = list(folders)
        self._range = (first.toordinal(), last.toordinal())
        self._helpers: list[subprocess.Popen[bytes]] = []
        if len(self._folders) * ((last - first).days + 1) * 5 // 7 >= worth_help:
            self._start_helpers()

    def results(self) -> dict[str, tuple[int, array[int]]]:
        """Return what :func:`stored_files` says of each folder; what a helper did not say is asked here."""
        found: dict[str, tuple[int, array[int]]] = {}
        for number, helper in enumerate(self._helpers):
            answer, _ = helper.communicate()
            if helper.returncode == 0:
                found |= _read_answer(answer, self._folders[number :: len(self._helpers)])
        self._helpers = []
        return {f: found[f] if f in found else stored_files(f, *self._range) for f in self._folders}

    def close(self) -> None:
        """End helpers whose results nobody wants any more."""
        for helper in self._helpers:
            helper.kill()
            helper.communicate()
        self._helpers = []

    def _start_helpers(self) -> None:
        # Isolated and without site packages: such a process starts in 20 ms.
        command = [sys.executable, "-I", "-S", __file__]
        for number in range(_HELPERS):
            request = json.dumps([self._folders[number::_HELPERS], *self._range])
            try:
                helper = subprocess.Popen(  # noqa: S603 this interpreter, this file, our own folders
                    [*command, request], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            except OSError:  # no room for another process, or the arguments are too long
                self.close()
                return
            self._helpers.append(helper)


def _read_answer(answer: bytes, folders: Sequence[str]) -> dict[str, tuple[int, array[int]]]:
    numbers = array("q")
    numbers.frombytes(answer)
    found, at = {}, 0
    for folder in folders:
        first_day, count = numbers[at : at + 2]
        found[folder] = (first_day, numbers[at + 2 : at + 2 + count])
        at += 2 + count
    return found


def _main(request: str) -> None:
    folders, first, last = json.loads(request)
    # All at the end: a pipe holds 64 KB, and nobody reads it before the work of the reader is done.
    answer = array("q")
    for folder in folders:
        first_day, found = stored_files(folder, first, last)
        answer.extend((first_day, len(found)))
        answer.extend(found)
    sys.stdout.buffer.write(answer.tobytes())


if __name__ == "__main__":
    _main(sys.argv[1])
