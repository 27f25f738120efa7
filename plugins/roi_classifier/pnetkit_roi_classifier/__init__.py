"""The classification network on the pancreas region (arXiv 2004.02021, Fig. 2)."""
