"""The segmentation network of S4C (arXiv 2004.02021, Fig. 1)."""
