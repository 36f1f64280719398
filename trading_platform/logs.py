"""Structured logs on standard error.

Belongs here: the set-up of structlog. Every line has an event name and named fields (symbol, trade_date, run_id, rows), as JSON, so that a
log collector needs no pattern. Does not belong here: what people read in a terminal (``trading_platform.cli.console``).
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Send lines of at least ``level`` (DEBUG, INFO, WARNING, ERROR) to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
