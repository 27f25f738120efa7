"""What each stage is asked to make, how that is drafted, made and read: one module a stage."""
