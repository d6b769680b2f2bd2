# /// script
# dependencies = ["starlette", "python-multipart"]
#
# [tool.bisect-asgi]
# package = "starlette"
# fixed-in = "0.13.5"
# source = "starlette issue 819"
# ///
"""Small uploaded files are handled in the event loop's own thread.

What breaks: every read and write of an uploaded file went through the thread pool, also while the file was
small and in memory, where a thread switch costs far more than the copy. For whom: services that take many
small uploads. Source: starlette issue 819, fixed by pull request 933.

How it is told apart: the temporary file that starlette puts the upload into records the threads that write
to it and read from it.

What was measured on CPython 3.11 and 3.8: good, the main thread alone; bad, a thread of the pool. History:
bad from 0.7.2 at the latest to 0.13.4, good since 0.13.5. The claim is confirmed.
"""

import asyncio
import tempfile
import threading

threads = set()


class RecordingFile(tempfile.SpooledTemporaryFile):
    def write(self, *args):
        threads.add(threading.current_thread())
        return super().write(*args)

    def read(self, *args):
        threads.add(threading.current_thread())
        return super().read(*args)


tempfile.SpooledTemporaryFile = RecordingFile  # before starlette takes its own name for it

from starlette.requests import Request  # noqa: E402

BODY = (
    b"--edge\r\n"
    b'Content-Disposition: form-data; name="upload"; filename="small.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\n"
    b"a few bytes\r\n"
    b"--edge--\r\n"
)
SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/",
    "query_string": b"",
    "headers": [(b"content-type", b"multipart/form-data; boundary=edge")],
}


async def receive():
    return {"type": "http.request", "body": BODY, "more_body": False}


async def upload():
    form = await Request(SCOPE, receive).form()
    return await form["upload"].read()


content = asyncio.new_event_loop().run_until_complete(upload())
assert content == b"a few bytes", content
assert threads, "the upload did not go through a temporary file"
assert threads == {threading.main_thread()}, "a small upload was handled in the thread pool"
