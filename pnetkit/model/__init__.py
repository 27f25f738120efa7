"""The model folder: what it holds, its digests, its card. It is made of a run, and read wherever it travels."""
