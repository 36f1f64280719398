"""Option formulas on plain numpy arrays.

Belongs here: prices, greeks, implied volatility, forward and discount by put-call parity, time to settlement. Does not belong here: chains
and their files, sums over contracts (``gex``), Dagster. Everything is vectorised float64; NaN means unknown and stays NaN.
"""

from .greeks import Greeks, black76_greeks, bsm_gamma, bsm_greeks, carry_of_forward
from .implied_vol import ImpliedVol, IvFlag, implied_vol
from .normal import normal_cdf, normal_pdf
from .parity import ParityFit, ParityFlag, ParitySource, parity_forward
from .pricing import black76_price, bsm_price
from .timing import years_act365

__all__ = [
    "Greeks",
    "ImpliedVol",
    "IvFlag",
    "ParityFit",
    "ParityFlag",
    "ParitySource",
    "black76_greeks",
    "black76_price",
    "bsm_gamma",
    "bsm_greeks",
    "bsm_price",
    "carry_of_forward",
    "implied_vol",
    "normal_cdf",
    "normal_pdf",
    "parity_forward",
    "years_act365",
]
