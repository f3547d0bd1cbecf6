"""How large a store is on its server, and which server that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from progstore.store.tables import is_on, metadata

SAMPLE: Final = 1000
"""Rows, the newest, whose mean length is taken for all."""
ROW_BYTES: Final = 28
"""What the server puts before each row."""
INDEX_BYTES: Final = 50
"""What a row takes in one index, about."""

_SIZES: Final = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname = ANY(%s)
"""


def size(connection: Connection) -> int:
    """Bytes of the tables with their indexes."""
    return int(connection.exec_driver_sql(_SIZES, (list(metadata.tables),)).scalar_one())


def used(connection: Connection) -> int:
    """Bytes that the rows take which are there, with their part of the indexes: an estimate.

    The size will not do, for a table that lost rows stays as large as it was and is filled again: whoever cleans up
    until that is small enough would not stop before nothing is left.

    All rows are counted: the transaction has no limit of time from here on.
    """
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    total = 0
    for table in metadata.sorted_tables:
        newest = f"SELECT * FROM {table.name} ORDER BY {next(iter(table.primary_key)).name} DESC LIMIT {SAMPLE}"
        row = connection.exec_driver_sql(
            f"SELECT (SELECT count(*) FROM {table.name}), (SELECT coalesce(avg(pg_column_size(r.*)), 0)::float8"
            f" FROM ({newest}) AS r)"
        ).one()
        indexes = 1 + sum(is_on(connection.dialect.name, index) for index in table.indexes)
        total += int(row[0] * (row[1] + ROW_BYTES + INDEX_BYTES * indexes))
    return total


def facts(name: str, connection: Connection, *, integrity: bool) -> Mapping[str, Any]:
    """Where the store is, its size and the server's version.

    The server sees to it that its files are sound; that our tables can be read is all that is added here.
    """
    found: dict[str, Any] = {"path": name, "size": size(connection)}
    if integrity:
        found["integrity"] = "ok"
    found["postgresql"] = str(connection.exec_driver_sql("SHOW server_version").scalar_one())
    return found
