"""Read the user's own projects before they are built: their names, their files, and what they require.

In a directory, the files count that git tracks or does not ignore; without git, all files except those that
tools leave behind. First of all, these files are copied. So the build gets exactly the files that were read,
and no other file can get into its wheel. If the build computes the version, it may ask git for the newest
tag: then the state of the repository counts as well.
"""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from packaging.utils import InvalidWheelFilename

from bisect_asgi.backend.own_projects.archives import facts_of_sdist, facts_of_wheel
from bisect_asgi.backend.own_projects.copies import keep_file, keep_folder
from bisect_asgi.backend.own_projects.facts import (
    NAMING,
    Facts,
    document_of,
    facts_of,
    is_package,
    sources_of,
)
from bisect_asgi.backend.own_projects.folders import check_size, folder_files, git_state, probe_file
from bisect_asgi.backend.repository import Repository
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import OwnProject
from bisect_asgi.core.plan.own_projects import (
    ARCHIVES,
    GivenProject,
    OwnReference,
    based,
    requirements_in,
)
from bisect_asgi.core.records import replace


def read_project(
    reference: OwnReference,
    *,
    given: str,
    option: str,
    projects: Path,
    repositories: Path,
    token: CancelToken,
) -> GivenProject:
    """Return a project with its content, and the metadata that is known without building it.

    Args:
        reference: what the requirement names.
        given: the requirement as the user wrote it.
        option: the option that has the requirement, for messages.
        projects: the directory of the copies of projects, from which they are built.
        repositories: the directory of the copies of repositories.

    Raises:
        UsageError: it does not exist, is no project, or its name cannot be read without a build.
        Unavailable: the address of a repository did not answer.
        Cancelled: the token was cancelled.
    """
    if reference.is_git:
        return _of_commit(reference, given, option, repositories, token)
    path = Path(reference.where).expanduser()
    try:
        if path.is_dir():
            return _of_folder(path, reference, given, option, projects, token)
        if path.is_file():
            return _of_file(path, reference, given, option, projects)
    except OSError as error:
        raise UsageError(
            f"`{error.filename or path}` cannot be read ({option}): {error.strerror}",
            hint="make the files of the project readable",
        ) from error
    raise UsageError(
        f"there is no directory or file `{reference.where}` ({option})",
        hint="name the directory of a project, a wheel or a source distribution",
    )


def _given(
    reference: OwnReference, given: str, option: str, facts: Facts, *, path: str = "", content: str = ""
) -> GivenProject:
    """Return a project of this machine.

    Raises:
        UsageError: its name is not that of the requirement, or cannot be read without a build.
    """
    name = _checked_name(reference, facts.name, option)
    return GivenProject(
        project=OwnProject(name=name, given=reference.where, path=path, content=content),
        extras=reference.extras,
        marker=reference.marker,
        given=given,
        requires_python=facts.requires_python,
    )


def _checked_name(reference: OwnReference, found: str, option: str) -> str:
    if reference.name and found and reference.name != found:
        raise UsageError(
            f"`{reference.shown}` is the project `{found}`, not `{reference.name}` ({option})",
            hint=f"write `{found} @ …`, or the path alone",
        )
    name = reference.name or found
    if not name:
        raise UsageError(
            f"the name of the project in `{reference.shown}` is not known without running it ({option})",
            hint=f"write the name in front: `NAME @ {reference.shown}`",
        )
    return name


def _of_folder(
    path: Path, reference: OwnReference, given: str, option: str, projects: Path, token: CancelToken
) -> GivenProject:
    files = folder_files(path, token)
    texts = {name: (path / name).read_text("utf-8", "replace") for name in NAMING if name in files}
    if not texts:
        raise UsageError(
            f"`{reference.where}` is no project: it has no `pyproject.toml` and no `setup.py` ({option})",
            hint="name the directory that has one, or copy its files with `--include`",
        )
    document = document_of(texts.get("pyproject.toml"), path)
    facts = facts_of(texts, document)
    check_size(path, files, reference.where, option)
    is_built = is_package(document, texts, files)
    found = _given(reference, given, option, facts)
    if is_built:
        git = None if facts.has_version else git_state(path, token)
        content, kept = keep_folder(path, files, projects, git=git, token=token)
        found = _given(reference, given, option, facts, path=str(kept), content=content)
    known = () if is_built else found.extras  # the build may add extras, which are not known yet
    requires = requirements_in(document, known, where=reference.where)
    sources = sources_of(document, requires, path).values()
    found = replace(
        found, requires=requires, sources=tuple(based(text, str(path.absolute())) for text in sources)
    )
    if is_built:
        return found
    return replace(found, is_built=False, files=tuple(probe_file(path, name) for name in files))


def _of_file(path: Path, reference: OwnReference, given: str, option: str, projects: Path) -> GivenProject:
    if not path.name.lower().endswith(ARCHIVES):
        raise UsageError(
            f"`{reference.where}` is no wheel and no source distribution ({option})",
            hint="name a directory, a `.whl`, a `.tar.gz` or a `.zip`; "
            "`--with-requirements` reads a file of requirements",
        )
    try:
        facts = facts_of_wheel(path) if path.suffix == ".whl" else facts_of_sdist(path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, InvalidWheelFilename) as error:
        raise UsageError(
            f"`{reference.where}` cannot be read ({option}): {error}", hint="build or download it again"
        ) from error
    content, kept = keep_file(path, projects)
    return _given(reference, given, option, facts, path=str(kept), content=content)


def _of_commit(
    reference: OwnReference, given: str, option: str, repositories: Path, token: CancelToken
) -> GivenProject:
    repository = Repository.open(reference.where, repositories, token)
    sha = repository.resolve(reference.revision or "HEAD")
    below = f"{reference.subdirectory.strip('/')}/" if reference.subdirectory else ""
    there = set(repository.files(sha))
    texts = {name: repository.text(sha, below + name) for name in NAMING if below + name in there}
    facts = facts_of(texts, document_of(texts.get("pyproject.toml"), Path(reference.shown)))
    name = _checked_name(reference, facts.name, option)
    commit = repository.commit(sha, project=name)
    return GivenProject(
        project=OwnProject(name=name, given=reference.shown, content=sha, commit=commit),
        extras=reference.extras,
        marker=reference.marker,
        given=given,
        requires_python=facts.requires_python,
    )
