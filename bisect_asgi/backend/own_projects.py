"""Read the user's own projects before they are built: their names, their files, and what they require.

Of a folder, those files count that git knows or does not ignore; without git, all but what tools leave
behind. The same files are copied before anything else is done, so that what is built is what was read, and
nothing else can get into its wheel. The state of its repository counts as well if its version is made by the
build, which may ask git for the newest tag.
"""

from __future__ import annotations

import ast
import configparser
import email
import hashlib
import os
import re
import shutil
import stat
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from bisect_asgi.backend.files import remove
from bisect_asgi.backend.repository import Repository, run_git
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable, UsageError
from bisect_asgi.core.model import OwnProject, ProbeFile
from bisect_asgi.core.plan.own_projects import (
    ARCHIVES,
    GivenProject,
    OwnReference,
    based,
    name_in,
    requirements_in,
    static_facts,
    uv_sources,
)
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.text import size

_LARGEST_BYTES = 1024**3
_DATE_S = 1577836800
_KEPT_FOR_S = 30 * 24 * 3600
_LEFT_BEHIND = re.compile(
    r"\.(git|hg|svn|venv|tox|nox|eggs|mypy_cache|pytest_cache|ruff_cache|hypothesis)|__pycache__"
    r"|node_modules|.*\.egg-info"
)
_MADE = ("build", "dist")
"""Folders at the top that a build makes."""
_NAMING = ("pyproject.toml", "setup.cfg", "setup.py")


class _Facts(Struct, frozen=True, kw_only=True):
    """What the files of a project say without being run."""

    name: str = ""
    requires_python: str = ""
    has_version: bool = False


def read_project(
    reference: OwnReference,
    *,
    given: str,
    option: str,
    projects: Path,
    repositories: Path,
    token: CancelToken,
) -> GivenProject:
    """Return a project with its content, and what can be told without building it.

    Args:
        reference: what the requirement names.
        given: the requirement as the user wrote it.
        option: where it stands, for messages.
        projects: the folder of the copies of projects, from which they are built.
        repositories: the folder of the copies of repositories.

    Raises:
        UsageError: it is not there, is no project, or its name cannot be told.
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
        f"there is no folder or file `{reference.where}` ({option})",
        hint="name the folder of a project, a wheel or a source distribution",
    )


def _given(
    reference: OwnReference, given: str, option: str, facts: _Facts, *, path: str = "", content: str = ""
) -> GivenProject:
    """Return a project of this machine.

    Raises:
        UsageError: it has another name than the requirement, or none that can be told.
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


# Folders.


def _of_folder(
    path: Path, reference: OwnReference, given: str, option: str, projects: Path, token: CancelToken
) -> GivenProject:
    files = folder_files(path, token)
    texts = {name: (path / name).read_text("utf-8", "replace") for name in _NAMING if name in files}
    if not texts:
        raise UsageError(
            f"`{reference.where}` is no project: it has no `pyproject.toml` and no `setup.py` ({option})",
            hint="name the folder that has one, or copy its files with `--include`",
        )
    document = _document(texts.get("pyproject.toml"), path)
    facts = facts_of(texts, document)
    _check_size(path, files, reference.where, option)
    is_built = _is_built(document, texts, files)
    found = _given(reference, given, option, facts)
    if is_built:
        git = None if facts.has_version else git_state(path, token)
        content, kept = _kept_folder(path, files, projects, git=git, token=token)
        found = _given(reference, given, option, facts, path=str(kept), content=content)
    known = () if is_built else found.extras  # extras that the build adds are not there yet
    requires = requirements_in(document, known, where=reference.where)
    sources = sources_of(document, requires, path).values()
    found = replace(
        found, requires=requires, sources=tuple(based(text, str(path.absolute())) for text in sources)
    )
    if is_built:
        return found
    return replace(found, is_built=False, files=tuple(_probe_file(path, name) for name in files))


def sources_of(document: Mapping[str, object], required: Sequence[str], folder: Path) -> dict[str, str]:
    """Return what `[tool.uv.sources]` of a `pyproject.toml` in `folder` says; see `uv_sources`."""
    tool = document.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    return (
        uv_sources(document, required, members_of(folder)) if isinstance(uv, dict) and "sources" in uv else {}
    )


