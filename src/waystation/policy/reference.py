"""The reference page of the policy document (`docs/policy-reference.md`), made from the schema itself.

`python -m waystation.policy.reference` prints the page; `… schema` prints the JSON Schema. A test holds the
committed files against them.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect as types

from waystation.policy.document import Policy
from waystation.policy.kinds import KINDS, PATH_KEYS
from waystation.policy.schema import json_schema

_INTRO = """\
# The policy document

One document, in YAML or JSON, says which models there are, where they come from and who may use them. It is
checked whole and applied whole; each version is kept. This page is made from the schema, which
`waystation policy schema` prints and [`policy.schema.json`](policy.schema.json) holds for editors.

```yaml
version: 1

providers:
  anthropic:
    kind: anthropic
    credential: env:ANTHROPIC_API_KEY       # a reference; the key itself never stands here
  openai:
    kind: openai
    credential: file:/run/secrets/openai
  lab:
    kind: openai-compatible
    base_url: http://vllm.lab.internal:8000/v1

models:
  claude-sonnet-5:
    agents: [claude]                        # what `way claude` starts with
    routes: [{provider: anthropic}]
  gpt-5.5:
    groups: [platform]
    aliases: [gpt]
    routes: [{provider: openai}]
  qwen3-coder:
    routes: [{provider: lab, model: Qwen/Qwen3-Coder-480B-A35B-Instruct}]
    price: {input: 0, output: 0, source: our own machines}
  "claude-*":                               # every other Claude, under its own name
    routes: [{provider: anthropic}]

limits:
  pace: {per: user, requests: 60/1m, concurrent: 8}

budgets:
  person: {per: user, usd: 20, every: day}
  platform: {per: group, groups: [platform], usd: 3000, downgrade: {to: qwen3-coder, at: 90}}

access:
  default: allow
  contact: "#ai-platform"
  groups:
    platform: {members: [ana@example.com], cost_center: "4711"}
```

## Work with it

| command | what it does |
|---|---|
| `waystation policy check FILE` | reports every fault: file, line, column, field, nearest valid name |
| `waystation policy diff FILE` | what would change against the policy in force |
| `waystation policy apply FILE` | checks, shows the changes, puts it in force as a new version |
| `waystation policy history`, `rollback VERSION` | every version that was ever in force; put one back |
| `waystation policy show` | the policy in force (`--version N` for an older one) |

Running gateways take a new version within a second; requests in flight finish under the one they began with.

## Rules

- **Which entry answers.** A name is looked up among the exact names, then the aliases, then the patterns, of
  which the one with the longest text before its first `*` wins.
- **Who may.** A model with `groups` is open to those groups, and `everyone` is everybody who is signed in. A
  model without is open to everyone if `access.default` is `allow`, to nobody if it is `deny`.
- **Where it goes.** The lowest `priority` is tried first; within a priority, `weight` is the share.
- **Translation.** A route whose provider does not speak the tool's protocol is used too: the request and its
  answer are translated. Within a priority, routes that need no translation come first; to prefer a translated
  one, give it a lower `priority`. `translation: never`, at a model or for all, leaves such routes out.
- **What a model can do** (its windows, whether it sees, how it thinks) is known of the usual families by their
  names; `capabilities`, `context_window` and `max_output` of an entry say it for others, or say it better.
- **Secrets are references.** `env:NAME`, `file:PATH` or `vault:NAME`; a value that looks like a key is
  refused, and is never repeated in an error.
