"""The schema's history: one revision after the other, each written out and never changed again.

`progstore db upgrade` runs them; so does `alembic -c <this folder>/alembic.ini upgrade head`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

FOLDER = os.path.dirname(os.path.abspath(__file__))
"""Where the revisions are."""


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the store on the other end of `connection` up to `revision`, within the caller's transaction."""
    from alembic import command

    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


def config() -> Config:
    """Alembic's settings for these revisions."""
    from alembic.config import Config

    return Config(os.path.join(FOLDER, "alembic.ini"))
