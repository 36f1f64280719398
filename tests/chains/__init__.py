"""Tests of option chains: files, days, storage."""
