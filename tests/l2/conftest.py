"""The home beside the stand-in that days of level 2 are made in."""

from __future__ import annotations

from tests.databento.l2_shop import l2_shop  # noqa: F401 - a fixture
