"""Go on after a failure when everything has been made: what can still be told is told, and what failed is named."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pnetkit.errors import PnetkitError, StoreError
from pnetkit.pipeline.engine.schedule import Failure

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempts:
    """Hold what failed after the last stage, by what was attempted."""

    failed: dict[str, Failure] = field(default_factory=dict)

    def of(self, what: str, make: Callable[[], T], otherwise: T) -> T:
        """Give what `make` gives, or `otherwise` where it fails; the failure is kept.

        Raises StoreError: where the disk takes no more, nothing can be told.
        """
        try:
            return make()
        except StoreError:
            raise
        except PnetkitError as error:
            self.failed[what] = Failure(str(error))
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything; what was computed is written all the same
            self.note(what, error)
        return otherwise

    def note(self, what: str, error: Exception) -> None:
        """Keep an unexpected failure with its traceback."""
        self.failed[what] = Failure(
            f"{type(error).__name__}: {error} (unexpected)", "".join(traceback.format_exception(error))
        )
