"""What the tests with real parts share."""

import pytest

from tests.serve.hospital import left_sockets


@pytest.fixture(autouse=True)
def swept():
    """Sweep up after each test: associations that a service turns away, or that are cut off, leave sockets."""
    with left_sockets():
        yield
