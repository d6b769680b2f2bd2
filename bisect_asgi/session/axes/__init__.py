"""Axes: each turns a question into an ordered list of candidates, of which one thing varies."""
