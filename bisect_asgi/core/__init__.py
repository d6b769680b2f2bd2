"""The functional core: values and pure decisions. It imports only itself, does no I/O and reads no clock."""
