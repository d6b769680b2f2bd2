"""Read projects of a user's that a test lays out."""

from __future__ import annotations

from pathlib import Path

from bisect_asgi.backend.own_projects import read_project
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.plan.own_projects import GivenProject, reference_of

PYPROJECT = '[build-system]\nrequires = []\n[project]\nname = "My_App"\nversion = "1.0"\n'


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(path: Path | str, kept: Path, text: str | None = None) -> GivenProject:
    text = text or str(path)
    reference = reference_of(text, "`--with`")
    assert reference
    return read_project(
        reference,
        given=text,
        option="`--with`",
        projects=kept / "projects",
        repositories=kept / "repositories",
        token=CancelToken(),
    )
