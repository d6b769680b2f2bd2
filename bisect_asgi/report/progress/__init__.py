"""Sinks: each is called with every event, and shows or keeps what it cares for."""
