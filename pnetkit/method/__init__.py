"""A recipe made executable on values in memory: it knows plugins and arrays, no folder of results and no stage."""
