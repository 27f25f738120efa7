"""Cohorts: the table of cases, its checks, its folds, and phantoms to try everything on."""
