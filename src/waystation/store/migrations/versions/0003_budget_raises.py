"""Temporary raises of budgets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budget_raises",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("budget", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(320), nullable=False),
        sa.Column("amount_nano", sa.BigInteger, nullable=False),
        sa.Column("approver", sa.String(320), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_budget_raises"),
    )
    op.create_index("ix_budget_raises_until", "budget_raises", ["until"])
