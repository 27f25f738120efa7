"""What a stage needs of a machine while one of its results is made."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Needs:
    """Say how many cores a stage computes on, and which share of one GPU it takes where the run has GPUs.

    A `gpu` of 1 is a whole one, with nothing beside it; one of .5 admits a second such task. 0 is a stage that never
    begins to use a GPU in its process. One that `spreads` runs on several devices where the run says how many. Nothing
    here is in a key: what comes out is the same wherever it is made.
    """

    cores: int = 1
    gpu: float = 0.0
    spreads: bool = False

    @property
    def is_for_gpu(self) -> bool:
        """Tell whether a GPU is used where there is one."""
        return self.gpu > 0


CPU = Needs()
"""What checks, prepares, cleans, decides and measures."""

WHOLE_GPU = Needs(gpu=1.0, spreads=True)
"""What trains: it keeps a GPU busy, and fills its memory."""

HALF_GPU = Needs(gpu=0.5)
"""What asks a network about a scan: while it reads and writes, another one can use the GPU."""
