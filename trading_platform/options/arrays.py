"""Array types of the option formulas and how their arguments are brought to one shape.

Belongs here: the aliases and the broadcast. Does not belong here: any formula.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.uint8]
FloatLike: TypeAlias = npt.ArrayLike
"""A number or an array of numbers; NaN means unknown."""


def as_floats(*values: FloatLike) -> tuple[Floats, ...]:
    """Return numbers or arrays as float64 arrays, not yet broadcast; no copy where they are such arrays."""
    return tuple(np.asarray(value, dtype=np.float64) for value in values)
