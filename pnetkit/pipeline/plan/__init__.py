"""Lay a run out before anything is made: its cases and folds, and the graph of what builds on what."""
