"""Opening the control state: who may read it, what it becomes, what it refuses."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from tests.store_fixture import OpenStore
from waystation import store as store_room
from waystation.store import DriverMissing, SchemaTooNew, SealError, StoreUnreachable, open_store, schema
from waystation.store.database import EngineDatabase, connect


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_can_read_what_it_creates(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        opened = open_store(tmp_path / "data")
        opened.users.add("ada@example.com", at=1)
    finally:
        os.umask(before)
    assert _mode(tmp_path / "data") == 0o700
    modes = {path.name: _mode(path) for path in (tmp_path / "data").iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert {"control.db", "master.key"} <= set(modes)
    opened.close()


def test_what_was_written_is_there_after_reopening(reopen: OpenStore) -> None:
    user = reopen().users.add("ada@example.com", at=5)
    assert reopen().users.get(user.id) == user


def test_migrations_make_exactly_the_schema(tmp_path: Path, empty_database_url: str | None) -> None:
    open_store(tmp_path, empty_database_url).close()
    engine = connect(tmp_path, empty_database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    engine.dispose()


def test_head_names_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store_room.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_many_processes_can_open_a_new_store_at_once(tmp_path: Path, empty_database_url: str | None) -> None:
    def open_it(_: int) -> bytes:
        opened = open_store(tmp_path / "data", empty_database_url)
        opened.changes()
        opened.close()
        return opened.master.derive("x")

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(open_it, range(6)))) == 1, "all must end up with one master key"


def test_a_database_of_a_newer_release_is_left_alone(tmp_path: Path, empty_database_url: str | None) -> None:
    opened = open_store(tmp_path / "data", empty_database_url)
    assert isinstance(opened._database, EngineDatabase)
    with opened._database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    opened.close()
    with pytest.raises(SchemaTooNew, match="9999"):
        open_store(tmp_path / "data", empty_database_url)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path / "data").close()
    (tmp_path / "data" / "master.key").chmod(0o640)
    with pytest.raises(SealError, match="chmod 600"):
        open_store(tmp_path / "data")


def test_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path / "data").close()
    (tmp_path / "data" / "master.key").write_bytes(b"short")
    with pytest.raises(SealError, match="32 bytes"):
        open_store(tmp_path / "data")


def test_a_missing_driver_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DriverMissing, match="`postgres` extra"):
        open_store(tmp_path, "postgresql://someone:canary@db.example/waystation")


def test_a_database_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreUnreachable, match="does not answer") as raised:
        open_store(tmp_path, f"postgresql://someone:canary@/waystation?host={tmp_path}")
    assert "canary" not in str(raised.value)


def test_a_transaction_happens_whole_or_not_at_all(reopen: OpenStore) -> None:
    opened = reopen()

    def half_way() -> None:
        with opened.transaction() as tx:
            tx.users.add("ada@example.com", at=1)
            tx.audit.append("user.added", actor="operator")
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        half_way()
    assert opened.users.all() == []
    assert opened.audit.since() == []
