"""Rules, and a regression, that make one finding of the findings of several phases."""
