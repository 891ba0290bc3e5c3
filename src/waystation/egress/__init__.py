"""The gateway's own requests to addresses that somebody has named: sign-in providers, their keys, later webhooks.

The door: `client(reach)` gives an httpx2 client whose every connection is checked; `fetch_json(url, reach)` is one
GET with it. Neither is for model providers, which the relay's own pools reach.
"""

from waystation.egress.guard import Reach, Refused, allowed
from waystation.egress.http import Unreachable, client, fetch_json

__all__ = ["Reach", "Refused", "Unreachable", "allowed", "client", "fetch_json"]
