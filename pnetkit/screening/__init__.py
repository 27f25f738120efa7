"""Trained models on tomorrow's patient: take the scans in, hold them to gates, screen them, write findings."""
