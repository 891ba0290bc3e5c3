"""What a gateway says of itself to the command line beside it, e.g. its address. Never a secret."""

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from waystation.store import schema
from waystation.store.database import Database


class Facts:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        table = schema.facts
        with self._database.read() as connection:
            found = connection.execute(select(table.c.value).where(table.c.name == name)).one_or_none()
        return None if found is None else str(found.value)

    def put(self, name: str, value: str) -> None:
        """The last one to say it wins. A transaction of its own."""
        if self.get(name) == value or self._replace(name, value):
            return
        try:
            with self._database.write() as connection:
                connection.execute(insert(schema.facts).values(name=name, value=value))
        except IntegrityError:  # another process was first by a hair
            self._replace(name, value)

    def _replace(self, name: str, value: str) -> bool:
        table = schema.facts
        with self._database.write() as connection:
            return (
                connection.execute(update(table).where(table.c.name == name).values(value=value)).rowcount
                == 1
            )
