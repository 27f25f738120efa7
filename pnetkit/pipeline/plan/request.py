"""What a user asks a run for."""

from dataclasses import dataclass
from pathlib import Path

from pnetkit.cohort.checked import OnBadCase
from pnetkit.cohort.predictions import Predictions
from pnetkit.locks.way import Asked
from pnetkit.pipeline.engine.machine import Gpus, Machine, choose_machine
from pnetkit.recipe.check import LoadedRecipe
from pnetkit.store.code_change import Policy


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Say what to run, on what, and where to put it.

    A `table` of None stands for the recipe's phantoms; `predictions` stand in for networks. `device`, `gpus`,
    `workers`, `gpu_workers` and `per_training` are those of `choose_machine`. `ram_bytes` (of all processes together)
    and `vram_bytes` (of each GPU) are limits, None for none. With `verify_files` every file of the cohort is read
    again, also those that did not change since they were checked. `store_locks` says how processes that share the
    store exclude each other; `engine` is `processes`, or names a Dask cluster. `report` asks for the page at the end.
    With `raises` the first error of a stage ends the run as it is; the stages have to be in this process, `workers` 0.
    """

    loaded: LoadedRecipe
    table: Path | None
    store_root: Path
    out: Path | None
    device: str = "auto"
    gpus: Gpus | None = None
    workers: int | None = None
    gpu_workers: int | None = None
    per_training: int = 1
    predictions: Predictions | None = None
    on_bad_case: OnBadCase = "stop"
    on_code_change: Policy = "rebuild"
    ram_bytes: int | None = None
    vram_bytes: int | None = None
    verify_files: bool = False
    store_locks: Asked = "auto"
    report: bool = True
    engine: str = "processes"
    raises: bool = False

    def machine(self) -> Machine:
        """Choose what is used of this machine. Raises PnetkitError where that is not there."""
        return choose_machine(
            self.device,
            gpus=self.gpus,
            workers=self.workers,
            gpu_workers=self.gpu_workers,
            per_training=self.per_training,
        )
