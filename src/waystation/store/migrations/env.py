"""Run by Alembic for `store.migrate`, on a connection that is already in a transaction."""

from alembic import context

from waystation.store import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
