"""One engine for SQLite or PostgreSQL, and transactions that mean the same on both.

Reads run in a deferred transaction. Writes take SQLite's write lock at BEGIN (`BEGIN IMMEDIATE`), so that a
transaction that first reads and then writes waits for its turn instead of failing half-way.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, create_engine, event, make_url, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from waystation.store import schema
from waystation.store.errors import DriverMissing, StoreUnreachable

_READ = "waystation_read"


class Database(Protocol):
    """Where a repository runs its statements."""

    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]:
        """Commits at the end of the block; rolls back if it raises."""
        ...


class EngineDatabase:
    """Each block is a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reader = engine.execution_options(**{_READ: True})

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with _told_if_away(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with _told_if_away(), self.engine.begin() as connection:
            yield connection


@contextmanager
def _told_if_away() -> Iterator[None]:
    """Raises StoreUnreachable for what the network or the server does; a mistake of ours stays as it is."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        if getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            raise  # SQLite's word for a statement that makes no sense
        raise StoreUnreachable("The database of the control state does not answer now.") from error


class JoinedDatabase:
    """Each block joins a transaction that is already open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        yield self._connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        yield self._connection


def connect(data: Path, url: str | None) -> Engine:
    """An engine on `url`, or on `data/control.db`. The file is readable by its owner only."""
    if url is None:
        path = data / "control.db"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        target = URL.create("sqlite", database=str(path))
    else:
        target = make_url(url)
        if target.drivername in {"postgres", "postgresql"}:
            target = target.set(drivername="postgresql+psycopg")
    if target.get_backend_name() != "sqlite":
        try:
            return create_engine(target, hide_parameters=True, pool_pre_ping=True)
        except ModuleNotFoundError as missing:
            raise DriverMissing(
                f"The driver for {target.get_backend_name()} is not installed ({missing.name}): "
                "install Waystation with its `postgres` extra."
            ) from None
    engine = create_engine(target, hide_parameters=True, connect_args={"timeout": 10})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(_READ, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def next_value(connection: Connection, counter: str) -> int:
    """The counter's next value. Its row stays locked until the transaction ends, so that values become
    visible in the order in which they were given: a reader that has seen n has missed nothing below n."""
    table = schema.counters
    statement = (
        update(table).where(table.c.name == counter).values(value=table.c.value + 1).returning(table.c.value)
    )
    return int(connection.execute(statement).scalar_one())
