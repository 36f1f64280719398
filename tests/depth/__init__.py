"""Depth: replay, measures per second, the builder, the look-up of a book."""
