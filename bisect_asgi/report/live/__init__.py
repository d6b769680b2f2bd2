"""Pages about a command while it runs: the report so far, and the command's progress.

Sinks receive the events, in any thread. One thread, the server's, requests the pages: `page` returns a whole
page, `progress` the part above it, which changes every second. Making a page takes processor time from
trials. So a page is made again only if its content has changed, and after a pause.
"""
