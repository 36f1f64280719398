"""Order books from stored events: replay, measures per second, the builder of ``depth_metrics``, the book at any moment.

Belongs here: everything that turns ``depth_events`` into books. Does not belong here: ``.depth`` files
(``trading_platform.sierra``), Dagster.
"""

from .book import Book, BookState, Level, replay
from .builder import DepthMetricsBuilder
from .grid import PriceGrid
from .lookup import BookAt, book_at
from .seconds import DaySeconds, EventArrays, SecondReplay

__all__ = [
    "Book",
    "BookAt",
    "BookState",
    "DaySeconds",
    "DepthMetricsBuilder",
    "EventArrays",
    "Level",
    "PriceGrid",
    "SecondReplay",
    "book_at",
    "replay",
]
