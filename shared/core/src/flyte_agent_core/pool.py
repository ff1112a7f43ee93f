"""Vendor clients, made once per credential and endpoint and then shared."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class Pool:
    """
    A bounded map from key to client, safe to use from any thread.

    A key is made once, however many ask at the same time; a factory that fails leaves nothing
    behind. The client used longest ago is dropped when there are more than ``size``; calls on it
    end undisturbed.
    """

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()

    def get(self, key: Hashable, factory: Callable[[], T]) -> T:
        """Return the client of ``key``, made by ``factory`` if there is none yet."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > self._size:
                self._slots.popitem(last=False)
        value: T = slot.value(factory)
        return value

    def find(self, key: Hashable) -> Any:
        """Return the client of ``key``, ``None`` if it is not made yet; never waits for that."""
        with self._lock:
            slot = self._slots.get(key)
            if slot is None or not slot.made:
                return None
            self._slots.move_to_end(key)
        return slot.made[0]

    def discard(self, key: Hashable) -> None:
        """Forget the client of ``key``, such as one whose credential was replaced."""
        with self._lock:
            self._slots.pop(key, None)

    def __len__(self) -> int:
        return len(self._slots)


class _Slot:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.made: list[Any] = []

    def value(self, factory: Callable[[], Any]) -> Any:
        with self._lock:
            if not self.made:
                self.made.append(factory())
            return self.made[0]
