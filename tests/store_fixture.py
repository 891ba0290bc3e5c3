"""Stores for tests: SQLite always, PostgreSQL where its server programs and driver are installed."""

import glob
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from waystation.store import Store, open_store


class Clock:
    """A clock that only moves when told to."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.time = start

    def __call__(self) -> float:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of the administrative database of a server that lives as long as the test run."""
    if given := os.environ.get("WAYSTATION_TEST_POSTGRES"):
        yield given
        return
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [
        os.path.dirname(shutil.which("initdb") or "")
    ]
    if not os.path.exists(os.path.join(programs[-1], "initdb")) or not importlib.util.find_spec("psycopg"):
        pytest.skip("PostgreSQL's server programs or psycopg are not installed")
    with _server(programs[-1]) as url:
        yield url


@contextmanager
def _server(programs: str) -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="ws-pg-")
    user = None
    if os.geteuid() == 0:  # the server refuses to run as root
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("running as root and there is no user called postgres")
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = {"user": user, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    data = f"{folder}/data"
    subprocess.run(
        [f"{programs}/initdb", "-D", data, "-U", "waystation", "-A", "trust", "--no-sync"],
        check=True,
        **run,  # type: ignore[call-overload]  # one dictionary for two calls
    )
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c port={port} -c fsync=off"
    start = [f"{programs}/pg_ctl", "-D", data, "-w", "-o", options, "-l", f"{folder}/log", "start"]
    subprocess.run(start, check=True, **run)  # type: ignore[call-overload]
    try:
        yield f"postgresql://waystation@/postgres?host={folder}&port={port}"
    finally:
        subprocess.run([f"{programs}/pg_ctl", "-D", data, "-m", "immediate", "stop"], **run)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database to copy: migrating is most of what opening a new store costs."""
    folder = tmp_path_factory.mktemp("migrated")
    open_store(folder).close()
    return folder / "control.db"


@pytest.fixture
def data(tmp_path: Path, migrated: Path) -> Path:
    """A data folder whose database is migrated already."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copy(migrated, folder / "control.db")
    return folder


@pytest.fixture(scope="session")
def postgres_template(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a migrated, empty PostgreSQL database to copy."""
    name = f"template_{uuid.uuid4().hex}"
    url = _create_database(postgres, name)
    open_store(tmp_path_factory.mktemp("template"), url).close()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """None for SQLite in the data folder, or the URL of a migrated PostgreSQL database of its own."""
    if request.param == "sqlite":
        return None
    admin: str = request.getfixturevalue("postgres")
    return _create_database(admin, f"t_{uuid.uuid4().hex}", request.getfixturevalue("postgres_template"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str | None:
    """The same, before any migration."""
    if request.param == "sqlite":
        return None
    return _create_database(request.getfixturevalue("postgres"), f"t_{uuid.uuid4().hex}")


def _create_database(admin: str, name: str, template: str = "template1") -> str:
    import psycopg

    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return admin.replace("/postgres?", f"/{name}?", 1)


OpenStore = Callable[[], Store]


@pytest.fixture
def reopen(data: Path, database_url: str | None, clock: Clock) -> Iterator[OpenStore]:
    """Opens the same control state again, as another process would."""
    opened: list[Store] = []

    def open_it() -> Store:
        opened.append(open_store(data, database_url, now=clock))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(reopen: OpenStore) -> Store:
    return reopen()
