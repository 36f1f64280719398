"""A stand-in for DataBento: an HTTPS server that speaks the vendor's protocol over the simulated market.

Belongs here: the far end of the socket, for the demo and the tests: addresses, answers, bills and scripted faults. Does not belong here:
anything on our side of the socket; the vendor's own unmodified client library is what talks to it.

Everything it serves is synthetic and carries the mark of simulated data.
"""

from __future__ import annotations

from .faults import Fault, FaultKind, read_faults
from .market import StandInMarket
from .server import DataBentoStandIn, LoggedRequest

__all__ = ["DataBentoStandIn", "Fault", "FaultKind", "LoggedRequest", "StandInMarket", "read_faults"]
