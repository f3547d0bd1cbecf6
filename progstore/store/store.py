"""The face of the store: everything that may be asked of it or done to it, each one method."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from progstore import clean, config
from progstore.errors import BadFilter, BadValue, NotFound
from progstore.reports import CopyReport, IngestReport, PruneReport, QueryResult, VacuumReport, ViewInfo
from progstore.store.engine import locate
from progstore.store.filters import check_limit, is_id, read_cursor
from progstore.store.reader import Reader
from progstore.store.watch import Watch
from progstore.values import EventView, Filter, HistoryView, Page, SessionView, Status, TaskView

if TYPE_CHECKING:
    from progstore.store.ingest import Ingester

EXPORT_PAGE = 500
"""Tasks that an export reads at once."""


def open_store(url: str | None = None, *, stale_after: float = 0.0) -> Store:
    """The store at `url`: a path, `sqlite:///path`, `postgresql://…`, or None for the configured or default one.

    With `stale_after` seconds, running work that has not moved for longer is concluded to be stale; 0 is never.
    Nothing is created and nothing is migrated; the first question opens the file.
    Raises StoreError, with what to do, for a URL that cannot be used. Questions raise StoreNotFound, StoreDamaged,
    StoreTooNew, StoreBusy or StoreError where the file cannot be read.
    """
    return Store(url, stale_after=stale_after)


class Store:
    """A store that is read, and cleaned up. Safe to use from several threads; close it, or use it as a context
    manager. After `close` the next question opens it again.
    """

    url: str
    """The store's URL."""
    given_url: str | None
    """The URL as it was given, perhaps with a password: for handing on, never for showing. None is the default one."""
    name: str
    """What the store is called in messages: the path of its file, or its server and database."""
    notice: str
    """A word for the user about the choice of the place, or empty."""
    stale_after: float
    """Seconds after which running work that has not moved is concluded to be stale; 0 is never."""

    def __init__(self, url: str | None = None, *, stale_after: float = 0.0) -> None:
        if not 0 <= stale_after < math.inf:
            raise BadValue(f"stale_after is a number of seconds, or 0 for never; got {clean.shown(stale_after)}")
        location = locate(url)
        self.url = location.url
        self.given_url = _absolute(config.setting("store", url))
        self.name = location.name
        self.notice = location.notice
        self.stale_after = stale_after
        self._location = location
        self._reader = Reader(location)
        self._watch = Watch(location, stale_after)
        self._ingester: Ingester | None = None

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    def close(self) -> None:
        """Give the connections back."""
        self._reader.close()
        self._watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Reading

    def sessions(
        self, filter: Filter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> Page[SessionView]:
        """Sessions that match, newest first by (started_at, id), keyset-paged; their `tasks` are left empty.

        A text search goes by id and looks among 100,000 rows a page: its page may be short and still have a next one.
        Raises BadFilter.
        """
        from progstore.store import assemble, queries

        place, size = read_cursor(cursor), check_limit(limit)
        with self._reader.connection() as connection:
            found = queries.session_page(connection, filter or Filter(), place, size)
            return Page(assemble.Assembly(connection, self._watch).sessions(found.rows), found.next_cursor)

    def session(self, session_id: int | str, *, tasks: bool = True) -> SessionView:
        """One session with its tasks (root and nested, every attempt, in order of id), or without `tasks` with none of
        them; by integer id or uid.

        Raises NotFound.
        """
        from progstore.store import assemble, queries

        with self._reader.connection() as connection:
            known = isinstance(session_id, str) or is_id(session_id)
            row = queries.session_row(connection, session_id) if known else None
            if row is None:
                said = clean.shown(session_id)
                raise NotFound(f"there is no session {said} in {self.name}; `progstore ls` lists them")
            assembly = assemble.Assembly(connection, self._watch)
            return assembly.session(row) if tasks else assembly.sessions([row])[0]

    def tasks(
        self,
        filter: Filter | None = None,
        *,
        cursor: str | None = None,
        limit: int = 50,
        sort: str = "-started",
    ) -> Page[TaskView]:
        """Tasks that match, newest first by (started_at, id), keyset-paged; what has not begun comes last.

        A text search goes by id and looks among 100,000 rows a page: its page may be short and still have a next one.
        With another `sort`, of took, items, failed, rate or name, "-" before it for the largest first, the newest
        10,000 that match are put in that order. Raises BadFilter.
        """
        from progstore.store import assemble, queries, sorting

        size, wanted = check_limit(limit), filter or Filter()
        place = read_cursor(cursor) if sort == "-started" else None
        with self._reader.connection() as connection:
            if sort == "-started":
                rows, more = queries.task_page(connection, wanted, place, size)
            else:
                rows, more = sorting.sorted_page(connection, wanted, sort, cursor, size)
            return Page(assemble.Assembly(connection, self._watch).tasks(rows), more)

    def task(self, task_id: int) -> TaskView:
        """One task. Raises NotFound."""
        from progstore.store import assemble, queries

        with self._reader.connection() as connection:
            row = queries.task_row(connection, task_id) if is_id(task_id) else None
            if row is None:
                said = clean.shown(task_id)
                raise NotFound(f"there is no task {said} in {self.name}; `progstore show` lists a session's")
            return assemble.Assembly(connection, self._watch).tasks([row])[0]

    def events(
        self, *, session_id: int | None = None, task_id: int | None = None, after: int = 0, limit: int = 1000
    ) -> tuple[EventView, ...]:
        """Events with an id above `after`, in order of id, of all or of one session or task. Raises BadFilter."""
        from progstore.store import queries, rows

        for number in (session_id, task_id):
            if number is not None and not is_id(number):
                raise BadFilter(f"an id is a whole number from 1, got {clean.shown(number)}")
        if not is_id(after, least=0):
            raise BadFilter(f"after is the id of an event, or 0 for all, got {clean.shown(after)}")
        check_limit(limit)
        with self._reader.connection() as connection:
            found = queries.event_rows(connection, session_id, task_id, after, limit)
            return tuple(rows.event_view(row) for row in found)

    def history(self, session_name: str, name: str) -> HistoryView:
        """The figures over all runs of one task history. Raises NotFound where there is none."""
        from progstore.store import summaries

        with self._reader.connection() as connection:
            found = summaries.histories(connection, session_name, name)
        if not found:
            raise NotFound(f"no task {name!r} ran in a session {session_name!r} in {self.name}")
        return found[0]

    def names(
        self, session_name: str | None = None, *, limit: int | None = None, newest: int = 200
    ) -> tuple[HistoryView, ...]:
        """The figures of every history, or of a session name's, last started first.

        With a `limit` so many, over the `newest` runs of each: quick in a large store too. Raises BadFilter.
        """
        from progstore.store import summaries

        sizes = None if limit is None else (check_limit(limit), check_limit(newest))
        with self._reader.connection() as connection:
            return summaries.names(connection, session_name, sizes)

    def facets(self, filter: Filter | None = None, *, newest: int | None = None) -> Mapping[str, Mapping[str, int]]:
        """How many tasks match by status, session name and host, each most frequent first: {"status": {...},
        "session_name": {...}, "host": {...}}.

        Counted are the newest 100,000 that match, or the `newest` so many; without both all statuses. Raises BadFilter.
        """
        from progstore.store import summaries

        with self._reader.connection() as connection:
            return summaries.facets(connection, filter or Filter(), newest)

    def data_version(self) -> int:
        """A number that changes when any other connection has committed; costs microseconds."""
        return self._reader.data_version()

    def views(self) -> tuple[ViewInfo, ...]:
        """The documented views that `query` can ask, with what they hold and what their columns mean.

        Raises StoreNotFound where there is no store yet.
        """
        from progstore.store.views import documented

        with self._reader.connection() as connection:
            found = documented(connection.dialect.name)
        return tuple(
            ViewInfo(name, view.purpose, tuple((column.name, column.meaning) for column in view.columns))
            for name, view in found.items()
        )

    def query(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] = (), *, limit: int = 10_000, seconds: float = 10.0
    ) -> QueryResult:
        """The answer to one read-only SQL statement; blobs come as text. Values stand for ? or :name.

        Raises BadQuery with the database's message: it writes, is wrong, or runs too long.
        """
        from progstore.store import questions

        return questions.ask(self._reader, sql, params, limit=limit, seconds=seconds)

    def export(self, filter: Filter | None = None, *, format: Literal["ndjson", "csv"] = "ndjson") -> Iterator[str]:
        """All matching tasks with their session's name and host, in chunks of text, in the order in which they were
        first written. Raises BadFilter.
        """
        from progstore.store import export

        if format not in export.FORMATS:
            raise BadFilter(f"format is {' or '.join(export.FORMATS)}, got {clean.shown(format)}")
        pages = self._pages(filter or Filter())
        return export.FORMATS[format](pages)

    def _pages(self, wanted: Filter) -> Iterator[Sequence[TaskView]]:
        from progstore.store import assemble, queries

        after = 0
        while True:
            with self._reader.connection() as connection:
                rows = queries.tasks_after(connection, wanted, after, EXPORT_PAGE)
                page = assemble.Assembly(connection, self._watch).tasks(rows)
            if not rows:
                return
            yield page
            after = rows[-1].id

    # From other stores and machines

    def ingest(self, document: Mapping[str, Any], *, durable: bool = True, age: float = 0.0) -> IngestReport:
        """Write what is newer in `document` than here: rows as plain JSON, as another store's `copy` or a pusher on
        another machine sends them. The same document may come twice, or late, and changes nothing the second time.

        It is on disk when this returns, and with `durable` survives a power cut. `age` is how
        many seconds ago it began to arrive: the sender's clock is compared with that moment. A row that no store could
        hold is refused by itself. Raises BadValue for what is no document, StoreBusy, StoreError.
        """
        return self._ingesting().ingest(document, durable=durable, age=age)

    def copy(self, target: Store) -> CopyReport:
        """Write every session into `target`, with its tasks, events, metadata and processes; what is there already and
        as new stays as it is, so a copy may be repeated, and stores may be merged. Ids differ from store to store.

        Raises StoreNotFound, StoreBusy, StoreError.
        """
        from progstore.store import copying

        return copying.copy(self._reader, target.ingest)

    def _ingesting(self) -> Ingester:
        if self._ingester is None:
            from progstore.store.ingest import Ingester

            self._ingester = Ingester(self._reader)
        return self._ingester

    # Clean-up: never touches what runs, unless forced

    def delete(
        self,
        *,
        sessions: Iterable[int] = (),
        tasks: Iterable[int] = (),
        force: bool = False,
        dry_run: bool = False,
    ) -> PruneReport:
        """Remove these sessions and tasks with all that hangs on them, nested tasks too.

        Raises NotFound, StillRunning, StoreBusy while another clean-up is at it.
        """
        from progstore.store import clean_up

        return clean_up.delete(self._reader, self._watch, list(sessions), list(tasks), force=force, dry_run=dry_run)

    def prune(
        self,
        *,
        older_than: float | None = None,
        statuses: frozenset[Status] = frozenset(),
        name: str | None = None,
        keep_last: int | None = None,
        max_size: int | None = None,
        dry_run: bool = False,
    ) -> PruneReport:
        """Remove ended sessions that match all that is given: ended more than `older_than` seconds ago, of a status,
        of a session name; `keep_last` spares the newest N of each name. With `max_size` bytes only as many go, those
        that ended first, as must so that the store takes no more; what ended within the last hour is spared then, where
        no `older_than` is given. In chunks, so that no writer waits long.

        What lost its owner counts as ended when it last changed, and as an error. Raises BadValue where nothing is
        given, StoreBusy where another clean-up holds the maintenance lock.
        """
        from progstore.store import clean_up
        from progstore.store.retention import Rule

        rule = Rule(
            older_than=older_than,
            statuses=frozenset(statuses),
            name=name,
            keep_last=keep_last,
            max_size=max_size,
        )
        return clean_up.prune(self._reader, self._watch, rule, dry_run=dry_run)

    def vacuum(self) -> VacuumReport:
        """Give free pages back to the disk. Raises StoreBusy."""
        from progstore.store import clean_up

        return clean_up.vacuum(self._reader)

    # Asking work to stop

    def request_stop(self, session_id: int | str) -> None:
        """Ask a session, by integer id or uid, to stop: `task.stop_requested` becomes true in its processes within
        about a second, and loops tracked with `stoppable=True` end. What does not look at it goes on.

        Asking again changes nothing. Raises NotFound, AlreadyEnded, StoreBusy.
        """
        from progstore.store import stop_requests

        stop_requests.request(self._reader, self.session(session_id, tasks=False))

    def stop_requests(self, uids: Iterable[str]) -> frozenset[str]:
        """Of the sessions with these uids, those that were asked to stop."""
        from progstore.store import stop_requests

        with self._reader.connection() as connection:
            return stop_requests.requested(connection, uids)

    # The file itself

    def check(self, *, integrity: bool = True) -> Mapping[str, Any]:
        """Size, rows, versions, WAL size, writers, warnings counted; and `integrity`, which reads the whole file."""
        from progstore.store import maintenance

        return maintenance.check(self._reader, self._watch, integrity=integrity)

    def backup(self, target: str) -> int:
        """Copy the live store to a new file by SQLite's backup API; returns bytes.

        Raises StoreError where the file exists or cannot be made, and for PostgreSQL, which has a tool of its own.
        """
        return self._location.backup(self._reader, target)

    def settle(self) -> int:
        """Mark what lost its owner with `lost_at`, leaving the status alone; returns how many tasks."""
        from progstore.store import clean_up

        return clean_up.settle_now(self._reader, self._watch)


def _absolute(url: str | None) -> str | None:
    return url if url is None or "://" in url else os.path.abspath(os.path.expanduser(url))
