"""Brings a database to the schema of this release."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from waystation.store.errors import SchemaTooNew
from waystation.store.schema import HEAD

_ADVISORY_LOCK = 0x57415953  # "WAYS"; any fixed number will do


def migrate(engine: Engine) -> None:
    """Does nothing if the database is current. Several processes may call it at once: one does the work."""
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
    # Alembic takes as long to import as the rest of the gateway's start; only an upgrade pays for it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    with engine.begin() as connection:  # SQLite: BEGIN IMMEDIATE, so others wait here
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            if _revision(connection) is None:
                raise
            raise SchemaTooNew(
                f"The database is at schema {_revision(connection)}, which this version of Waystation does "
                "not know: a newer version has used it. Start that version, or restore a backup."
            ) from error


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])
