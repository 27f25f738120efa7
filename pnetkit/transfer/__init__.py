"""Weights that were made elsewhere: read safely, described, and given to a network to start from."""
