from tests.identity_fixture import client, home, store
from tests.store_fixture import (
    clock,
    data,
    database_url,
    empty_database_url,
    migrated,
    postgres,
    postgres_template,
    reopen,
)

__all__ = [
    "client",
    "clock",
    "data",
    "database_url",
    "empty_database_url",
    "home",
    "migrated",
    "postgres",
    "postgres_template",
    "reopen",
    "store",
]
