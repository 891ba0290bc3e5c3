"""What changed, in sentences."""

import pytest

from tests.policy.documents import COMPANY, read
from waystation.policy import diff


def changes(new: str, old: str = COMPANY) -> list[tuple[str, str, str]]:
    return [(c.sign, c.path, c.sentence) for c in diff(read(old), read(new))]


def test_a_default_spelt_out_another_layout_or_a_comment_is_no_change() -> None:
    same = COMPANY.replace("access:\n", "access:\n  default: allow\n").replace(
        "claude-haiku-4-5:\n", "claude-haiku-4-5:   # small\n    display_name: ''\n"
    )
    assert changes(same) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "groups: [platform, ml]",
            "groups: [everyone]",
            (
                "~",
                "models.gpt-5.5.groups",
                "models.gpt-5.5 was open to platform and ml, is now open to everyone.",
            ),
        ),
        (
            "groups: [platform, ml]\n",
            "description: x\n",
            (
                "-",
                "models.gpt-5.5.groups",
                "models.gpt-5.5 was open to platform and ml, is now open to everyone.",
            ),
        ),
        (
            "weight: 3",
            "weight: 5",
            (
                "~",
                "models.gpt-5.5.routes",
                "models.gpt-5.5 was served by azure/acme-gpt (priority 1) and openai/gpt-5.5 (weight 3), "
                "is now served by azure/acme-gpt (priority 1) and openai/gpt-5.5 (weight 5).",
            ),
        ),
        (
            "aliases: [sonnet]",
            "aliases: [sonnet-latest]",
            (
                "~",
                "models.claude-sonnet-5.aliases",
                "models.claude-sonnet-5.aliases: sonnet-latest added, sonnet removed.",
            ),
        ),
        (
            "https://acme.openai.azure.com",
            "https://acme2.openai.azure.com",
            (
                "~",
                "providers.azure.base_url",
                "providers.azure.base_url changes from https://acme.openai.azure.com to https://acme2.openai.azure.com.",
            ),
        ),
        (
            'contact: "#ai-platform"',
            "default: deny",
            (
                "~",
                "access.default",
                "Models that name no groups were open to everyone, are now open to nobody.",
            ),
        ),
        (
            "members: [ana@example.com]",
            "members: [ana@example.com, bob@example.com]",
            ("~", "access.groups.platform.members", "access.groups.platform.members: bob@example.com added."),
        ),
        (
            "max_output: 64000",
            "display_name: Sonnet",
            (
                "-",
                "models.claude-sonnet-5.max_output",
                "models.claude-sonnet-5.max_output is no longer set (it was 64000).",
            ),
        ),
        (
            "{kind: google, ",
            "{kind: google, verify_tls: false, ",
            ("~", "providers.google.verify_tls", "providers.google.verify_tls changes from true to false."),
        ),
        (
            "{kind: google, ",
            "{kind: google, headers: {x-a: b}, ",
            ("+", "providers.google.headers.x-a", "The header x-a of providers.google is new: b."),
        ),
        (
            '"gemini-*": {routes: [{provider: google}]}',
            '"gemini-*": {routes: [{provider: google}], price: {input: 1.5, output: 2}}',
            ("+", "models.gemini-*.price", "models.gemini-*.price is set to input 1.5, output 2."),
        ),
        (
            "    ml: {}\n",
            "    ml: {}\n    ops: {members: [z@example.com]}\n",
            ("+", "access.groups.ops", "The group ops is new: members z@example.com."),
        ),
    ],
)
def test_each_kind_of_change_has_its_sentence(old: str, new: str, expected: tuple[str, str, str]) -> None:
    assert old in COMPANY
    assert expected in changes(COMPANY.replace(old, new))


def test_new_and_removed_models_and_providers() -> None:
    without = COMPANY.replace('  "gemini-*": {routes: [{provider: google}]}\n', "").replace(
        "  google: {kind: google, credential: file:/run/secrets/gemini}\n", ""
    )
    assert changes(without) == [
        ("-", "providers.google", "The provider google is gone."),
        ("-", "models.gemini-*", "The model gemini-* is gone."),
    ]
    assert changes(COMPANY, old=without) == [
        ("+", "providers.google", "The provider google (google) is new."),
        ("+", "models.gemini-*", "The model gemini-* is new, open to everyone, served by google/gemini-*."),
    ]


def test_a_price_changes_field_by_field() -> None:
    priced = COMPANY.replace("max_output: 64000", "price: {input: 3, output: 15}")
    dearer = COMPANY.replace("max_output: 64000", "price: {input: 3, output: 16.5}")
    assert changes(dearer, old=priced) == [
        (
            "~",
            "models.claude-sonnet-5.price.output",
            "models.claude-sonnet-5.price.output changes from 15 to 16.5.",
        )
    ]


def test_against_nothing_everything_is_new() -> None:
    found = diff(None, read(COMPANY))
    assert {c.sign for c in found} == {"+"}
    assert "models.gpt-5.5" in {c.path for c in found}
