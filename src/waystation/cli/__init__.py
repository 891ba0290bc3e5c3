"""`waystation …`: the operator's commands.

Each command's module is imported only when it is named, so that `waystation serve` does not pay for what
`waystation usage` needs.
"""

from waystation.cli.main import main

__all__ = ["main"]
