"""Find the release of a package at which a reproduction script's answer changes."""

__version__ = "0.1.0"
