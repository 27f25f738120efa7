"""Trained models on tomorrow's patient: export them from a run, load them elsewhere, screen scans with them."""
