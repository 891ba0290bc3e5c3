"""From what tests have proved to a page, and whether a page says no more and no less."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.clients.matrix import ROWS
from tests.compatibility import FEATURES
from tests.crossroads import FAMILIES
from waystation.model import Wire

Json = dict[str, Any]
LEFT_OUT = "left out"
OF_TOOLS = ("text", "tools", "parallel", "thinking", "provided", "usage")
"""Shown by the real tools; the other features by requests in their protocols."""
_WORST = ("none", "partial", "not asked", "full")
_PREFACE = """\
# What works with what

This page is made of what tests have shown, and `./test` fails where it says anything else. Each tool is the real one,
pinned in `tests/clients/package.json` and started by `way`; each provider is played by the
[rehearsal provider](rehearsal.md), which speaks the provider's protocol and refuses what the provider would refuse.
Every tool has, with every model, created a file, read and edited files in two steps, and called tools in parallel.

`full`: as with a provider of the tool's own protocol. `partial`: with a loss, which is named. `not asked`: the tool
does not ask for it, or its protocol has no such thing. "Left out" are the fields of the tool's requests that the
provider's protocol has no place for, as `x-waystation-dropped` tells them.

## At a glance
"""


class Incomplete(Exception):
    """The results do not say enough to tell. The message says what is missing."""


def gathered(lines: Iterable[Json]) -> Json:
    """What the tests say together. Raises Incomplete where one failed, or did not run."""
    tools: Json = {name: {} for name in ROWS}
    protocols: Json = {feature: {} for feature in FEATURES}
    tests: dict[str, set[str]] = {feature: set() for feature in FEATURES}
    failed = set()
    for line in lines:
        if not line["passed"]:
            failed.add(line["test"])
            continue
        feature, source, target, claim = (line[key] for key in ("feature", "source", "target", "claim"))
        if feature in tests:
            tests[feature].add(line["test"])
        if source in ROWS:
            cell = tools[source].setdefault(target, {"asked": line["asked"]})
            cell[feature] = claim if feature == LEFT_OUT else _worse(cell.get(feature), claim)
        else:
            row = protocols[feature].setdefault(source, {})
            row[target] = _worse(row.get(target), claim)
    if failed:
        raise Incomplete("failed: " + ", ".join(sorted(failed)))
    found = {
        "tools": {name: _ordered(cells) for name, cells in tools.items()},
        "protocols": {
            feature: {asked: _ordered(row) for asked, row in sorted(rows.items())}
            for feature, rows in protocols.items()
            if rows
        },
        "tests": {feature: sorted(names) for feature, names in tests.items()},
    }
    _check_complete(found)
    return found


def _worse(one: str | None, other: str) -> str:
    return other if one is None else min(one, other, key=_rank)


def _rank(claim: str) -> int:
    return _WORST.index(claim.partition(":")[0])


def _ordered(by_target: Json) -> Json:
    return {str(wire): by_target[wire] for wire in FAMILIES if wire in by_target}


def _check_complete(found: Json) -> None:
    missing = []
    for name, row in ROWS.items():
        for family in row.families:
            cell = found["tools"][name].get(family, {})
            missing += [f"{name} with {family}: {f}" for f in (*OF_TOOLS, LEFT_OUT) if f not in cell]
            if not missing:
                missing += [
                    f"{feature} from {cell['asked']} to {family}"
                    for feature in FEATURES
                    if feature not in OF_TOOLS and claim_of(found, cell["asked"], family, feature) is None
                ]
    if missing:
        raise Incomplete(
            f"nothing passed for {len(missing)} places, the first of them {missing[0]!r}; run ./test"
        )


def claim_of(found: Json, asked: str, family: str, feature: str) -> str | None:
    """What requests in a protocol have shown."""
    claim: str | None = found["protocols"].get(feature, {}).get(asked, {}).get(family)
    return claim


def claims(found: Json, name: str, family: str) -> dict[str, str]:
    """What is claimed of a tool with models of a family, by feature."""
    cell = found["tools"][name][family]
    return {
        feature: cell[feature]
        if feature in OF_TOOLS
        else claim_of(found, cell["asked"], family, feature) or ""
        for feature in FEATURES
    }


def page(found: Json) -> str:
    """docs/compatibility.md."""
    lines = [_PREFACE]
    lines += _table(["tool", *(family.title for family in FAMILIES.values())], map(_glance(found), ROWS))
    lines += ["", "## What is looked at", ""]
    about = (
        [feature.title, feature.what, ", ".join(f"`{test}`" for test in found["tests"][name])]
        for name, feature in FEATURES.items()
    )
    lines += _table(["feature", "what the tests look at", "shown by"], about)
    for name, row in ROWS.items():
        lines += ["", f"## {row.title}", ""]
        header = ["models", "asked in", *(feature.title for feature in FEATURES.values()), "left out"]
        lines += _table(header, (_line(found, name, family) for family in row.families))
    return "\n".join(lines) + "\n"


def _glance(found: Json) -> Any:
    def row(name: str) -> list[str]:
        return [ROWS[name].title, *(_in_short(found, name, family) for family in FAMILIES)]

    return row


def _in_short(found: Json, name: str, family: Wire) -> str:
    if family not in ROWS[name].families:
        return "–"
    lacks = [
        FEATURES[feature].title
        for feature, claim in claims(found, name, family).items()
        if claim.startswith(("partial", "none"))
    ]
    return f"partial: {', '.join(lacks)}" if lacks else "full"


def _line(found: Json, name: str, family: Wire) -> list[str]:
    cell = found["tools"][name][family]
    left_out = ", ".join(f"`{what}`" for what in cell[LEFT_OUT].split(", ") if what)
    return [
        FAMILIES[family].title,
        f"`{cell['asked']}`",
        *claims(found, name, family).values(),
        left_out or "–",
    ]


def _table(header: list[str], rows: Iterable[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def results(folder: Path) -> list[Json]:
    """What the last test runs have kept."""
    return [
        json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()
    ]
