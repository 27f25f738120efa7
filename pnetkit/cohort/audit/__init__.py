"""Look for what the labels and images of public sets are known to get wrong."""
