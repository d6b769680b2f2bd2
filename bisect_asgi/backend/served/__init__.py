"""Served probes: an app under the environment's uvicorn, driven from outside with the tool's Python."""
