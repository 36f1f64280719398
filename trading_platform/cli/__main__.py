"""``python -m trading_platform.cli``, for where the script ``tp`` is not on the path."""

from __future__ import annotations

from .app import main

if __name__ == "__main__":
    main()
