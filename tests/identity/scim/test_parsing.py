"""Filters and patches: whatever comes in, an answer or a ScimError comes out."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.identity.scim import patch
from waystation.identity.scim.errors import ScimError
from waystation.identity.scim.filters import matches, parse_filter, parse_path
from waystation.identity.scim.schemas import GROUPS, PATCH, USERS, Kind

BOB: dict[str, Any] = {
    "userName": "Bob@Example.com",
    "active": True,
    "name": {"familyName": "O'Malley"},
    "emails": [
        {"type": "work", "value": "bob@example.com", "primary": True},
        {"type": "home", "value": "b@home.org"},
    ],
    "meta": {"lastModified": "2026-05-13T04:42:34Z"},
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('userName eq "bob@example.com"', True),
        ('USERNAME EQ "bob@example.com"', True),
        ('name.familyName co "o\'malley"', True),
        ('userName sw "B"', True),
        ('userName ew ".org"', False),
        ('urn:ietf:params:scim:schemas:core:2.0:User:userName sw "b"', True),
        ("title pr", False),
        ("active eq true", True),
        ('active eq "True"', True),
        ("active ne true", False),
        ('meta.lastModified gt "2025-01-01T00:00:00Z"', True),
        ('meta.lastModified le "2025-01-01T00:00:00Z"', False),
        ("title eq null", True),
        ('title ne "x"', True),
        ('emails[type eq "work" and value co "@example.com"]', True),
        ('emails[type eq "home" and primary eq true]', False),
        ('emails co "home.org"', True),
        ('emails.type eq "home"', True),
        ("not (userName pr)", False),
        ("title pr or userName pr and not (active eq false)", True),
        ("(title pr or userName pr) and active eq false", False),
        ('urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "r&d"', True),
    ],
)
def test_filters_mean_what_the_rfc_says(text: str, expected: bool) -> None:
    assert matches(parse_filter(text), BOB) is expected


_words = st.sampled_from(
    [
        "userName",
        "emails",
        "eq",
        "ne",
        "co",
        "pr",
        "and",
        "or",
        "not",
        "(",
        ")",
        "[",
        "]",
        '"x"',
        '"',
        "true",
        "1",
        "null",
        ".",
        "type",
        "members",
        "\\",
        "\x00",
        "é",
        "urn:a:b",
        "value",
        "-",
        "1e999",
        "NaN",
    ]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "type", "primary", "a", "active", "emails", "name", "members"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_words, max_size=14).map(" ".join) | st.text(max_size=60))
def test_no_filter_does_anything_but_match_or_be_refused(text: str) -> None:
    for read in (parse_filter, parse_path):
        try:
            found = read(text)
        except ScimError:
            continue
        if read is parse_filter:
            assert matches(found, BOB) in (True, False)  # type: ignore[arg-type]  # by which reader it is


_paths = st.sampled_from(
    [
        None,
        "",
        "active",
        "userName",
        "emails",
        'emails[type eq "work"]',
        'emails[type eq "x"].value',
        "name.givenName",
        "members",
        'members[value eq "a"]',
        "groups",
        "id",
        "nope",
        "emails[",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "addresses.country",
        "name",
        "externalId",
    ]
)
_changes = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "Replace", "REMOVE", "move"]), "path": _paths, "value": _json}
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=400, deadline=None)
@given(_changes, st.sampled_from([USERS, GROUPS]))
def test_no_patch_does_anything_but_apply_or_be_refused(changes: list[dict[str, Any]], kind: Kind) -> None:
    resource = {"userName": "b", "emails": [{"type": "work", "value": "b@x"}], "members": [{"value": "a"}]}
    before = repr(resource)
    try:
        result = patch.apply(kind, resource, changes)
        again = patch.apply(kind, result, [{"op": "replace", "value": result}])
    except ScimError:
        pass
    else:
        assert {key.lower() for key in again} == {key.lower() for key in result}
    assert repr(resource) == before, "the resource that was given is left alone"


@settings(max_examples=200, deadline=None)
@given(_json | st.fixed_dictionaries({"schemas": st.just([PATCH]), "Operations": _json}))
def test_no_body_is_taken_for_operations_that_has_none(body: Any) -> None:
    try:
        found = patch.operations(body)
    except ScimError:
        pass
    else:
        assert all(isinstance(entry["op"], str) for entry in found)
