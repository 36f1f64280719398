"""The command line ``tp``.

Belongs here: commands, one module per family, and what people see in a terminal. This is the only room of ``trading_platform`` that may
import Dagster and ``definitions``, and it does so inside the commands that need them. Does not belong here: logic that Python users want
without a terminal.
"""

from .app import main

__all__ = ["main"]
