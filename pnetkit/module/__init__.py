"""Be a step in somebody else's pipeline: a folder in, a folder out, and an end that says how it went."""
