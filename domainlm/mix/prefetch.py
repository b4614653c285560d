"""Batches are read ahead on a thread of their own: training waits for data only where reading is slower than it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")

_PATIENCE_S = 0.1


def ahead(items: Iterator[Item], depth: int) -> Iterator[Item]:
    """`items`, at most `depth` of them read before they are asked for; an error is raised where its item would come.

    The thread ends with the iterator, also where that is closed before its end.
    """
    ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(depth)
    closed = threading.Event()

    def put(item: Item | None, error: BaseException | None) -> bool:
        while not closed.is_set():
            try:
                ready.put((item, error), timeout=_PATIENCE_S)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for item in items:
                if not put(item, None):
                    return
        except BaseException as error:  # to be raised where it is waited for
            put(None, error)
        else:
            put(None, StopIteration())

    thread = threading.Thread(target=read, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            assert item is not None
            yield item
    finally:
        closed.set()
        thread.join()
