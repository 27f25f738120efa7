"""Reporting checklists filled in with what a run's files say: values in, Markdown out."""
