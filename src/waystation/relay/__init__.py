"""The data plane: requests of coding tools to providers and back, as bytes.

The door: `Relay` (what all exchanges share), `protocol_for` (uvicorn's protocol class of ours),
`RelayApp` (the same as plain ASGI), `Admission` (the seam where requests are let in or refused).
Promises: native bytes pass untouched, every attempt is settled exactly once before its last byte goes out,
nothing here waits for a disk, a database or a lock.
"""

from waystation.relay.admit import Admission, Gate, Verifier
from waystation.relay.asgi import RelayApp
from waystation.relay.core import Pricer, Recorder, Relay, RelaySettings
from waystation.relay.listener import RelayProtocol, protocol_for
from waystation.relay.metrics import RelayMetrics

__all__ = [
    "Admission",
    "Gate",
    "Pricer",
    "Recorder",
    "Relay",
    "RelayApp",
    "RelayMetrics",
    "RelayProtocol",
    "RelaySettings",
    "Verifier",
    "protocol_for",
]
