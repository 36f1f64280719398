"""What ``tp doctor`` looks at: one function per check, each isolated from the others.

Belongs here: the list of checks and running them. A check is a function of a ``Situation`` and returns a ``Verdict``; it changes nothing
but a file that it writes and deletes again. Does not belong here: printing and exit codes (``commands/doctor.py``), repairs.
"""

from __future__ import annotations

from .examine import CHECKS, Check, examine
from .verdict import Finding, Situation, Status, Verdict

__all__ = ["CHECKS", "Check", "Finding", "Situation", "Status", "Verdict", "examine"]
