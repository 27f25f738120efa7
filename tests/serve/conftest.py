"""What the tests of services share."""

import socketserver

import pytest


@pytest.fixture(autouse=True)
def stopped_soon(monkeypatch):
    """Let each server look every 20 ms, not every half second, whether it is to stop: many are started and stopped."""
    monkeypatch.setattr(socketserver.BaseServer.serve_forever, "__defaults__", (0.02,))
