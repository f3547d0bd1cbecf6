"""Connections to a PostgreSQL server that notice when it, or the way to it, is gone, and that hold nothing for long."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.pool import NullPool, QueuePool

from progstore.errors import MissingExtra

INSTALL: Final = "PostgreSQL stores need psycopg: pip install 'progstore[postgres]'"
CONNECT_SECONDS: Final = 5
"""How long a connection may take to come about."""
LOCK_SECONDS: Final = 1.0
"""How long a writer waits for another; then it tries again at its next tick."""
WRITE_SECONDS: Final = 10.0
"""How long one statement of a writer may take."""
READ_SECONDS: Final = 60.0
"""How long one statement of a reader may take."""
IDLE_SECONDS: Final = 5.0
"""How long a stopped process may keep a transaction open, with what it has locked; then the server ends it."""
READER_POOL: Final = 4

_KEEPALIVES: Final = {"idle": 10, "interval": 5, "count": 3}
"""Seconds of silence, seconds between two probes, probes without an answer: from both ends, for a machine that lost its
power tells nobody.
"""


def writer_engine(url: URL, *, lock_seconds: float = LOCK_SECONDS) -> Engine:
    """An engine whose connections can write and are closed when they are given back. Raises MissingExtra."""
    return _engine(url, lock_seconds, WRITE_SECONDS, IDLE_SECONDS, poolclass=NullPool)


def reader_engine(url: URL) -> Engine:
    """An engine whose transactions cannot write and see all as it is at their first question. Raises MissingExtra."""
    engine = _engine(
        url,
        LOCK_SECONDS,
        READ_SECONDS,
        READ_SECONDS,
        poolclass=QueuePool,
        pool_size=READER_POOL,
        max_overflow=8,
        pool_pre_ping=True,
    )
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def looking_engine(url: URL) -> Engine:
    """An engine whose connections answer in autocommit, for one that is kept. Raises MissingExtra."""
    engine = _engine(url, LOCK_SECONDS, WRITE_SECONDS, IDLE_SECONDS, poolclass=NullPool)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def now(connection: Connection) -> float:
    """The time (seconds UTC) by the server's clock, not that of the transaction's begin."""
    return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())


def _engine(url: URL, lock: float, statement: float, idle: float, **pool: Any) -> Engine:
    limits = {"lock_timeout": lock, "statement_timeout": statement, "idle_in_transaction_session_timeout": idle}
    settings = {name: f"{int(seconds * 1000)}" for name, seconds in limits.items()}
    settings |= {f"tcp_keepalives_{name}": f"{number}" for name, number in _KEEPALIVES.items()}
    # What the URL itself says comes last, and counts.
    options = [f"-c {name}={value}" for name, value in settings.items()]
    options.append(str(url.query.get("options", "")))
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "progstore",
        "tcp_user_timeout": 20_000,
        **{f"keepalives_{name}": number for name, number in _KEEPALIVES.items()},
        **url.query,
        "options": " ".join(options).strip(),
    }
    try:
        return create_engine(url.set(query={}), connect_args=arguments, **pool)
    except ImportError as error:
        raise MissingExtra(INSTALL) from error
