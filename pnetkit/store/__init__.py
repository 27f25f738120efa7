"""Results under the keys of all that went into them: where they lie, what they are called, which are needed."""
