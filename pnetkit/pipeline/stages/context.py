"""What a task is given beside its nodes: where results are, which device to use, how many threads."""

from dataclasses import dataclass, replace
from pathlib import Path

from pnetkit.store.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """Say where and on what a task runs. Nothing here changes a result.

    `threads` is the number of CPU threads of each worker; it is fixed per run because the last bit of a sum depends on
    how it is split. `gpu_bytes` is what a task may take of a GPU's memory, None for all of it. A GPU that `is_shared`
    is used by other processes of the run too. What spreads over several devices runs on those of `helpers` too, one
    process on each. With `raises` an error of a stage passes through as it is, in place of being put into words.
    """

    store_root: Path
    device: str
    threads: int
    gpu_bytes: int | None = None
    is_shared: bool = False
    helpers: tuple[str, ...] = ()
    raises: bool = False

    @property
    def store(self) -> Store:
        """Give the store."""
        return Store(self.store_root)

    def on(self, device: str, *, share: float, is_shared: bool, helpers: tuple[str, ...] = ()) -> "Context":
        """Give what a task gets that runs on one device, with a share of the memory that may be taken of it."""
        limit = None if self.gpu_bytes is None else int(self.gpu_bytes * share)
        return replace(self, device=device, gpu_bytes=limit, is_shared=is_shared, helpers=helpers)
