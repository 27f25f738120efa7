"""Tests of pnetkit.method.seeds: each fitting has its own, and a plugin's is one that NumPy and scikit-learn take."""

import hashlib

import numpy as np

from pnetkit.method.seeds import derived_seed, plugin_seed


def test_a_plugin_s_seed_is_four_bytes_of_the_digest_and_a_training_s_is_six_as_ever():
    digest = hashlib.sha256(b'[7, "fit", "venous", 0]').digest()
    assert plugin_seed(7, "fit", "venous", 0) == int.from_bytes(digest[:4], "big")
    assert derived_seed(7, "fit", "venous", 0) == int.from_bytes(digest[:6], "big")


def test_numpy_s_old_generator_which_scikit_learn_seeds_takes_every_seed_of_a_plugin():
    seeds = [plugin_seed(seed, "fit", "venous", fold) for seed in range(200) for fold in range(4)]
    assert len(set(seeds)) == len(seeds)
    assert max(derived_seed(seed, "fit", "venous", 0) for seed in range(200)) >= 2**32  # what they were given before
    for seed in seeds:
        np.random.RandomState(seed)
