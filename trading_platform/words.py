"""Words of messages that depend on numbers.

Belongs here: one and several. Does not belong here: what is said (each caller).
"""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return ``1 day``, ``2 days``, ``1,000 days``; nouns whose plural is formed by an ``s`` only."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def are(number: int) -> str:
    """Return the verb that goes with so many: ``is`` or ``are``."""
    return "is" if number == 1 else "are"