def members_of(folder: Path) -> dict[str, str]:
    """Return the folders of the uv workspace that a project is in, by the names of its projects."""
    for root in (folder.absolute(), *folder.absolute().parents):
        value: object = _pyproject(root)
        for key in ("tool", "uv", "workspace", "members"):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, list):
            places = [root, *(place for pattern in value for place in sorted(root.glob(str(pattern))))]
            return {name: str(place) for place in places if (name := name_in(_pyproject(place)))}
    return {}


def _pyproject(folder: Path) -> Mapping[str, object]:
    """Return what is in a folder's `pyproject.toml`; nothing if it cannot be read."""
    with suppress(OSError, codec.Unreadable):
        return codec.from_toml((folder / "pyproject.toml").read_text("utf-8", "replace"))
    return {}


def _document(text: str | None, folder: Path) -> Mapping[str, object]:
    try:
        return codec.from_toml(text or "")
    except codec.Unreadable as error:
        raise UsageError(
            f"`{folder / 'pyproject.toml'}` is no valid TOML: {error}", hint="mend it, and run this again"
        ) from error


def _is_built(document: Mapping[str, object], texts: Mapping[str, str], files: Sequence[str]) -> bool:
    """Return whether a folder is a package for uv: it names a build system, or is laid out for one."""
    tool = document.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    said = uv.get("package") if isinstance(uv, dict) else None
    if isinstance(said, bool):
        return said
    is_laid_out = any(name.startswith("src/") for name in files)
    return "build-system" in document or "setup.py" in texts or "setup.cfg" in texts or is_laid_out


def _probe_file(folder: Path, name: str) -> ProbeFile:
    path = folder / name
    return ProbeFile(name=name, content=path.read_bytes(), executable=os.access(path, os.X_OK))


def folder_files(folder: Path, token: CancelToken) -> tuple[str, ...]:
    """Return the files of a project as relative paths with forward slashes, sorted."""
    known = _known_to_git(folder, token)
    if not set(known) & set(_NAMING):  # no repository, or one that ignores the folder
        known = tuple(_walked(folder))
    caches = {place: _is_cache(folder / place) for name in known for place in PurePath(name).parents[:-1]}
    return tuple(
        sorted(
            name
            for name in known
            if (folder / name).is_file() and not any(caches[place] for place in PurePath(name).parents[:-1])
        )
    )


def _is_cache(folder: Path) -> bool:
    """Return whether a tool has marked a folder as its cache, as this one marks its own."""
    return (folder / "CACHEDIR.TAG").exists()


def _known_to_git(folder: Path, token: CancelToken) -> tuple[str, ...]:
    how = ("--cached", "--others", "--exclude-standard", "-z")
    try:
        asked = run_git("-C", str(folder), "ls-files", *how, token=token)
    except Unavailable:  # without git, all files count
        return ()
    return tuple(asked.stdout.split("\0")[:-1]) if asked.exit_code == 0 else ()


def _walked(folder: Path) -> Iterator[str]:
    for place, below, names in os.walk(folder):
        here = Path(place)
        is_top = here == folder
        below[:] = sorted(name for name in below if not _is_left_behind(here / name, is_top=is_top))
        yield from ((here / name).relative_to(folder).as_posix() for name in names if name[-4:] != ".pyc")


def _is_left_behind(path: Path, *, is_top: bool) -> bool:
    if _LEFT_BEHIND.fullmatch(path.name):
        return True
    return _is_cache(path) or (path / "pyvenv.cfg").exists() or (is_top and path.name in _MADE)


def _check_size(folder: Path, files: Sequence[str], shown: str, option: str) -> None:
    sizes = {name: (folder / name).stat().st_size for name in files}
    if (total := sum(sizes.values())) > _LARGEST_BYTES:
        largest = max(sizes, key=lambda name: sizes[name])
        raise UsageError(
            f"`{shown}` has {size(total)} of files, `{largest}` the largest of them ({option})",
            hint="have git ignore what the project does not need, or build it: `uv build --wheel`",
        )


def content_of(folder: Path, files: Sequence[str], *, git: str | None) -> str:
    """Return the digest of a folder's files, with the state of its repository if that counts."""
    found = []
    for name in files:
        path = folder / name
        executable = bool(path.stat().st_mode & stat.S_IXUSR)
        found.append((name, executable, hashlib.sha256(path.read_bytes()).hexdigest()))
    return codec.digest("folder", found, git)


