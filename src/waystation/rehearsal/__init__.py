"""The rehearsal provider: plays scripted answers and faults in every provider's protocol, over real HTTP.

For trying Waystation without keys, and the fixture of its tests. It is no model and says so in each answer.
Importing this room imports no SDK and no pydantic.
"""

from waystation.rehearsal.exchange import Reply, Request
from waystation.rehearsal.provider import Rehearsal
from waystation.rehearsal.serve import Recorded, RehearsalServer

__all__ = ["Recorded", "Rehearsal", "RehearsalServer", "Reply", "Request"]
