"""What a task is given beside its node: where results are, which device to use, how many threads."""

from dataclasses import dataclass
from pathlib import Path

from pnetkit.store.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """Say where and on what a task runs. Nothing here changes a result.

    `threads` is the number of CPU threads of each worker; it is fixed per run because the last bit of a sum depends on
    how it is split. `gpu_bytes` is what a worker may take of a GPU's memory, None for all of it.
    """

    store_root: Path
    device: str
    threads: int
    gpu_bytes: int | None = None

    @property
    def store(self) -> Store:
        """Give the store."""
        return Store(self.store_root)
