"""What a run leaves behind: one row a case, fused and counted, its files, and what is made of a finished run."""
