"""Tests of the room ``trading_platform.bars``; a package, because they share ``frames``."""
