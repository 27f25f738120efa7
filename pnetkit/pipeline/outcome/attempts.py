"""Go on after a failure when everything has been made: what can still be told is told, and what failed is named."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pnetkit.errors import StoreError
from pnetkit.pipeline.engine.failure import Failure, failure_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempts:
    """Hold what failed after the last stage, by what was attempted. With `raises` errors pass through as they are."""

    failed: dict[str, Failure] = field(default_factory=dict)
    raises: bool = False

    def of(self, what: str, make: Callable[[], T], otherwise: T) -> T:
        """Give what `make` gives, or `otherwise` where it fails; the failure is kept.

        Raises StoreError: where the disk takes no more, nothing can be told.
        """
        try:
            return make()
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything; what was computed is written all the same
            self.note(what, error)
        return otherwise

    def note(self, what: str, error: Exception) -> None:
        """Keep a failure in words, an unexpected one with its traceback. With `raises`, raises the error."""
        if self.raises:
            raise error
        self.failed[what] = failure_of(error)
