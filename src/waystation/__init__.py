"""Waystation: one governed door between every coding agent and every model."""

__version__ = "0.1.0"
