"""The laptop's client: standard library only."""

__version__ = "0.1.0"
