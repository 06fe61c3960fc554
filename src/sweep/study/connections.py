"""Connections to a PostgreSQL server that are kept only while they are used, unless it has plenty.

A worker trains for minutes between two things that it has to say, and a server has few connections: the default is
100 for everybody. A new connection costs both sides some milliseconds, and the server as many again for what it
learns anew of its tables: so where less than half of the connections are taken, one is kept from one sign of life to
the next.
"""

import os
import threading
import time
import weakref
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry, Pool

IDLE_S = 0.25  # then a connection is closed: less than it takes to open 50 of them, more than between two statements
IDLE_WITH_ROOM_S = 60.0  # the same where the server has connections enough
# What pg_stat_activity counts, without its names of users and databases, which the server would look up for each.
HAS_ROOM = "SELECT count(*) < current_setting('max_connections')::int / 2 FROM pg_stat_get_backend_idset()"
MAY_REST_S = "sweep: seconds"  # in the `info` of a connection: how long it may be idle
KEPT = "sweep: kept"  # in the `info` of a connection that is not to be closed, such as one that holds a lock


class BriefConnections(Pool):
    """As many connections as threads use at the same time, each closed when it has been idle for a moment.

    A thread gets the one that it had last, if it can, and what it has put a lock on is nobody else's."""

    def __init__(self, creator: Any, **options: Any) -> None:
        super().__init__(creator, **options)
        self._idle: dict[int, tuple[float, ConnectionPoolEntry]] = {}
        self._guard = threading.Lock()
        if "_dispatch" not in options:  # else it listens to what the pool did that it is a copy of
            event.listen(self, "connect", _ask_for_rest)

    def _do_get(self) -> ConnectionPoolEntry:
        own = threading.get_ident()
        with self._guard:
            free = (thread for thread, (_, record) in self._idle.items() if not record.info.get(KEPT))
            chosen = own if own in self._idle else next(free, None)
            kept = None if chosen is None else self._idle.pop(chosen)
        return self._create_connection() if kept is None else kept[1]

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        with self._guard:
            former = self._idle.pop(threading.get_ident(), None)
            self._idle[threading.get_ident()] = time.monotonic(), record
        if former is not None:  # this thread used two at a time
            former[1].close()
        _closer.watch(self)

    def close_idle(self) -> None:
        """Close what has been idle for as long as it may be."""
        now = time.monotonic()
        with self._guard:
            idle = [
                thread
                for thread, (since, record) in self._idle.items()
                # One that broke has no say, until it is connected anew.
                if now - since >= record.info.get(MAY_REST_S, IDLE_S) and not record.info.get(KEPT)
            ]
            closed = [self._idle.pop(thread)[1] for thread in idle]
        for record in closed:
            record.close()

    def dispose(self) -> None:
        """Close all that nobody uses."""
        with self._guard:
            closed, self._idle = self._idle, {}
        for _, record in closed.values():
            record.close()

    def leave(self) -> None:
        """Forget all that nobody uses, which belongs to the process that this one is a copy of."""
        self._guard = threading.Lock()
        self._idle = {}

    def recreate(self) -> "BriefConnections":
        """A new one like this."""
        return BriefConnections(
            self._creator,
            recycle=self._recycle,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            pre_ping=self._pre_ping,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    @property
    def is_empty(self) -> bool:
        """Whether no connection is idle."""
        with self._guard:
            return not self._idle

    def status(self) -> str:
        """How many are idle, for whoever debugs."""
        return f"{len(self._idle)} idle connections"


def _ask_for_rest(connection: Any, record: ConnectionPoolEntry) -> None:
    """Learn of the server how long a connection may be idle that has just been made, or made anew."""
    connection.autocommit = True  # once to the server and back, not three times
    with connection.cursor() as cursor:
        has_room = bool(cursor.execute(HAS_ROOM).fetchone()[0])
    connection.autocommit = False
    record.info[MAY_REST_S] = IDLE_WITH_ROOM_S if has_room else IDLE_S


class _Closer:
    """Closes idle connections from one thread for the whole process, which ends when there are none."""

    def __init__(self) -> None:
        self._pools: weakref.WeakSet[BriefConnections] = weakref.WeakSet()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        """A forked process has neither the thread nor connections of its own: two that use one get each other's
        answers."""
        for pool in self._pools:
            pool.leave()
        self._pools = weakref.WeakSet()
        self._guard = threading.Lock()
        self._thread = None

    def watch(self, pool: BriefConnections) -> None:
        with self._guard:
            self._pools.add(pool)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="idle connections", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(IDLE_S / 2)
            with self._guard:
                pools = list(self._pools)
            for pool in pools:
                pool.close_idle()
            with self._guard:
                for pool in pools:
                    if pool.is_empty:  # it is watched again when it gets a connection back
                        self._pools.discard(pool)
                if not self._pools:
                    self._thread = None
                    return


_closer = _Closer()
