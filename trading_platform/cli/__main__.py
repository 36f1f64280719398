"""``python -m trading_platform.cli`` is the same as ``tp``."""

from __future__ import annotations

from .app import main

main()
