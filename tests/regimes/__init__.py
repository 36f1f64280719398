"""Tests of gamma regimes."""
