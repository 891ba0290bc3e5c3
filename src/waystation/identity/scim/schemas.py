"""What resources look like: the data from which `/Schemas` is answered and input is checked. Pure.

Attributes that do not stand here are dropped when they come in: nothing would ever read them.
"""

from typing import Any

import msgspec

from waystation.identity.scim.errors import invalid_value

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_LONGEST_TEXT = 1024


class Attribute(msgspec.Struct, frozen=True):
    name: str
    type: str = "string"
    description: str = ""
    many: bool = False
    required: bool = False
    case_exact: bool = False
    read_only: bool = False
    immutable: bool = False
    unique: bool = False
    refers: tuple[str, ...] = ("uri",)
    words: tuple[str, ...] = ()
    subs: tuple["Attribute", ...] = ()

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "multiValued": self.many,
            "description": self.description,
            "required": self.required,
            "mutability": "readOnly" if self.read_only else "immutable" if self.immutable else "readWrite",
            "returned": "default",
            "uniqueness": "server" if self.unique else "none",
        }
        if self.type in ("string", "reference", "binary"):
            body["caseExact"] = self.case_exact
        if self.type == "reference":
            body["referenceTypes"] = list(self.refers)
        if self.words:
            body["canonicalValues"] = list(self.words)
        if self.subs:
            body["subAttributes"] = [sub.body() for sub in self.subs]
        return body


def _text(*names: str) -> tuple[Attribute, ...]:
    return tuple(Attribute(name) for name in names)


def _many(name: str, description: str) -> Attribute:
    subs = (*_text("value", "display", "type"), Attribute("primary", "boolean"))
    return Attribute(name, "complex", description, many=True, subs=subs)


USER_ATTRIBUTES = (
    Attribute(
        "userName", description="The name to sign in with: a mail address.", required=True, unique=True
    ),
    Attribute(
        "name",
        "complex",
        "What the person is called.",
        subs=_text(
            "formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"
        ),
    ),
    Attribute("displayName", description="How to show the person."),
    *_text("nickName", "title", "userType", "preferredLanguage", "locale", "timezone"),
    Attribute(
        "active",
        "boolean",
        "Whether the person may come in; `false` takes effect within a second. Always there; `true` if not said.",
        required=True,
    ),
    _many("emails", "Mail addresses."),
    _many("phoneNumbers", "Telephone numbers."),
    Attribute(
        "addresses",
        "complex",
        "Postal addresses.",
        many=True,
        subs=(
            *_text("formatted", "streetAddress", "locality", "region", "postalCode", "country", "type"),
            Attribute("primary", "boolean"),
        ),
    ),
    Attribute(
        "groups",
        "complex",
        "Groups of the directory; changed by way of the groups.",
        many=True,
        read_only=True,
        subs=tuple(
            Attribute(
                name, "reference" if name == "$ref" else "string", read_only=True, case_exact=name == "$ref"
            )
            for name in ("value", "display", "$ref", "type")
        ),
    ),
)
ENTERPRISE_ATTRIBUTES = (
    *_text("employeeNumber", "costCenter", "organization", "division", "department"),
    Attribute(
        "manager",
        "complex",
        "Whom the person reports to.",
        subs=(
            Attribute("value"),
            Attribute("$ref", "reference", case_exact=True, refers=("User",)),
            Attribute("displayName", read_only=True),
        ),
    ),
)
GROUP_ATTRIBUTES = (
    Attribute(
        "displayName", description="The name that the policy knows the group by.", required=True, unique=True
    ),
    Attribute(
        "members",
        "complex",
        "Who is in it: users only.",
        many=True,
        subs=(
            Attribute("value", immutable=True, case_exact=True),
            Attribute("$ref", "reference", immutable=True, case_exact=True, refers=("User",)),
            Attribute("type", immutable=True, words=("User",)),
        ),
    ),
)
COMMON = (Attribute("externalId", case_exact=True), Attribute("id", read_only=True, case_exact=True))


class Kind(msgspec.Struct, frozen=True):
    """A type of resource."""

    name: str
    endpoint: str
    schema: str
    attributes: tuple[Attribute, ...]
    extension: str = ""
    extension_attributes: tuple[Attribute, ...] = ()

    def find(self, name: str, schema: str = "") -> Attribute | None:
        """By name without case; None for what we do not know."""
        if schema and schema.lower() != self.extension.lower():
            return None
        known = self.extension_attributes if schema else (*self.attributes, *COMMON)
        return next((entry for entry in known if entry.name.lower() == name.lower()), None)

    @property
    def schemas(self) -> list[str]:
        return [self.schema, self.extension] if self.extension else [self.schema]


USERS = Kind("User", "Users", USER, USER_ATTRIBUTES, ENTERPRISE, ENTERPRISE_ATTRIBUTES)
GROUPS = Kind("Group", "Groups", GROUP, GROUP_ATTRIBUTES)


def clean(kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
    """What we know of a resource that came in, by its proper names. Raises ScimError (`invalidValue`)."""
    known: dict[str, Any] = {}
    for key, value in body.items():
        if kind.extension and key.lower() == kind.extension.lower():
            if not isinstance(value, dict):
                raise invalid_value(f"{key} must be an object.")
            inner = _fields(kind.extension_attributes, value)
            if inner:
                known[kind.extension] = inner
            continue
        attribute = kind.find(key)
        if attribute is not None and not attribute.read_only and value is not None:
            known[attribute.name] = coerce(attribute, value)
    return known


def coerce(attribute: Attribute, value: Any) -> Any:
    """The value as its type wants it; Entra's `"True"` is a boolean. Raises ScimError (`invalidValue`)."""
    if attribute.many:
        elements = value if isinstance(value, list) else [value]
        return [_element(attribute, element) for element in elements]
    return _single(attribute, value)


def _element(attribute: Attribute, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = {"value": value}
    found = _single(attribute, value)
    assert isinstance(found, dict)
    return found


def _single(attribute: Attribute, value: Any) -> Any:
    if attribute.type == "boolean":
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if isinstance(value, bool):
            return value
        raise invalid_value(f"{attribute.name} must be true or false.")
    if attribute.type == "complex":
        if isinstance(value, str) and attribute.name == "manager":  # Entra sends the id alone
            value = {"value": value}
        if not isinstance(value, dict):
            raise invalid_value(f"{attribute.name} must be an object.")
        return _fields(attribute.subs, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or "\x00" in value:
        raise invalid_value(f"{attribute.name} must be a text of at most {_LONGEST_TEXT} characters.")
    return value


def _fields(attributes: tuple[Attribute, ...], value: dict[str, Any]) -> dict[str, Any]:
    names = {entry.name.lower(): entry for entry in attributes}
    known: dict[str, Any] = {}
    for key, inner in value.items():
        entry = names.get(key.lower())
        if entry is not None and inner is not None and not (entry.read_only and entry.type != "reference"):
            known[entry.name] = _single(entry, inner)
    return known