- **AWS credentials** sign each request instead of being sent. `aws:default` is AWS's own chain (environment,
  shared files, SSO, the role of the container or machine), `aws:profile/NAME` a profile of the shared files with
  whatever it says, such as a role to assume; `aws:env` reads `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
  `AWS_SESSION_TOKEN`, and `aws:env/TEAM` reads `TEAM_ACCESS_KEY_ID` and so on. Temporary ones are renewed in time.
  A Bedrock API key is a key like any other: `credential: env:AWS_BEARER_TOKEN_BEDROCK`.
- **Prices** belong to a provider's model: what the policy states beats the price data, from `effective` on.
  Without a cache-read or cache-write rate, such tokens cost what plain input costs; hour-long cache writes
  without a rate of their own cost what 5-minute ones do. A model without any price has an unknown cost, which
  is not zero.
- **Limits and budgets.** A request must fit every one that covers it; [limits and budgets](limits.md) says how it
  is counted. A `downgrade` sends requests to its model from `at` percent on; downgrades may not go round.
- **YAML** is read by the rules of YAML 1.2: `no`, `on` and dates are text. Tabs, anchors, aliases, tags and
  duplicate keys are refused.
"""


def page() -> str:
    """The whole page, in Markdown."""
    parts = [_INTRO, "## Fields\n"]
    parts += _struct(types.type_info(Policy), "the document", 3)
    parts.append(_kinds())
    return "\n".join(parts).rstrip() + "\n"


def schema_text() -> str:
    """The JSON Schema as the file is written."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _struct(info: types.Type, path: str, level: int) -> Iterator[str]:
    """A table of the struct's fields, then one for each struct within it."""
    struct = _bare(info)
    assert isinstance(struct, types.StructType)
    yield f"{'#' * level} {path if level == 3 else f'`{path}`'}\n"
    yield f"{(struct.cls.__doc__ or '').strip().splitlines()[0]}\n"
    yield "| field | type | default | what |\n|---|---|---|---|"
    rows, inner = [], []
    for field in struct.fields:
        below = field.encode_name if level == 3 else f"{path}.{field.encode_name}"
        rows.append(
            f"| `{field.encode_name}` | {_type(field.type)} | {_default(field)} | {_text(field.type)} |"
        )
        inner += [(found, below + suffix) for found, suffix in _structs(field.type)]
    yield "\n".join(rows) + "\n"
    for found, below in inner:
        yield from _struct(found, below, 4)


def _structs(info: types.Type) -> Iterator[tuple[types.StructType, str]]:
    """The structs that a field holds, with what its path gets appended."""
    info = _bare(info)
    match info:
        case types.StructType():
            yield info, ""
        case types.DictType():
            yield from ((s, ".NAME" + suffix) for s, suffix in _structs(info.value_type))
        case types.VarTupleType():
            yield from ((s, "[]" + suffix) for s, suffix in _structs(info.item_type))
        case types.UnionType():
            seen: set[type] = set()
            for option in info.types:
                for found, suffix in _structs(option):
                    if found.cls not in seen:
                        seen.add(found.cls)
                        yield found, suffix


def _bare(info: types.Type) -> types.Type:
    while isinstance(info, types.Metadata):
        info = info.type
    return info


def _type(info: types.Type) -> str:
    bare = _bare(info)
    match bare:
        case types.StructType():
            return "mapping"
        case types.DictType():
            return f"mapping of name → {_type(bare.value_type)}"
        case types.VarTupleType():
            return f"list of {_type(bare.item_type)}"
        case types.UnionType():
            options = [_type(t) for t in bare.types if not isinstance(t, types.NoneType)]
            return " or ".join(dict.fromkeys(options))
        case types.EnumType():
            return ", ".join(f"`{member.value}`" for member in bare.cls)
        case types.LiteralType():
            return " or ".join(f"`{value}`" for value in bare.values)
        case types.BoolType():
            return "true or false"
        case types.IntType():
            return "whole number"
        case types.DecimalType():
            return "number"
        case types.DateType():
            return "date"
    return "text"


def _text(info: types.Type) -> str:
    """The description nearest to the field."""
    while isinstance(info, types.Metadata):
        if info.extra_json_schema and "description" in info.extra_json_schema:
            return str(info.extra_json_schema["description"])
        info = info.type
    if isinstance(info, types.UnionType):
        return next((text for t in info.types if (text := _text(t))), "")
    return ""


def _default(field: types.Field) -> str:
    if field.required:
        return "**needed**"
    default: Any = field.default if field.default is not msgspec.NODEFAULT else None
    if default in (None, "", ()) or isinstance(default, msgspec.Struct):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _kinds() -> str:
    rows = [
        f"| `{name}` | {kind.title} | {f'`{kind.base_url}`' if kind.base_url else ''} "
        f"| {', '.join(f'`{w}`' for w in kind.wires)} | {kind.credential}, `{kind.auth}` |"
        if kind.credential != "none"
        else f"| `{name}` | {kind.title} |  | {', '.join(f'`{w}`' for w in kind.wires)} | none |"
        for name, kind in KINDS.items()
    ]
    return (
        "## Kinds of provider\n\n| kind | what | usual base URL | speaks | credential, sent as |\n"
        "|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\nKeys of `paths`: "
        + ", ".join(f"`{key}`" for key in PATH_KEYS)
        + ".\n"
    )


if __name__ == "__main__":
    sys.stdout.write(schema_text() if sys.argv[1:] == ["schema"] else page())
