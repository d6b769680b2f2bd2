"""Confine runs on this machine: test which level the machine supports, and make the rules of each run.

The test is a run of its own, as short as a run of an empty probe. It is confined as a run would be, and tries
to write outside its box and inside. So a level is never assumed from the version of a kernel. `sandbox_kept`
defines when the test of an earlier command still holds.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from bisect_asgi.backend.background import in_background
from bisect_asgi.backend.process import sandbox_kept
from bisect_asgi.backend.process.run import run_supervised
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import NoResult, Unavailable, UsageError
from bisect_asgi.core.model import Confinement, SandboxLevel
from bisect_asgi.core.records import Struct

_TRIAL_S = 20.0
_HOME_SECRETS = (
    *(
        ".ssh",
        ".gnupg",
        ".netrc",
        ".pypirc",
        ".npmrc",
        ".git-credentials",
        ".aws",
        ".azure",
        ".docker",
        ".kube",
    ),
    *(".config/uv", ".config/pip", ".pip", ".config/pypoetry", ".config/gh", ".config/gcloud", ".config/git"),
    *(".local/share/uv/credentials", ".local/share/python_keyring", ".local/share/keyrings"),
)
_CACHE_SECRETS = ("store.db*", "index", "uv*", "answers", "logs", "repositories")
"""Parts of the tool's cache with the results of other probes, or with addresses that contain credentials."""
_SOCKETS = ("/run/docker.sock", "/run/podman", "/run/containerd", "/run/dbus/system_bus_socket")
_NAMING = (
    *("NETRC", "UV_CONFIG_FILE", "UV_CREDENTIALS_DIR", "PIP_CONFIG_FILE"),
    *("SSL_CLIENT_CERT", "SSH_AUTH_SOCK"),
)
"""Variables that name a file with secrets, or the socket of who keeps them."""


class Found(Struct, frozen=True, kw_only=True):
    """The strongest level that this machine has, and why not more."""

    level: SandboxLevel
    network_fault: str = ""
    """Why a run cannot be without a network, or ""."""
    reasons: Mapping[SandboxLevel, str] = {}
    """Why each of the stronger levels cannot be had."""
    lacks: str = ""
    """The operations that the level cannot refuse on this kernel."""

    def notes(self) -> Iterator[str]:
        """Yield what is missing, for people."""
        for level, reason in self.reasons.items():
            yield f"`--sandbox {level}` cannot be had: {reason}"
        if self.lacks:
            yield f"this kernel's Landlock is old; a run is not kept from {self.lacks}"
        if self.network_fault and SandboxLevel.STRONG not in self.reasons:
            yield f"`--no-network` cannot be had: {self.network_fault}"


