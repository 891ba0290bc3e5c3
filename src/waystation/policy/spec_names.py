"""Names in the policy document: what they may look like."""

from typing import Annotated

from msgspec import Meta

ShortName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$",
        extra={"expected": "a short name of lower-case letters, digits, `.`, `_` and `-`"},
    ),
]
ModelName = Annotated[
    str,
    Meta(pattern=r"^[^\s\x00-\x1f]{1,200}$", extra={"expected": "a model name without spaces"}),
]
GroupName = Annotated[
    str,
    Meta(pattern=r"^[^\x00-\x1f]{1,200}$", extra={"expected": "a group name"}),
]
Member = Annotated[
    str,
    Meta(
        pattern=r"^[^\s\x00-\x1f]{1,254}$", extra={"expected": "a mail address or a service account's name"}
    ),
]
Tool = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]*(/small)?$",
        extra={"expected": "a tool such as `claude`, or `claude/small`"},
    ),
]
