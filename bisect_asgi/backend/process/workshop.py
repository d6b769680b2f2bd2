"""Run uv where it may build: under a supervisor, confined as runs are, with a time limit.

Building a source distribution runs its code. uv is confined together with the build, and has a separate
cache, which calls share only if the caller says so. So a build can change neither the user's cache nor
another build. uv reads its configuration, which may contain credentials, from a FIFO that is removed once it
is read. Variables with the name or the password of a user are not passed on, and the home is an empty
directory.

If nothing has to be built, uv may be *alone* instead. It has the user's cache, home and variables then, but
the kernel refuses to start processes for it. So uv cannot build, even if it needs to.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bisect_asgi.backend.files import locked_if_free, remove
from bisect_asgi.backend.process.helper import Completed
from bisect_asgi.backend.process.run import run_supervised
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Confinement
from bisect_asgi.core.plan import Building
from bisect_asgi.core.text import without_credentials

_LOCK = "lock"
_LEFT_OUT = re.compile(r"(?i)USERNAME|PASSWORD|TOKEN|SECRET|KEYRING|NETRC|^XDG_")
_POLL_S = 0.01
_KEPT_CHARS = 2**20
"""The number of characters that are kept from the end of the standard error."""
# The supervisor gives a command one stream for both outputs, and no input, so a shell redirects two of them.
_SHELL = 'exec "$@" <"$0/stdin" >"$0/stdout"'


class BuildTimedOut(subprocess.TimeoutExpired):
    """uv took too long, and what it had started was still there."""


class Workshop:
    """Where one command runs uv if something may have to be built; safe for threads.

    Args:
        folder: boxes are made below it, and removed with the workshop.
        sandbox: confines uv.
        building: how long one call may take, and how it is confined.
    """

    def __init__(self, folder: Path, sandbox: Sandbox, building: Building) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._confinement = Confinement(level=building.level)
        self.timeout_s = building.timeout_s
        self._guard = threading.Lock()
        self._held = ExitStack()
        self._root: Path | None = None

    @contextmanager
    def bench(self) -> Iterator[Path]:
        """Yield a new directory, for what one build writes, and for uv's cache that nothing else shares."""
        folder = Path(tempfile.mkdtemp(prefix="bench-", dir=self._opened()))
        try:
            yield folder
        finally:
            remove(folder)

    def cache(self, name: str) -> Path:
        """Return the directory of a cache of uv that calls of this command with this name share."""
        folder = self._opened() / f"cache-{name}"
        folder.mkdir(exist_ok=True)
        return folder

    def run(
        self,
        argv: Sequence[str],
        *,
        config: str,
        environ: Mapping[str, str],
        token: CancelToken,
        stdin: str,
        on_stderr: Callable[[str], None],
        keeps: Sequence[int] = (),
        writable: Sequence[Path] = (),
        cache: Path | None = None,
    ) -> Completed:
        """Run uv to its end, where it may build.

        Args:
            config: the content of its configuration file.
            environ: its variables, of which some are left out.
            on_stderr: is given each line of its standard error.
            keeps: descriptors that stay open until uv and all that it started have ended.
            writable: directories in which it may write, besides its cache.
            cache: its cache; None for one that is removed after this call.

        Raises:
            BuildTimedOut: it took too long, and had started a build.
            subprocess.TimeoutExpired: it took too long.
            NoResult, Cancelled, OSError: as `run_supervised`.
        """
        with _box(self._opened()) as box:
            place = cache or box / "cache"
            # uv cannot show this user's certificate without reading it.
            needed = [Path(path) for path in (environ.get("SSL_CLIENT_CERT"),) if path]
            try:
                return self._run(
                    box,
                    argv,
                    config=config,
                    environ=self._environ(environ, place, box),
                    confine=self._sandbox.rules(self._confinement, box, place, *writable, readable=needed),
                    timeout_s=self.timeout_s,
                    token=token,
                    stdin=stdin,
                    on_stderr=on_stderr,
                    keeps=keeps,
                )
            except OSError:
                self._sandbox.doubt()
                raise

    def run_alone(
        self,
        argv: Sequence[str],
        *,
        config: str,
        environ: Mapping[str, str],
        token: CancelToken,
        stdin: str,
        on_stderr: Callable[[str], None],
        timeout_s: float,
    ) -> Completed:
        """Run uv to its end, where it can start no process; see `run`.

        Raises:
            OSError: this machine cannot keep it from starting processes, or uv cannot be started.
            subprocess.TimeoutExpired, NoResult, Cancelled: as `run`.
        """
        from bisect_asgi.backend.process.sandbox_calls import ALONE  # most commands build nothing

        with _box(self._opened()) as box:
            return self._run(
                box,
                argv,
                config=config,
                environ=environ,
                confine={"level": ALONE, "protected": []},
                timeout_s=timeout_s,
                token=token,
                stdin=stdin,
                on_stderr=on_stderr,
                keeps=(),
            )

    def _run(
        self,
        box: Path,
        argv: Sequence[str],
        *,
        config: str,
        environ: Mapping[str, str],
        confine: Mapping[str, object] | None,
        timeout_s: float,
        token: CancelToken,
        stdin: str,
        on_stderr: Callable[[str], None],
        keeps: Sequence[int],
    ) -> Completed:
        lines: list[str] = []

        def output(text: str) -> None:
            lines.append(text)
            for line in text.splitlines():
                on_stderr(line)

        with _handed_over(box / "config.toml", config) as path:
            (box / "stdin").write_text(stdin)
            run = run_supervised(
                ["/bin/sh", "-c", _SHELL, str(box), *argv, "--config-file", str(path)],
                cwd=box,
                report=box,
                environ=environ,
                timeout_s=timeout_s,
                token=token,
                confine=confine,
                on_output=output,
                keeps=keeps,
                is_helper=True,
            )
        if run.exit_code is None:
            # uv prints "Building" only when it makes a wheel, not when it gets the requirements of the build.
            # So the number of processes shows whether a build had started.
            raise (BuildTimedOut if run.processes > 1 else subprocess.TimeoutExpired)(argv, timeout_s)
        stdout = (box / "stdout").read_text(errors="replace")
        return Completed(exit_code=run.exit_code, stdout=stdout, stderr="".join(lines)[-_KEPT_CHARS:])

    def _environ(self, environ: Mapping[str, str], cache: Path, box: Path) -> dict[str, str]:
        # A proxy's variable loses its password, which uv has in its configuration.
        kept = {
            name: without_credentials(value) if name.lower().endswith("_proxy") else value
            for name, value in environ.items()
            if not _LEFT_OUT.search(name)
        }
        own = {"HOME": box / "home", "TMPDIR": box / "tmp", "UV_CACHE_DIR": cache}
        tools = {}
        with suppress(RuntimeError):  # rustup finds its toolchains by the home, which is empty here
            tools = {"RUSTUP_HOME": os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup")}
        return {**kept, **tools, **{name: str(path) for name, path in own.items()}, "UV_LINK_MODE": "copy"}

    def _opened(self) -> Path:
        """Return the directory of this workshop, which is made at the first call."""
        with self._guard:
            if self._root is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                for left in self._folder.iterdir():  # left by a tool that was killed
                    with locked_if_free(left / _LOCK) as free:
                        if free:
                            remove(left)
                self._root = Path(tempfile.mkdtemp(dir=self._folder))
                self._held.enter_context(locked_if_free(self._root / _LOCK))
                weakref.finalize(self, remove, self._root)
            return self._root


@contextmanager
def _box(root: Path) -> Iterator[Path]:
    """Yield a new directory for one call of uv."""
    box = Path(tempfile.mkdtemp(prefix="box-", dir=root))
    try:
        for name in ("home", "tmp", "cache"):
            (box / name).mkdir()
        yield box
    finally:
        remove(box)


@contextmanager
def _handed_over(path: Path, content: str) -> Iterator[Path]:
    """Yield the path of a FIFO that gives its content to its first reader, and is gone then."""
    os.mkfifo(path, 0o600)

    def hand_over() -> None:
        with suppress(OSError), path.open("w") as writer:  # waits for the reader
            path.unlink()
            writer.write(content)

    thread = threading.Thread(target=hand_over, name="configuration", daemon=True)
    thread.start()
    try:
        yield path
    finally:
        while thread.is_alive():  # uv has not read it, so read it here; the thread may not have opened it yet
            with suppress(OSError):
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            thread.join(_POLL_S)
