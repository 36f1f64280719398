"""Tests of the Sierra Chart room."""
