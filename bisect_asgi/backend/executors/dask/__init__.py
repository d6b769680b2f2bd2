"""Calls that run on other machines; the one home of dask.distributed, imported when it is asked for."""
