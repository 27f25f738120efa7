"""Measure: overlap, rates with intervals, ROC, and what a run comes to."""
