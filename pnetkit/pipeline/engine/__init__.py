"""Make what a graph asks for: workers, the order of the work, one piece of work in a worker."""
