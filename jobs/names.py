"""Which names a person means.

Belongs here: names and patterns of assets, without Dagster, which takes seconds to load. Does not belong here: Dagster's selection syntax
(``selection.py``).
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Collection

from trading_platform.errors import ConfigurationError


def names_meant(text: str, names: Collection[str]) -> set[str]:
    """Return the names that a name or a pattern matches, empty if there are none.

    What matches nothing as written may differ in capitals (``mnq/ticks``), unless two names differ in capitals alone: then one of them is
    meant, and which one cannot be told.

    Args:
        text: such as ``MNQ/ticks`` or ``MNQ/*``.
        names: all there are.
    """
    if text in names:
        return {text}
    found = {name for name in names if fnmatch.fnmatchcase(name, text)}
    if found:
        return found
    found = {name for name in names if fnmatch.fnmatchcase(name.casefold(), text.casefold())}
    return found if len({name.casefold() for name in found}) == len(found) else set()


def no_such_name(text: str, names: Collection[str], *, kind: str = "asset") -> ConfigurationError:
    """Return the error (E161) for a text that matches nothing; it names the nearest names."""
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.4) or sorted(names)[:3]
    return ConfigurationError(
        "E161",
        f"no {kind} matches {text!r}; near: {', '.join(near) or 'none'}",
        "only active instruments have assets, and keys are written SYMBOL/dataset or as patterns such as 'MNQ/*'; nothing was done",
        "tp instruments list",
    )
