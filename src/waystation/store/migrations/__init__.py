"""Alembic's home. A new migration is written by hand; `store.schema.HEAD` names the newest."""
