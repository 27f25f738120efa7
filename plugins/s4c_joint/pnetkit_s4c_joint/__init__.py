"""S4C and a lesion score, trained together (what arXiv 2004.02021 names as future work)."""
