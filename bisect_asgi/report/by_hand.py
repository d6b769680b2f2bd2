"""The commands that run the probe on a candidate again with uv or pip, without bisect-asgi.

Every distribution of the environment is pinned and installed without resolving: the pins may contradict the
requirements of a package, and a resolution of today may differ from the one that was run. The commands expect
the probe in the current directory.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePath

from bisect_asgi.core.events import RunStarted
from bisect_asgi.report.reproduce import installs
from bisect_asgi.report.rows import Row


def by_hand(plan: RunStarted, row: Row, *, script: str = "") -> Iterator[tuple[str, str]]:
    """Yield for `uv` and for `pip` the command; nothing for a candidate without an environment.

    `script`: the name of the script that runs the probe, or "". A served probe has no command without it.
    """
    if (plan.served and not script) or not row.python or not row.distributions:
        return
    minor = ".".join(row.python.split(".")[:2])
    folder = f"env-{_slug(row.version)}"
    pins = " ".join(
        shlex.quote(_for_pip(installs(distribution, row.source, plan.projects)))
        for distribution in row.distributions
    )
    by_uv = (f"uv venv --clear --python {minor} {folder}", f"uv pip install --python {folder}")
    by_pip = (f"python{minor} -m venv --clear {folder}", f"{folder}/bin/python -m pip install")
    for name, (make, install) in (("uv", by_uv), ("pip", by_pip)):
        yield name, f"{make} &&\n{install} --no-deps {pins} &&\n{_run(plan, folder, script)}"


def _run(plan: RunStarted, folder: str, script: str) -> str:
    if script:
        return f"{folder}/bin/python {script}"
    if plan.command:
        return f'PATH="$PWD/{folder}/bin:$PATH" sh -c {shlex.quote(plan.command)}'
    return f"{folder}/bin/python {shlex.quote(PurePath(plan.probe).name)}"


def _slug(label: str) -> str:
    """Return a label as part of a directory's name that needs no quotes."""
    return "".join(char if char.isascii() and (char.isalnum() or char in ".-") else "-" for char in label)


def _for_pip(requirement: str) -> str:
    """Return `./dir[all]` for `app[all] @ dir`, which uv reads and pip does not; others unchanged."""
    name, _, where = requirement.partition(" @ ")
    if not where or "://" in where:
        return requirement
    extras = name[name.index("[") :] if "[" in name else ""
    return f"{where if where.startswith(('.', '/')) else f'./{where}'}{extras}"
