"""Threads for units that wait: for a database, for locks, for the disk.

One thread that runs whatever is ready is faster than ten that fight for the interpreter, so more of them work only
while something has waited for longer than the patience allows. Handing a unit over and its result back takes a few
microseconds; an executor's futures take several times that.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

Job = tuple[Callable[..., Any], asyncio.Future[Any]]
Wake = SimpleQueue[bool]


class Threads:
    """Runs units for an event loop, in at most so many threads; they are made when first needed."""

    def __init__(self, most: int, *, patience_s: float) -> None:
        """With a patience of 0 every unit has a thread at once, as long as there are any."""
        self._most = most
        self._patience = patience_s
        self._jobs: deque[Job] = deque()
        self._done: deque[tuple[asyncio.Future[Any], Any]] = deque()
        self._threads: list[tuple[threading.Thread, Wake]] = []
        self._resting: deque[Wake] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = False  # whether the loop knows that there are results
        self._watch: asyncio.TimerHandle | None = None
        self._beginning = False
        self._left = 0

    def run(self, fn: Callable[..., Any]) -> asyncio.Future[Any]:
        """The result of a unit; raises what it raises."""
        self._loop = loop = asyncio.get_running_loop()
        job: Job = (fn, loop.create_future())
        self._jobs.append(job)
        self._left += 1
        if not self._patience:
            self._call()
            return job[1]
        if not self._beginning:
            self._beginning = True
            loop.call_soon(self._begin)  # whatever else is ready in this turn of the loop comes along
        if self._watch is None:
            self._watch = loop.call_later(self._patience, self._look, job)
        return job[1]

    def _begin(self) -> None:
        self._beginning = False
        if self._jobs and len(self._resting) == len(self._threads):
            self._call()

    def _look(self, seen: Job | None) -> None:
        """Hands out what is done beside something slow; calls another thread if the next one still is the next one."""
        self._watch = None
        self._settle()
        if self._left and self._loop is not None:
            try:
                first: Job | None = self._jobs[0]
            except IndexError:
                first = None
            if first is not None and first is seen:
                self._call()
            self._watch = self._loop.call_later(self._patience, self._look, first)

    def _call(self) -> None:
        """Wakes a thread that rests, or makes one."""
        try:
            self._resting.pop().put(True)
        except IndexError:
            if len(self._threads) < self._most:
                wake: Wake = SimpleQueue()
                thread = threading.Thread(target=self._work, args=(wake,), name="unit", daemon=True)
                self._threads.append((thread, wake))
                thread.start()

    def _work(self, wake: Wake) -> None:
        """A thread: works as long as there is something, then rests until it is woken, or told to end by False."""
        while True:
            while self._jobs:
                try:
                    unit, future = self._jobs.popleft()
                except IndexError:  # another thread was faster
                    break
                try:
                    result = unit()
                except Exception as error:
                    result = error
                self._done.append((future, result))
                # Told once for all that was ready: each time costs a turn of the loop and a fight for the interpreter.
                if not self._jobs or not self._patience:
                    self._tell()
            if self._done:  # another thread took what this one left the telling to
                self._tell()
            self._resting.append(wake)
            if (
                self._jobs
            ):  # it came after the last look and before the rest, when nobody would have woken this one
                try:
                    self._resting.remove(wake)
                    continue
                except ValueError:  # somebody has, meanwhile
                    pass
            if not wake.get():
                return

    def _tell(self) -> None:
        assert self._loop is not None
        if self._told:
            return
        self._told = True
        try:
            self._loop.call_soon_threadsafe(self._settle)
        except RuntimeError:  # the loop has ended; nobody waits any more
            self._done.clear()

    def _settle(self) -> None:
        """In the loop: hands out the results that are there."""
        self._told = False
        while self._done:
            settle(*self._done.popleft())
            self._left -= 1

    def close(self) -> None:
        """Lets the threads finish what they have, and ends them."""
        if self._watch is not None:
            self._watch.cancel()
        for _, wake in self._threads:
            wake.put(False)
        for thread, _ in self._threads:
            thread.join()
        self._threads.clear()
        self._resting.clear()


def settle(future: asyncio.Future[Any], result: Any) -> None:
    """Hands a waiting request its result; one that has gone away is passed over."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
