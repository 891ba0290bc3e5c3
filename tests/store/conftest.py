from tests.store_fixture import (
    clock,
    data,
    database_url,
    empty_database_url,
    migrated,
    postgres,
    postgres_template,
    reopen,
    store,
)

__all__ = [
    "clock",
    "data",
    "database_url",
    "empty_database_url",
    "migrated",
    "postgres",
    "postgres_template",
    "reopen",
    "store",
]