def git_state(folder: Path, token: CancelToken) -> str | None:
    """Return the commit and the tags that a build can ask git for, or None without a repository."""
    with suppress(Unavailable):
        asked = run_git(
            "-C", str(folder), "describe", "--tags", "--long", "--always", "--abbrev=40", token=token
        )
        head = run_git("-C", str(folder), "rev-parse", "HEAD", token=token)
        if head.exit_code == 0:
            return f"{head.stdout.strip()} {asked.stdout.strip()}"
    return None


def facts_of(texts: Mapping[str, str], document: Mapping[str, object]) -> _Facts:
    """Return what `pyproject.toml`, `setup.cfg` and `setup.py` say, the first that says it."""
    project = static_facts(document)
    config = configparser.ConfigParser(interpolation=None)
    with suppress(configparser.Error):
        config.read_string(texts.get("setup.cfg", ""))
    called = _setup_arguments(texts.get("setup.py", ""))
    tool = document.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    versions = (
        project.get("version"),
        poetry.get("version") if isinstance(poetry, dict) and poetry.get("version") != "0.0.0" else None,
        called.get("version"),
    )
    name = name_in(document) or config.get("metadata", "name", fallback="") or called.get("name", "")
    python = project.get("requires-python")
    return _Facts(
        name=canonicalize_name(name),
        requires_python=str(python or "")
        or config.get("options", "python_requires", fallback="")
        or called.get("python_requires", ""),
        has_version=any(versions),
    )


def _setup_arguments(source: str) -> dict[str, str]:
    """Return the arguments of `setup()` that are plain texts."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "setup":
            for keyword in node.keywords:
                if keyword.arg and isinstance(keyword.value, ast.Constant):
                    found[keyword.arg] = str(keyword.value.value)
    return found


def copy_to_build(project: OwnProject, target: Path) -> Path:
    """Copy a project to where it may be built, below the new folder `target`; return its folder."""
    kept = Path(project.path)
    if kept.is_file():
        return _unpacked(kept, target)
    top = next(parent for parent in (kept, *kept.parents) if parent.name == project.content)
    shutil.copytree(top, target / project.name, symlinks=True)
    copied = target / project.name / kept.relative_to(top)
    _date_alike(copied)
    return copied


def _date_alike(folder: Path) -> None:
    """Give all files one date, so that equal files build equal wheels; a zip has no date before 1980."""
    for place, _, names in os.walk(folder):
        if ".git" not in Path(place).relative_to(folder).parts:
            for name in names:
                os.utime(Path(place, name), (_DATE_S, _DATE_S), follow_symlinks=False)


# Copies, of which the content is known whatever happens to the folder meanwhile.


def _kept_folder(
    source: Path, files: Sequence[str], projects: Path, *, git: str | None, token: CancelToken
) -> tuple[str, Path]:
    """Return the content of a folder, and a copy of it that is kept; with its history if `git` is known."""
    content = content_of(source, files, git=git)
    below = Path(_prefix(source, token) if git else "")
    if not (projects / content).is_dir():
        with _aside(projects) as aside:
            if git:
                _clone(source, aside, below, token)
            for name in files:
                place = aside / below / name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / name, place)
            content = content_of(aside / below, files, git=git)
            _move(aside, projects / content)
    os.utime(projects / content)
    return content, projects / content / below


def _kept_file(path: Path, projects: Path) -> tuple[str, Path]:
    with _aside(projects) as aside:
        copied = Path(shutil.copy(path, aside))
        content = hashlib.sha256(copied.read_bytes()).hexdigest()
        _move(aside, projects / content)
    os.utime(projects / content)
    return content, projects / content / path.name


@contextmanager
def _aside(projects: Path) -> Iterator[Path]:
    """Yield a new folder beside the copies, and remove copies that no command has used for long."""
    projects.mkdir(parents=True, exist_ok=True)
    oldest = time.time() - _KEPT_FOR_S
    for old in projects.iterdir():
        with suppress(OSError):
            if old.stat().st_mtime < oldest:
                remove(old)
    aside = Path(tempfile.mkdtemp(prefix="new-", dir=projects))
    try:
        yield aside
    finally:
        remove(aside)


def _move(aside: Path, home: Path) -> None:
    """Give a copy its name, unless another command has done so meanwhile."""
    try:
        aside.rename(home)
    except OSError:
        if not home.is_dir():
            raise


def _prefix(source: Path, token: CancelToken) -> str:
    """Return the path of a folder below the top of its repository."""
    return run_git("-C", str(source), "rev-parse", "--show-prefix", token=token).stdout.strip()


def _clone(source: Path, target: Path, below: Path, token: CancelToken) -> None:
    """Clone the repository of a folder to an empty folder, without files in the folder's place."""
    Repository.open(str(source), target, token).checkout("HEAD", target)
    place = target / below
    for entry in place.iterdir() if place.is_dir() else ():
        if entry.name != ".git":
            remove(entry)


