"""Work that a second process shares with this one.

A forked process has Python's interpreter lock to itself; where forking is not safe, a thread does
the work. Either has its own connections and closes them at the end.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from typing import Generic, TypeVar

from django.db import connections

from fixturepipe.databases import forks
from fixturepipe.databases.endpoints import SOURCE, connection_to
from fixturepipe.errors import FixturepipeError

Task = TypeVar("Task", bound=Hashable)
Result = TypeVar("Result")

_AHEAD = 2  # tasks that the second process has: it never waits for the next


class SharedTasks(Generic[Task, Result]):
    """Tasks that the executor takes from the first on, and this thread from the last on.

    A task is handed over only when it is to be done next, so that none has to be cancelled: if
    the process dies while its executor holds a cancelled task, the results of the others never
    come (Python 3.11).
    """

    def __init__(
        self, executor: Executor, do: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> None:
        self._executor = executor
        self._do = do
        self._left = deque(tasks)
        self._lock = threading.Lock()
        self._handed_over: dict[Task, Future[Result]] = {}
        for _ in range(_AHEAD):
            self._hand_over()

    def __iter__(self) -> Iterator[Task]:
        """The tasks to be done here, until none is left."""
        while True:
            with self._lock:
                if not self._left:
                    return
                task = self._left.pop()
            yield task

    def result(self, task: Task) -> Result:
        """What became of a task that was handed over. Raises BrokenExecutor, or as the task."""
        return self._handed_over[task].result()

    def _hand_over(self) -> None:
        with self._lock:
            if not self._left:
                return
            task = self._left.popleft()
            try:
                future = self._executor.submit(self._do, task)
            except RuntimeError as error:  # it is broken, or shut down
                future = Future()
                future.set_exception(error)
            self._handed_over[task] = future
        future.add_done_callback(self._go_on)

    def _go_on(self, done: Future[Result]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._hand_over()


@contextmanager
def second_process(begin: Callable[[], None]) -> Iterator[Executor]:
    """Gives an executor of one process, which calls `begin` first.

    Raises FixturepipeError if the process dies.
    """
    pool: Executor
    if forks.start_method() == "fork":
        connection_to(SOURCE).close()  # SQLite's locks do not survive a fork
        context = multiprocessing.get_context("fork")
        pool = ProcessPoolExecutor(1, context, initializer=_begin_fork, initargs=(begin,))
    else:
        pool = ThreadPoolExecutor(1, initializer=begin)
    try:
        yield pool
        pool.submit(_close_connections).result()
    except BrokenExecutor as error:
        raise FixturepipeError(
            f"The second process of check died: {error}", hint="Run the same command again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_fork(begin: Callable[[], None]) -> None:
    forks.begin()
    begin()


def _close_connections() -> None:
    connections.close_all()
