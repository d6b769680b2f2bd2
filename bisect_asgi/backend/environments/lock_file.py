"""Ask uv for the lock file of a spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

from bisect_asgi.backend.environments.builds import stamp
from bisect_asgi.backend.files import temporary_folder
from bisect_asgi.backend.uv import Metadata, Uv
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unresolvable
from bisect_asgi.core.model import EnvironmentSpec, ExcludeNewerPackage

_WITHOUT_VERSIONS = re.compile(r"there are no versions of ([\w.-]+)")

_FRESH_FOR = timedelta(minutes=10)


class LockFiles:
    """Makes lock files of specs.

    Args:
        uv: resolves.
        confirm: asks the index for the page of a project, and raises `Unavailable` if it is no such page.
    """

    def __init__(self, uv: Uv, *, confirm: Callable[[str], None] = lambda _: None) -> None:
        self._uv = uv
        self._confirm = confirm

    def begin(self) -> None:
        """Begin a new command, for which the pages that an earlier one got may be too old."""
        self._uv.begin()

    def make(
        self,
        spec: EnvironmentSpec,
        token: CancelToken,
        *options: str,
        known: Iterable[Metadata] = (),
        alone: bool = False,
    ) -> str:
        """Return the text of the lock file (PEP 751); `options` are further ones of `uv pip compile`.

        Args:
            spec: the spec to resolve, without its commit and its projects.
            token: cancels uv.
            options: further options of uv.
            known: metadata of distributions that uv would otherwise have to build.
            alone: whether uv is kept from starting processes.

        Raises:
            Unresolvable, BuildFailed, Unavailable, Cancelled: as `Uv.run`.
        """
        arguments = [
            "compile",
            "-",
            "--format",
            "pylock.toml",
            "--no-header",
            "--python",
            spec.interpreter.path,
        ]
        arguments += date_arguments(spec.exclude_newer, spec.exclude_newer_package)
        arguments += options
        run = partial(self._uv.run, token=token, stdin="\n".join(spec.requirements), known=known, alone=alone)
        with temporary_folder() as folder:
            for option, lines in (("--constraints", spec.constraints), ("--overrides", spec.overrides)):
                if lines:
                    path = folder / (option.strip("-") + ".txt")
                    path.write_text("\n".join(lines))
                    arguments += [option, str(path)]
            try:
                return run(*arguments)
            except Unresolvable as error:
                if error.is_lasting and not _may_be_stale(spec):
                    raise
                # The page in uv's cache may be older than the required release, or come from another machine
                # in place of the index. So the index is asked again.
                return self._again(partial(run, *arguments, ask_again=True))

    def _again(self, run: Callable[[], str]) -> str:
        """Resolve with new pages. uv takes a page without files for one of the index, whoever sent it."""
        try:
            return run()
        except Unresolvable as error:
            for project in _WITHOUT_VERSIONS.findall(str(error)):
                self._confirm(project)
            raise


def date_arguments(
    limit: datetime | None, exclude_newer_package: tuple[ExcludeNewerPackage, ...]
) -> list[str]:
    """Return uv's arguments for a date and for the projects that are exempt from it; none without a date."""
    if limit is None:
        return []
    arguments = ["--exclude-newer", stamp(limit)]
    for exemption in exclude_newer_package:
        until = exemption.exclude_newer or datetime.now(UTC) + timedelta(days=1)
        arguments += ["--exclude-newer-package", f"{exemption.name}={stamp(until)}"]
    return arguments


def _may_be_stale(spec: EnvironmentSpec) -> bool:
    return spec.exclude_newer is None or spec.exclude_newer > datetime.now(UTC) - _FRESH_FOR
