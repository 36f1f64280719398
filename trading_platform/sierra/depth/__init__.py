"""Sierra Chart ``.depth`` files: format, reading, the dataset ``depth_events``.

Belongs here: everything that knows the ``.depth`` format. Does not belong here: the book that events build (``trading_platform.depth``),
writers of synthetic files (``trading_platform.simulation``).
"""

from .archive import DepthArchive, DepthFileSource
from .events import DepthEventsBuilder

__all__ = ["DepthArchive", "DepthEventsBuilder", "DepthFileSource"]
