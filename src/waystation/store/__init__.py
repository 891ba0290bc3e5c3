"""Control state: people, sign-ins, codes, keys, policies, audit. SQLite by default, PostgreSQL by URL.

`open_store` migrates what it opens. Every repository method is one transaction and blocks for the database
(call it from a worker thread inside async code); `Store.transaction()` makes several calls one transaction.
Neither the database nor its backups hold anything that can be used to sign in.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from waystation.store import schema
from waystation.store.audit import AuditChecked, AuditEvent, AuditLog
from waystation.store.clock import Clock
from waystation.store.codes import Code, Codes, CodeState, Purpose
from waystation.store.database import Database, EngineDatabase, JoinedDatabase, connect
from waystation.store.directory import Directory, DirectoryGroup
from waystation.store.errors import DriverMissing, SchemaTooNew, SealError, StoreError, StoreUnreachable
from waystation.store.facts import Facts
from waystation.store.keys import SigningKey, SigningKeys
from waystation.store.machines import Federation, Federations, Provisioner, Provisioners
from waystation.store.migrate import migrate
from waystation.store.people import NameTaken, User, Users, new_id
from waystation.store.policies import PolicyRepository, StoredPolicy, VersionConflict
from waystation.store.raises import BudgetRaise, BudgetRaises
from waystation.store.revocations import Revocation, RevocationKind, Revocations
from waystation.store.seal import MasterKey, load_master_key
from waystation.store.sessions import RefreshToken, Session, Sessions

__all__ = [
    "AuditChecked",
    "AuditEvent",
    "AuditLog",
    "BudgetRaise",
    "BudgetRaises",
    "Clock",
    "Code",
    "CodeState",
    "Codes",
    "Directory",
    "DirectoryGroup",
    "DriverMissing",
    "Facts",
    "Federation",
    "Federations",
    "MasterKey",
    "NameTaken",
    "PolicyRepository",
    "Provisioner",
    "Provisioners",
    "Purpose",
    "RefreshToken",
    "Revocation",
    "RevocationKind",
    "Revocations",
    "SchemaTooNew",
    "SealError",
    "Session",
    "Sessions",
    "SigningKey",
    "SigningKeys",
    "Store",
    "StoreError",
    "StoreUnreachable",
    "StoredPolicy",
    "User",
    "Users",
    "VersionConflict",
    "new_id",
    "open_store",
]


class Store:
    """One repository a noun, over one database."""

    def __init__(self, database: Database, master: MasterKey, now: Clock) -> None:
        self._database = database
        self._now = now
        self.master = master
        self.users = Users(database)
        self.sessions = Sessions(database)
        self.codes = Codes(database)
        self.facts = Facts(database)
        self.keys = SigningKeys(database, master)
        self.policies = PolicyRepository(database, now, master)
        self.audit = AuditLog(database, now, master)
        self.revocations = Revocations(database)
        self.directory = Directory(database)
        self.provisioners = Provisioners(database)
        self.federations = Federations(database)
        self.raises = BudgetRaises(database, now, master)

    @contextmanager
    def transaction(self) -> Iterator["Store"]:
        """A store whose calls all happen, or none: commits at the end of the block, undone if it raises."""
        with self._database.write() as connection:
            yield Store(JoinedDatabase(connection), self.master, self._now)

    def changes(self) -> int:
        """Grows with every revocation, policy version and signing key; never goes back.

        One primary-key look-up: cheap enough to ask twice a second.
        """
        table = schema.counters
        with self._database.read() as connection:
            return int(
                connection.execute(select(table.c.value).where(table.c.name == "changes")).scalar_one()
            )

    def close(self) -> None:
        if isinstance(self._database, EngineDatabase):
            self._database.engine.dispose()


def open_store(data: Path, url: str | None = None, *, now: Clock = time.time) -> Store:
    """Opens, and if need be creates or migrates, the control state.

    `data` holds the key file and, without a `url`, the SQLite database; it is made with mode 0700. `url` is a
    SQLAlchemy URL, e.g. `postgresql://user@host/waystation` (needs the `postgres` extra). Raises StoreError
    (SchemaTooNew, SealError, DriverMissing, StoreUnreachable) with a sentence that says what to do.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    master = load_master_key(data)
    engine = connect(data, url)
    try:
        migrate(engine)
    except OperationalError as error:
        raise StoreUnreachable(f"The database does not answer: {error.orig}") from None
    store = Store(EngineDatabase(engine), master, now)
    store.audit.chain()
    return store
