"""Releases: which are candidates, what can be installed of them, and what differs between two."""
