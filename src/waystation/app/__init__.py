"""Composition root: settings → rooms → listeners. The only place that knows every room.

The door: `run(settings)` serves until told to stop; `Gateway` is the same, for a process that has a loop.
"""

from waystation.app.gateway import Gateway, run
from waystation.app.memory import keep_large_blocks
from waystation.app.settings import Settings

__all__ = ["Gateway", "Settings", "keep_large_blocks", "run"]