# Files.


def _of_file(path: Path, reference: OwnReference, given: str, option: str, projects: Path) -> GivenProject:
    if not path.name.lower().endswith(ARCHIVES):
        raise UsageError(
            f"`{reference.where}` is no wheel and no source distribution ({option})",
            hint="name a folder, a `.whl`, a `.tar.gz` or a `.zip`; "
            "`--with-requirements` reads a file of requirements",
        )
    try:
        facts = _facts_of_wheel(path) if path.suffix == ".whl" else _facts_of_sdist(path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, InvalidWheelFilename) as error:
        raise UsageError(
            f"`{reference.where}` cannot be read ({option}): {error}", hint="build or download it again"
        ) from error
    content, kept = _kept_file(path, projects)
    return _given(reference, given, option, facts, path=str(kept), content=content)


def _facts_of_wheel(path: Path) -> _Facts:
    name = parse_wheel_filename(path.name)[0]
    with zipfile.ZipFile(path) as archive:
        inner = next((n for n in archive.namelist() if n.endswith(".dist-info/METADATA")), None)
        text = archive.read(inner).decode("utf-8", "replace") if inner else ""
    return _Facts(name=name, requires_python=_header(text, "Requires-Python"), has_version=True)


def _header(text: str, name: str) -> str:
    return str(email.message_from_string(text)[name] or "")


def _facts_of_sdist(path: Path) -> _Facts:
    """Return what `PKG-INFO` says, or in an archive of a repository the files that it is built from."""
    texts = _top_texts(path)
    if "PKG-INFO" in texts:
        info = texts["PKG-INFO"]
        name = canonicalize_name(_header(info, "Name"))
        return _Facts(name=name, requires_python=_header(info, "Requires-Python"), has_version=True)
    return facts_of(texts, _document(texts.get("pyproject.toml"), path))


def _top_texts(path: Path) -> dict[str, str]:
    """Return the files that say a project's name, in the one folder at the top of an archive."""
    wanted = {"PKG-INFO", *_NAMING}
    found = {}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                parts = PurePath(name).parts
                if len(parts) == 2 and parts[1] in wanted:
                    found[parts[1]] = archive.read(name).decode("utf-8", "replace")
        return found
    with tarfile.open(path) as packed:
        for member in packed:
            parts = PurePath(member.name).parts
            inner = packed.extractfile(member) if len(parts) == 2 and parts[1] in wanted else None
            if inner:
                found[parts[1]] = inner.read().decode("utf-8", "replace")
    return found


def _unpacked(archive: Path, target: Path) -> Path:
    """Unpack an archive into `target`, and return the one folder in it."""
    target.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(target)  # noqa: S202 (its paths are made safe)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(target, filter="data")
    _date_alike(target)
    inside = [entry for entry in target.iterdir() if entry.is_dir()]
    return inside[0] if len(inside) == 1 else target


# Commits.


def _of_commit(
    reference: OwnReference, given: str, option: str, repositories: Path, token: CancelToken
) -> GivenProject:
    repository = Repository.open(reference.where, repositories, token)
    sha = repository.resolve(reference.revision or "HEAD")
    below = f"{reference.subdirectory.strip('/')}/" if reference.subdirectory else ""
    there = set(repository.files(sha))
    texts = {name: repository.text(sha, below + name) for name in _NAMING if below + name in there}
    facts = facts_of(texts, _document(texts.get("pyproject.toml"), Path(reference.shown)))
    name = _checked_name(reference, facts.name, option)
    commit = repository.commit(sha, project=name)
    return GivenProject(
        project=OwnProject(name=name, given=reference.shown, content=sha, commit=commit),
        extras=reference.extras,
        marker=reference.marker,
        given=given,
        requires_python=facts.requires_python,
    )
