"""The clock as a thing that is handed in."""

from collections.abc import Callable
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]
"""Unix seconds, like `time.time`."""
