"""Pages about a command while it runs: the report as far as it is known, and where the command is.

Sinks take in the events, in any thread. The pages are asked for in one thread, the server's: `page` returns a
whole page, `progress` what stands above it and changes every second. To make a page takes time that trials
could use, so it is made anew only if something new is in it, and after a pause.
"""
