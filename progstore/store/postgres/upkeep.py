"""How large a store is on its server, and which server that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from progstore.store.tables import metadata

_SIZES: Final = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname = ANY(%s)
"""


def size(connection: Connection) -> int:
    """Bytes of the tables with their indexes."""
    return int(connection.exec_driver_sql(_SIZES, (list(metadata.tables),)).scalar_one())


def facts(name: str, connection: Connection, *, integrity: bool) -> Mapping[str, Any]:
    """Where the store is, its size and the server's version.

    The server sees to it that its files are sound; that our tables can be read is all that is added here.
    """
    found: dict[str, Any] = {"path": name, "size": size(connection)}
    if integrity:
        found["integrity"] = "ok"
    found["postgresql"] = str(connection.exec_driver_sql("SHOW server_version").scalar_one())
    return found
