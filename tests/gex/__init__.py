"""Tests of gamma exposure."""
