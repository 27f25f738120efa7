"""The command line: parse, call, print. Only here are click and rich imported."""
