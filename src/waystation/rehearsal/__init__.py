"""The rehearsal provider: plays scripted answers and faults in every provider's protocol, over real HTTP.

For trying Waystation without keys, and the fixture of its tests. It is no model and says so in each answer.
Importing this room imports no SDK and no pydantic.

    async with RehearsalServer(port=0) as server:
        server.play(Step(faults=("429 retry-after=3",), times=1))
        ...  # call f"{server.url}/anthropic/v1/messages", then look at server.requests
"""

from waystation.rehearsal.faults import BadFault
from waystation.rehearsal.provider import Rehearsal
from waystation.rehearsal.script import BadScript, Line, Script, Step, When, as_script, load_script
from waystation.rehearsal.serve import Recorded, RehearsalServer
from waystation.rehearsal.thread import rehearsal_thread
from waystation.rehearsal.vendor import Vendor

__all__ = [
    "BadFault",
    "BadScript",
    "Line",
    "Recorded",
    "Rehearsal",
    "RehearsalServer",
    "Script",
    "Step",
    "Vendor",
    "When",
    "as_script",
    "load_script",
    "rehearsal_thread",
]
