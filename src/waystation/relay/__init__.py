"""The data plane: requests of coding tools to providers and back, as bytes.

The door: `Relay` (what all exchanges share), `protocol_for` (uvicorn's protocol class of ours),
`RelayApp` (the same as plain ASGI), `Admission` (the seam where requests are let in or refused), `list_models`
(what a provider has, asked by the relay's own pools).
Promises: native bytes pass untouched, every attempt is settled exactly once before its last byte goes out,
nothing here waits for a disk, a database or a lock.
"""

from waystation.relay.admit import Admission, Gate, Verifier
from waystation.relay.asgi import RelayApp
from waystation.relay.core import Credential, Pricer, Recorder, Relay, RelaySettings
from waystation.relay.fetch import NoAnswer
from waystation.relay.listener import RelayProtocol, protocol_for
from waystation.relay.listing import ListingBounds, list_models
from waystation.relay.metrics import RelayMetrics
from waystation.relay.pool import UpstreamPools

__all__ = [
    "Admission",
    "Credential",
    "Gate",
    "ListingBounds",
    "NoAnswer",
    "Pricer",
    "Recorder",
    "Relay",
    "RelayApp",
    "RelayMetrics",
    "RelayProtocol",
    "RelaySettings",
    "UpstreamPools",
    "Verifier",
    "list_models",
    "protocol_for",
]
