"""What is known of models by their names (`families.yaml`), before a policy says anything about them."""

import datetime
import fnmatch
import importlib.resources
import re

import msgspec
import yaml

from waystation.model import Capabilities

_FIELDS = Capabilities.__struct_fields__


class _Family(msgspec.Struct, frozen=True):
    fits: re.Pattern[str]
    known: Capabilities


def capabilities_of(model: str) -> Capabilities:
    """What the table says about the provider's model id `model`; nothing where it is no model that we know.

    Walks the table: some tens of microseconds. Callers remember the answer.
    """
    name = model.lower()
    found = Capabilities()
    for family in _FAMILIES:
        if family.fits.match(name):
            found = merged(found, family.known)
    return found


def merged(first: Capabilities, second: Capabilities) -> Capabilities:
    """Each field as `first` has it, or else as `second` has it."""
    missing = {
        field: value
        for field in _FIELDS
        if getattr(first, field) is None and (value := getattr(second, field)) is not None
    }
    return msgspec.structs.replace(first, **missing) if missing else first


class _Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an entry's facts are from, and when somebody last looked."""

    match: tuple[str, ...]
    source: str
    verified: datetime.date


def _load() -> tuple[_Family, ...]:
    text = importlib.resources.files(__package__).joinpath("families.yaml").read_text("utf-8")
    families = []
    for entry in yaml.safe_load(text):
        known = {field: entry.pop(field) for field in _FIELDS if field in entry}
        about = msgspec.convert(entry, _Source)
        fits = re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in about.match))
        families.append(_Family(fits, msgspec.convert(known, Capabilities)))
    return tuple(families)


_FAMILIES = _load()
