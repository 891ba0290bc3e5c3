"""What an operator can set when starting the gateway; everything else is policy."""

from pathlib import Path

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """Start-up settings. Paths are made if they do not exist."""

    data: Path
    """Everything the gateway keeps: control state, keys, journal, lake."""
    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes any free port; DATA/gateway.json then tells which."""
    base_url: str = ""
    """The URL by which tools and browsers reach the gateway; by default made from host and port."""
    policy: Path | None = None
    """A policy file to apply at start (kept in git, say); without it the last applied one is in force."""
    database: str = ""
    """SQLAlchemy URL of the control state; SQLite in the data folder by default."""
    node: str = "node-1"
    """Name of this process's journal; unique among gateways that share a lake."""
    lake_interval: float = 30.0
    """Seconds between two drains of the journal into the lake."""
    discovery_interval: float = 6 * 3600.0
    """Seconds between two looks at which models the providers list; 0 for never."""
    drain_timeout: int = 600
    """Seconds that streams in flight get to finish after SIGTERM."""
    plain_asgi: bool = False
    """Serve the relay as plain ASGI instead of by our protocol class (slower; a fallback)."""
    log_level: str = "info"
    log_json: bool = True
    valkey: str = ""
    """Address of a Valkey or Redis server through which gateways share limits and budgets: `redis://host:6379/0`."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    @property
    def journal_dir(self) -> Path:
        return self.data / "journal" / self.node

    @property
    def events_dir(self) -> Path:
        return self.data / "limit-events" / self.node

    @property
    def events_lake_dir(self) -> Path:
        return self.data / "lake" / "limit_events"

    @property
    def lake_dir(self) -> Path:
        return self.data / "lake" / "requests"
