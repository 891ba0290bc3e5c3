"""Policies that several tests read."""

from waystation.model import Principal
from waystation.policy import Plan, PolicyDocument, PolicyErrors, compile_plan, load

COMPANY = """\
version: 1
providers:
  anthropic: {kind: anthropic, credential: env:ANTHROPIC_API_KEY}
  openai: {kind: openai, credential: env:OPENAI_API_KEY}
  azure:
    kind: azure-openai
    base_url: https://acme.openai.azure.com
    credential: vault:azure
    api_version: 2024-10-21
  google: {kind: google, credential: file:/run/secrets/gemini}
models:
  claude-sonnet-5:
    aliases: [sonnet]
    agents: [claude]
    max_output: 64000
    routes: [{provider: anthropic}]
  claude-haiku-4-5:
    agents: [claude/small]
    routes: [{provider: anthropic}]
  gpt-5.5:
    groups: [platform, ml]
    routes:
      - {provider: azure, model: acme-gpt, priority: 1}
      - {provider: openai, weight: 3}
  "claude-*": {routes: [{provider: anthropic}]}
  "claude-opus-*": {groups: [ml], routes: [{provider: anthropic}]}
  "gemini-*": {routes: [{provider: google}]}
access:
  contact: "#ai-platform"
  groups:
    platform: {members: [ana@example.com], cost_center: "4711"}
    ml: {}
  roles: {finance: [Ana@example.com]}
"""

BOB = Principal(id="u1", name="bob@example.com")
ANA = Principal(id="u2", name="Ana@Example.com")
MEL = Principal(id="u3", name="mel@example.com", groups=frozenset({"ml", "hr"}), cost_center="0815")


def read(text: str) -> PolicyDocument:
    return load(text, filename="policy.yaml")


def plan_of(text: str = COMPANY) -> Plan:
    return compile_plan(read(text), version=7)


def faults(text: str) -> list[tuple[int, int, str, str]]:
    """(line, column, field, message) of every fault; empty for a sound document."""
    try:
        read(text)
    except PolicyErrors as errors:
        return [(e.line, e.column, e.field, e.message) for e in errors.errors]
    return []
