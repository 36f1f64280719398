"""Level 2: measures of stored order book rows.

Belongs here: pure functions on rows of ``l2``. Does not belong here: the vendor and its files (``trading_platform.databento``).
"""

from __future__ import annotations

from .measures import COLUMNS, L2Measures, l2_metrics
from .profile import ValueArea, value_area, volume_profile

__all__ = ["COLUMNS", "L2Measures", "ValueArea", "l2_metrics", "value_area", "volume_profile"]
