"""The tables of the control state, as SQLAlchemy Core sees them.

Times are whole Unix seconds unless the name ends in `_us` (microseconds). Nothing here is usable as a
credential if the database leaks: bearer values are kept as digests, private keys sealed (`store.seal`).
The tables are made by the migrations; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

HEAD = "0004"
"""The newest migration. A database that says so is opened without loading Alembic."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(320), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("groups", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("cost_center", String(200), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("source", String(16), nullable=False, server_default="local"),
    Column("subject", String(640)),
    Column("external_id", String(320)),
    Column("profile", Text, nullable=False, server_default="{}"),
    Column("own_groups", Text),
    Column("updated_at", BigInteger),
    Column("deleted_at", BigInteger),
    Index("ix_users_subject", "subject", unique=True),
    Index("ix_users_external_id", "external_id"),
)

directory_groups = Table(
    "directory_groups",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("external_id", String(320)),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

directory_members = Table(
    "directory_members",
    metadata,
    Column("group_id", String(64), ForeignKey("directory_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.id"), primary_key=True, index=True),
)

provisioners = Table(
    "provisioners",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("label", String(200), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

federations = Table(
    "federations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.id"), nullable=False),
    Column("issuer", String(512), nullable=False, index=True),
    Column("audience", String(320), nullable=False),
    Column("subject", String(512), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("network", String(16), nullable=False, server_default="public"),
)

seen_tokens = Table(
    "seen_tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.id"), nullable=False, index=True),
    Column("client", String(64), nullable=False),
    Column("device", String(200), nullable=False),
    Column("address", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("idle_seconds", Integer, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("revoked_because", String(200)),
    Column("cookie_digest", LargeBinary(32), unique=True),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("session_id", String(64), ForeignKey("sessions.id"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("spent_at", BigInteger),
)

codes = Table(
    "codes",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("purpose", String(32), nullable=False),
    Column("short_digest", LargeBinary(32), unique=True),
    Column("user_id", String(64), ForeignKey("users.id")),
    Column("state", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("polled_at", BigInteger),
    Column("interval_seconds", Integer, nullable=False),
    Column("used_at", BigInteger),
    Column("session_id", String(64)),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sealed_private_key", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("signs_from", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
)

policies = Table(
    "policies",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("who", String(320), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", String(320), nullable=False),
    Column("actor_name", String(320), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(320), nullable=False),
    Column("address", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous_hash", LargeBinary(32)),
    Column("hash", LargeBinary(32)),
    Index("ix_audit_events_at_us", "at_us"),
)

revocations = Table(
    "revocations",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
)

budget_raises = Table(
    "budget_raises",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("budget", String(64), nullable=False),
    Column("owner", String(320), nullable=False),
    Column("amount_nano", BigInteger, nullable=False),
    Column("approver", String(320), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False, index=True),
    Column("withdrawn_at", BigInteger),
)
