"""Whether a federated issuer may be on the company's own network."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("federations", sa.Column("network", sa.String(16), nullable=False, server_default="public"))
