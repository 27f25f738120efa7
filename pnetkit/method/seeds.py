"""Derive seeds, so that no two trainings share their random numbers."""

import hashlib
import json


def derived_seed(seed: int, *parts: object) -> int:
    """Derive a seed for one training or fitting from a recipe's seed and what is trained."""
    text = json.dumps([seed, *parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
