"""Screening of abdominal CT for pancreatic neuroendocrine tumors, built from plugins. Research use only."""

__version__ = "0.1.0"
