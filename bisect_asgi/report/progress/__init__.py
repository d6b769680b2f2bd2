"""Sinks that show progress while events come in."""
