"""`/scim/v2` (RFC 7643, RFC 7644): the company's directory keeps people and groups here up to date."""

from waystation.identity.scim.endpoints import ScimEndpoints

__all__ = ["ScimEndpoints"]
