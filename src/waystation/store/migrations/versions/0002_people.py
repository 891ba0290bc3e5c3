"""People from the company's directory: where each comes from, groups, federation, provisioners."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("source", sa.String(16), nullable=False, server_default="local"))
    op.add_column("users", sa.Column("subject", sa.String(640)))
    op.add_column("users", sa.Column("external_id", sa.String(320)))
    op.add_column("users", sa.Column("profile", sa.Text, nullable=False, server_default="{}"))
    op.add_column("users", sa.Column("own_groups", sa.Text))
    op.add_column("users", sa.Column("updated_at", sa.BigInteger))
    op.add_column("users", sa.Column("deleted_at", sa.BigInteger))
    op.create_index("ix_users_subject", "users", ["subject"], unique=True)
    op.create_index("ix_users_external_id", "users", ["external_id"])
    op.create_table(
        "directory_groups",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("external_id", sa.String(320)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_directory_groups"),
        sa.UniqueConstraint("name", name="uq_directory_groups_name"),
    )
    op.create_table(
        "directory_members",
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id", name="pk_directory_members"),
        sa.ForeignKeyConstraint(
            ["group_id"], ["directory_groups.id"], name="fk_directory_members_group_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_directory_members_user_id"),
    )
    op.create_index("ix_directory_members_user_id", "directory_members", ["user_id"])
    op.create_table(
        "provisioners",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_provisioners"),
        sa.UniqueConstraint("digest", name="uq_provisioners_digest"),
    )
    op.create_table(
        "federations",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("audience", sa.String(320), nullable=False),
        sa.Column("subject", sa.String(512), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_federations"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_federations_user_id"),
    )
    op.create_index("ix_federations_issuer", "federations", ["issuer"])
    op.create_table(
        "seen_tokens",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_seen_tokens"),
    )
    op.create_index("ix_seen_tokens_expires_at", "seen_tokens", ["expires_at"])
