"""The database: one SQLite connection on one thread of its own.

Law:
1.  Work is a function of the connection; it runs on the thread, in the order it was asked for, and never commits.
2.  A write is acknowledged when it is on the disk (WAL, `synchronous=FULL`). Writes that wait together are committed
    together, each in a savepoint: one that fails undoes only itself.
3.  Everything that can go wrong with a disk is a typed error. A database that could not be opened is tried again by the
    next call, so that a disk with room again needs no restart.
4.  A database in memory has no thread: nothing there can make anybody wait.
5.  A database of a newer version, or a damaged one, is never written to.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from llm_sidecar import log
from llm_sidecar.errors import SidecarError
from llm_sidecar.storage.opening import about_file, connect, is_our_fault, storage_error

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

FILE_NAME: Final = "llm-sidecar.sqlite3"
_MOST_IN_ONE_COMMIT: Final = 200
_START_SECONDS: Final = 5.0
"""How long the start waits for a disk."""


class _Item:
    """Work that waits for the thread."""

    __slots__ = ("is_write", "result", "value", "work")

    def __init__(self, work: Work[Any], is_write: bool) -> None:
        self.work = work
        self.is_write = is_write
        self.result: Future[Any] = Future()
        self.value: Any = None


class Database:
    """Used from one thread (the event loop's); `folder` None keeps it in memory."""

    def __init__(self, folder: str | None) -> None:
        self._path = None if folder is None else os.path.join(folder, FILE_NAME)
        self._connection: sqlite3.Connection | None = None
        self._items: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="database", daemon=True)
        self._is_closed = False
        self.problem: SidecarError | None = None
        """Why it could not be opened, the last time that was tried."""

    @classmethod
    def open(cls, folder: str | None) -> Database:
        """Open it, and bring it to this version. Waits for the disk, and never raises: see `problem`."""
        database = cls(folder)
        if database._path is not None:
            database._thread.start()
        try:
            database.read_now(lambda _connection: None)
        except SidecarError as error:
            database.problem = error
            log.error("the database cannot be used", code=error.code, details=error.details)
        return database

    async def read(self, work: Work[T]) -> T:
        """What `work` returns. Raises `STORAGE_READ_ERROR`, `STORAGE_CORRUPT`, `STORAGE_NEWER`, or what it raises."""
        return await self._ask(work, is_write=False)

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, once what it wrote is on the disk. Raises `STORAGE_WRITE_ERROR` and as `read`. It is
        done even where nobody waits for it any more."""
        return await self._ask(work, is_write=True)

    def post(self, work: Work[Any], what: str) -> None:
        """As `write`, without waiting; a failure is logged as the failure to store `what`."""

        def told(result: Future[Any]) -> None:
            error = result.exception()
            if error is not None:
                code = error.code if isinstance(error, SidecarError) else type(error).__name__
                log.error("not stored", what=what, code=code)

        self._put(work, is_write=True).add_done_callback(told)

    def read_now(self, work: Work[T]) -> T:
        """As `read`, while everything waits: for the start."""
        answer: T = self._wait(self._put(work, is_write=False))
        return answer

    def write_now(self, work: Work[T]) -> T:
        """As `write`, while everything waits: for the start."""
        answer: T = self._wait(self._put(work, is_write=True))
        return answer

    async def aclose(self) -> None:
        """Return when everything asked for is done and the file is closed."""
        if not self._is_closed:
            self._is_closed = True
            if self._path is None:
                self._close()
            self._items.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    # --- the event loop's side ---

    def _put(self, work: Work[Any], *, is_write: bool) -> Future[Any]:
        item = _Item(work, is_write)
        if self._is_closed:
            item.result.set_exception(SidecarError("SHUTTING_DOWN", "The sidecar is stopping."))
        elif self._path is None:
            self._do([item])
        else:
            self._items.put(item)
        return item.result

    async def _ask(self, work: Work[T], *, is_write: bool) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def tell(result: Future[T]) -> None:
            if answer.done():
                return
            error = result.exception()
            if error is None:
                answer.set_result(result.result())
            else:
                answer.set_exception(error)

        def told(result: Future[T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, result)

        self._put(work, is_write=is_write).add_done_callback(told)
        return await answer

    def _wait(self, result: Future[Any]) -> Any:
        try:
            return result.result(_START_SECONDS)
        except TimeoutError:
            message = "The disk of the data folder does not answer."
            failure = SidecarError("STORAGE_READ_ERROR", message, details={"reason": "timeout"})
            raise about_file(failure, self._path) from None

    # --- the thread's side ---

    def _serve(self) -> None:
        waiting: _Item | None = self._items.get()
        while waiting is not None:
            group, waiting = self._take_group(waiting)
            self._do(group)
            waiting = waiting or self._items.get()
        self._close()

    def _take_group(self, first: _Item) -> tuple[list[_Item], _Item | None]:
        """A read, or the writes that wait; and what was taken with them and does not belong to them."""
        group = [first]
        while first.is_write and len(group) < _MOST_IN_ONE_COMMIT and not self._items.empty():
            item = self._items.get()
            if item is None:
                self._items.put(None)
                break
            if not item.is_write:
                return group, item
            group.append(item)
        return group, None

    def _do(self, group: list[_Item]) -> None:
        try:
            connection = self._connection = self._connection or connect(self._path)
        except SidecarError as error:
            self.problem = error = about_file(error, self._path)
            for item in group:
                item.result.set_exception(error if not item.is_write else _as_write_error(error))
        else:
            self.problem = None
            self._run(connection, group)

    def _run(self, connection: sqlite3.Connection, group: list[_Item]) -> None:
        if group[0].is_write:
            self._write(connection, group)
            return
        item = group[0]
        try:
            item.value = item.work(connection)
        except Exception as error:
            item.result.set_exception(self._translate(error, is_write=False))
        else:
            item.result.set_result(item.value)

    def _write(self, connection: sqlite3.Connection, group: list[_Item]) -> None:
        written: list[_Item] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for item in group:
                connection.execute("SAVEPOINT item")
                try:
                    item.value = item.work(connection)
                except Exception as error:
                    if not connection.in_transaction:
                        raise  # SQLite has undone everything: the disk is full, or broken
                    connection.execute("ROLLBACK TO item")
                    item.result.set_exception(self._translate(error, is_write=True))
                else:
                    written.append(item)
                connection.execute("RELEASE item")
            connection.execute("COMMIT")
        except Exception as error:
            failure = self._translate(error, is_write=True)
            if self._connection is not None and connection.in_transaction:
                connection.rollback()
            for item in group:
                if not item.result.done():
                    item.result.set_exception(failure)
        else:
            for item in written:
                item.result.set_result(item.value)

    def _translate(self, error: Exception, *, is_write: bool) -> Exception:
        if not isinstance(error, sqlite3.DatabaseError) or is_our_fault(error):
            return error
        failure = storage_error(error, is_write=is_write)
        if failure.details is not None and failure.details.get("reason") == "readOnly" and self._path is not None:
            self._close()  # the next call opens it again: it may be writable by then
        return about_file(failure, self._path)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _as_write_error(error: SidecarError) -> SidecarError:
    if error.code != "STORAGE_READ_ERROR":
        return error
    return SidecarError("STORAGE_WRITE_ERROR", error.message, details=error.details)
