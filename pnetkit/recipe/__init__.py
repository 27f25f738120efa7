"""Recipes: pure data that name one plugin for each job, composed, checked, and filled in."""
