"""The door: parse, call, print, exit code. It computes nothing."""
