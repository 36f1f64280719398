"""Level 2: measures of stored order book rows.

Belongs here: pure functions on rows of ``l2``, and ``backfill_l2``, the front door for programs. Does not belong here: the vendor and its
files (``trading_platform.databento``).
"""

from __future__ import annotations

from .backfill import L2Day, backfill_l2
from .measures import COLUMNS, L2Measures, l2_metrics
from .metrics_builder import L2MetricsBuilder
from .profile import ValueArea, value_area, volume_profile

__all__ = [
    "COLUMNS",
    "L2Day",
    "L2Measures",
    "L2MetricsBuilder",
    "ValueArea",
    "backfill_l2",
    "l2_metrics",
    "value_area",
    "volume_profile",
]
