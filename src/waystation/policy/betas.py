"""Which Anthropic beta flags a platform takes (`betas.yaml`), before a policy says anything about it."""

import datetime
import importlib.resources

import msgspec
import yaml


class _Platform(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: str
    verified: datetime.date
    flags: tuple[str, ...]


def _load() -> dict[str, _Platform]:
    text = importlib.resources.files(__package__).joinpath("betas.yaml").read_text("utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, _Platform])


_PLATFORMS = _load()


def betas_of(kind: str) -> tuple[str, ...] | None:
    """The flags that providers of this kind take; None where it takes all that there are."""
    platform = _PLATFORMS.get(kind)
    return platform.flags if platform is not None else None
