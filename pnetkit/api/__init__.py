"""What notebooks and scripts use: a model that is asked, a run that is read. docs/python.md."""
