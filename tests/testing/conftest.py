"""What the tests of the conformance kit share."""

from tests.one_registry import one_registry

__all__ = ["one_registry"]
