"""The page of a finished run: what its folder, its store and its images hold, made into the values of a page."""