class Sandbox:
    """Confines the runs of one command or worker; safe for threads.

    Args:
        cache: the tool's cache directory.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._guard = threading.Lock()
        self._token = CancelToken()
        self._found: Future[Found] | None = None
        self._is_kept = False
        """Whether the level is from the test of another command."""

    def close(self) -> None:
        """End a trial that is still going on, with what it has made."""
        self._token.cancel()
        # An interrupt may have come before the thread was started, and then no trial will ever end.
        if self._found is not None and not self._found.cancel():
            self._found.exception()

    def begin(self) -> None:
        """Begin to find out in a thread which level this machine has, unless that is known or was begun."""
        with self._guard:
            if self._found is not None:
                return
            self._found = Future()
            if (lacks := sandbox_kept.recall(self._cache)) is not None:
                self._is_kept = True
                self._found.set_result(Found(level=SandboxLevel.STRONG, lacks=lacks))
                return
            in_background(self._try_levels, name="sandbox", future=self._found)

    def doubt(self) -> None:
        """Test again, after a run could not be confined, if the level is from the test of another command.

        Raises:
            Unavailable: the machine supports less than in that test, on which this command has relied.
        """
        with self._guard:
            if not self._is_kept:
                return
            sandbox_kept.forget(self._cache)
            found = self._try_levels()
            self._is_kept = False
        if found.level is not SandboxLevel.STRONG or found.network_fault:
            less = found.reasons.get(SandboxLevel.STRONG) or found.network_fault
            raise Unavailable(
                f"this machine confined runs at the level `strong`, and does not any more: {less}",
                hint="run the same command again, which takes what there is now",
            )

    def try_anew(self) -> Found:
        """Find out now which level this machine has, whatever is known."""
        return self._try_levels()

    def found(self) -> Found:
        """Return the level that this machine has."""
        self.begin()
        if self._found is None:
            raise AssertionError("it has begun")
        return self._found.result()

    def level(self, asked: Confinement) -> SandboxLevel:
        """Return the level at which a run is confined.

        Raises:
            UsageError: the level that the user chose does not support another choice of the user.
            Unavailable: this machine does not support the level that the user chose by name.
        """
        if asked.level is SandboxLevel.NONE and asked.network:
            return SandboxLevel.NONE
        found = self.found()
        if not asked.network and asked.level not in (SandboxLevel.AUTO, SandboxLevel.STRONG):
            raise UsageError(
                f"`--no-network` needs `--sandbox strong`, not `{asked.level}`",
                hint="pass `--sandbox strong`, or drop `--no-network`",
            )
        if not asked.network and found.network_fault:
            raise Unavailable(
                f"`--no-network` cannot be had on this machine: {found.network_fault}", hint=_hint(asked)
            )
        if asked.level is SandboxLevel.AUTO:
            return found.level
        if reason := found.reasons.get(asked.level):
            raise Unavailable(
                f"`--sandbox {asked.level}` cannot be had on this machine: {reason}", hint=_hint(asked)
            )
        return asked.level

    def rules(
        self, asked: Confinement, *writable: Path, readable: Sequence[Path] = ()
    ) -> dict[str, object] | None:
        """Return the rules of a run that may write below these directories, or None if it is not confined.

        `readable`: secrets that the run may read nevertheless.

        Raises:
            Unavailable: as `level`.
        """
        level = self.level(asked)
        if level is SandboxLevel.NONE:
            return None
        return self._rules(level, *writable, network=asked.network, readable=readable)

    def _rules(
        self, level: SandboxLevel, *writable: Path, network: bool, readable: Sequence[Path] = ()
    ) -> dict[str, object]:
        shown = set(map(os.path.realpath, readable))
        return {
            "level": str(level),
            "writable": [str(path) for path in writable],
            "secrets": [path for path in self._secrets() if path not in shown],
            "protected": [os.getpid(), os.getpgrp()],
            "network": network,
        }

    def _secrets(self) -> list[str]:
        """Return what a run may not read and is there now, as paths without links in them."""
        own = [path for pattern in _CACHE_SECRETS for path in self._cache.glob(pattern)]
        return sorted({*map(os.path.realpath, own), *self._secrets_of_the_user})

    @cached_property
    def _secrets_of_the_user(self) -> list[str]:
        paths = [Path(os.environ[name]) for name in _NAMING if os.environ.get(name)]
        paths += [Path(name) for name in (*_SOCKETS, f"/run/user/{os.getuid()}")]
        with suppress(RuntimeError):  # raised if this user has no home
            paths += [Path.home() / name for name in _HOME_SECRETS]
        # Not `Path.exists`, which raises an error for a path in a directory that the user may not enter.
        return [os.path.realpath(path) for path in paths if os.path.exists(path)]

    def _try_levels(self) -> Found:
        reasons: dict[SandboxLevel, str] = {}
        if sys.platform != "linux":
            why = "it needs Linux"
            reasons = {SandboxLevel.STRONG: why, SandboxLevel.BASIC: why}
            return Found(level=SandboxLevel.NONE, network_fault=why, reasons=reasons)
        for level in (SandboxLevel.STRONG, SandboxLevel.BASIC):
            reason = self._try(level, network=True)
            if not reason:
                fault = reasons.get(SandboxLevel.STRONG) or self._try(level, network=False)
                from bisect_asgi.backend.process import sandbox_calls  # most commands need none

                lacks = sandbox_calls.lacks()
                if level is SandboxLevel.STRONG and not fault:
                    sandbox_kept.keep(self._cache, lacks=lacks)
                return Found(level=level, network_fault=fault, reasons=reasons, lacks=lacks)
            reasons[level] = reason
        return Found(level=SandboxLevel.NONE, network_fault=reasons[SandboxLevel.STRONG], reasons=reasons)

    def _try(self, level: SandboxLevel, *, network: bool) -> str:
        """Return why a run cannot be confined at a level, or ""."""
        try:
            runs = self._cache / "runs"  # if this process is killed, the next command removes it
            runs.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-sandbox-", dir=runs))
        except OSError as error:
            return f"`{self._cache}` cannot be written ({error.strerror})"
        try:
            box = folder / "box"
            box.mkdir()
            run = run_supervised(
                ["/bin/sh", "-c", ': > inside && ! (: > "$0") 2>/dev/null', str(folder / "outside")],
                cwd=box,
                report=box,
                environ={"PATH": os.defpath},
                timeout_s=_TRIAL_S,
                token=self._token,
                confine=self._rules(level, box, network=network),
            )
            return "" if run.exit_code == 0 else "it does not keep a run from writing outside its box"
        except (OSError, NoResult) as error:
            return str(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _hint(asked: Confinement) -> str:
    less = "drop `--no-network`" if not asked.network else "pass `--sandbox auto`, which takes what there is"
    return f"{less}; `bisect-asgi doctor` shows what this machine has"
