"""Rules that make one finding of the findings of several phases."""
