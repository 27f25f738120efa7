"""The order of the work: what can begin, what is to be left out, in a time that grows with the edges of the graph."""

import heapq
from collections.abc import Sequence

from pnetkit.store.node import Node


class Order:
    """Give nodes one after the other, each when all that it builds on is finished, in the order they were given.

    What is not among the nodes is taken as finished: it is a result of an earlier run, or the node fails in words.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.by_key = {node.key: node for node in nodes}
        self._place = {key: place for place, key in enumerate(self.by_key)}
        self._missing = {key: len(node.needs & self.by_key.keys()) for key, node in self.by_key.items()}
        self._after: dict[str, list[str]] = {}
        for key, node in self.by_key.items():
            for need in node.needs & self.by_key.keys():
                self._after.setdefault(need, []).append(key)
        self._ready = [place for key, place in self._place.items() if not self._missing[key]]  # a heap: in order
        self._keys = list(self.by_key)
        self._settled: set[str] = set()
        self._skipped: set[str] = set()

    @property
    def nodes(self) -> Sequence[Node]:
        """Give all of them, one for each key."""
        return list(self.by_key.values())

    @property
    def skipped(self) -> frozenset[str]:
        """Name what cannot be made, because something that it builds on failed."""
        return frozenset(self._skipped)

    def require_all_settled(self) -> None:
        """Raise RuntimeError where nodes are neither finished, nor failed, nor left out, and the work would end."""
        left = [node.label for key, node in self.by_key.items() if key not in self._settled]
        if left:
            raise RuntimeError(f"{len(left)} nodes were forgotten, such as {left[:3]}. This is a fault of pnetkit.")

    def next(self) -> Node | None:
        """Give the first node that can begin, and was not given before; None where none can now."""
        while self._ready:
            key = self._keys[heapq.heappop(self._ready)]
            if key not in self._settled:
                return self.by_key[key]
        return None

    def finish(self, key: str) -> None:
        """Note that a result is there, given before or not."""
        if key in self._settled:
            return
        self._settled.add(key)
        for later in self._after.get(key, ()):
            self._missing[later] -= 1
            if not self._missing[later]:
                heapq.heappush(self._ready, self._place[later])

    def fail(self, key: str) -> None:
        """Note that a result cannot be made, and with it what builds on it."""
        self._settled.add(key)
        open_keys = [key]
        while open_keys:
            for later in self._after.get(open_keys.pop(), ()):
                if later not in self._settled:
                    self._settled.add(later)
                    self._skipped.add(later)
                    open_keys.append(later)
