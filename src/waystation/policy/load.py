"""Reading a policy document: text in, a checked document out, or everything that is wrong with it."""

import msgspec

from waystation.policy.checking import check
from waystation.policy.document import Policy
from waystation.policy.errors import Path, PolicyError, PolicyErrors, render_path
from waystation.policy.nodes import Node, Unreadable, parse
from waystation.policy.reading import Reader


class PolicyDocument(msgspec.Struct, frozen=True):
    """A document without faults, and where each of its values stands."""

    policy: Policy
    text: str
    filename: str
    root: Node

    def error(self, path: Path, message: str, *, key: bool = False) -> PolicyError:
        """A fault found later (by compiling), at the place of its value or key."""
        node = self.root.key_at(path) if key else self.root.at(path)
        return PolicyError(self.filename, node.line, node.column, render_path(path), message)


def load(text: str, *, filename: str) -> PolicyDocument:
    """Reads YAML or JSON. Raises PolicyErrors with every fault; `filename` is only named, not opened."""
    try:
        root, errors = parse(text, filename)
    except Unreadable as stop:
        raise PolicyErrors([stop.error]) from None
    reader = Reader(filename)
    policy = reader.read(root, Policy)
    if policy is not None:
        check(policy, root, reader.fault)
    errors += reader.errors
    if errors or policy is None:
        raise PolicyErrors(errors)
    return PolicyDocument(policy, text, filename, root)
