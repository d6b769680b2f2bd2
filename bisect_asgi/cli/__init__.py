"""The command line: parse arguments, call the library, print, and exit. No logic."""
