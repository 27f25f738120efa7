"""Locks of a folder that processes share, on one machine or on several, chosen by its file system."""
