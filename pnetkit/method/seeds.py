"""Derive seeds, so that no two trainings share their random numbers."""

import hashlib
import json


def derived_seed(seed: int, *parts: object) -> int:
    """Derive a seed for one training from a recipe's seed and what is trained."""
    return int.from_bytes(_hashed(seed, *parts)[:6], "big")


def plugin_seed(seed: int, *parts: object) -> int:
    """Derive the seed that a plugin is given for one fitting: below 2^32, as NumPy and scikit-learn take no larger."""
    return int.from_bytes(_hashed(seed, *parts)[:4], "big")


def _hashed(seed: int, *parts: object) -> bytes:
    return hashlib.sha256(json.dumps([seed, *parts]).encode()).digest()
