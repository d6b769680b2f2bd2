"""Reach the network as the user's uv does: indexes, credentials, proxies and certificates."""
