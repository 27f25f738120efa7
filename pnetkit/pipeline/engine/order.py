"""The order of the work: what can begin, what is to be left out, in a time that grows with the edges of the graph."""

import heapq
from collections.abc import Callable, Hashable, Sequence

from pnetkit.store.node import Node


def _one_queue(_: Node) -> Hashable:
    return None


def _no_company(_: Node) -> bool:
    return False


class Order:
    """Give nodes one after the other, each when all that it builds on is finished, in the order they were given.

    What is not among the nodes is taken as finished: it is a result of an earlier run, or the node fails in words.
    Nodes wait in a queue for each kind of lane (`queue_of`), so that those of one need not wait for room in another.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        queue_of: Callable[[Node], Hashable] = _one_queue,
        is_small: Callable[[Node], bool] = _no_company,
    ) -> None:
        self.by_key = {node.key: node for node in nodes}
        self._queue_of, self._is_small = queue_of, is_small
        self._place = {key: place for place, key in enumerate(self.by_key)}
        self._missing = {key: len(node.needs & self.by_key.keys()) for key, node in self.by_key.items()}
        self._after: dict[str, list[str]] = {}
        for key, node in self.by_key.items():
            for need in node.needs & self.by_key.keys():
                self._after.setdefault(need, []).append(key)
        self._keys = list(self.by_key)
        self._ready: dict[Hashable, list[int]] = {}  # heaps of places: in order
        self._given: set[str] = set()
        self._settled: set[str] = set()
        self._skipped: set[str] = set()
        for key, missing in self._missing.items():
            if not missing:
                self._make_ready(key)

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

    def next(self, has_room: Callable[[Node], bool] = lambda _: True) -> tuple[Node, ...]:
        """Give what can begin, for which there is room, and was not given before; empty where nothing can now.

        It is one node, or small ones of one subject that follow each other, each after what it builds on. Of each queue
        the first is asked about: what needs much room is not passed by what needs less.
        """
        heads = [queue[0] for queue in self._ready.values() if self._has_head(queue)]
        for place in sorted(heads):
            node = self.by_key[self._keys[place]]
            if has_room(node):
                heapq.heappop(self._ready[self._queue_of(node)])
                return self._with_company(node)
        return ()

    def give_back(self, key: str) -> None:
        """Take back a node that was given and not tried: it is given again when it can begin."""
        if key in self._given and key not in self._settled:
            self._given.discard(key)
            if not self._missing[key]:
                self._make_ready(key)

    def finish(self, key: str) -> None:
        """Note that a result is there, given before or not."""
        if key in self._settled:
            return
        self._settled.add(key)
        for later in self._after.get(key, ()):
            self._missing[later] -= 1
            if not self._missing[later] and later not in self._given:
                self._make_ready(later)

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

    def _make_ready(self, key: str) -> None:
        heapq.heappush(self._ready.setdefault(self._queue_of(self.by_key[key]), []), self._place[key])

    def _has_head(self, queue: list[int]) -> bool:
        """Drop what was settled or given meanwhile from the head of a queue; tell whether anything is left."""
        while queue and (self._keys[queue[0]] in self._settled or self._keys[queue[0]] in self._given):
            heapq.heappop(queue)
        return bool(queue)

    def _with_company(self, first: Node) -> tuple[Node, ...]:
        """Give a node, and where it is small all small ones of its subject that can follow it in one task."""
        company = {first.key: first}
        open_keys = [first.key] if self._is_small(first) else []
        for key in open_keys:
            for later in self._after.get(key, ()):
                node = self.by_key[later]
                has_all = self._missing[later] == len(node.needs & company.keys())
                is_open = has_all and later not in company and later not in self._settled
                if is_open and node.subject == first.subject and self._is_small(node):
                    company[later] = node
                    open_keys.append(later)
        self._given |= company.keys()
        return tuple(company.values())
