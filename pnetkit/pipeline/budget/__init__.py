"""Say before a run what it takes: memory of worker and GPU, time, disk; and fit it into what there is."""
