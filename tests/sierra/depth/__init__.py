"""Tests of market depth files."""
