"""Begin a plugin: a complete distribution with a working minimal implementation, which passes the conformance kit."""

from pnetkit.scaffold.write import Scaffold, write_plugin

__all__ = ["Scaffold", "write_plugin"]
