"""Projects of the user's own: how a requirement names one, and its metadata before it is built.

`.`, `./dir[extra]`, `dist/app-1.0.tar.gz`, `app @ file:///…` and `git+https://…@rev` name a project that no
index has in this form. Everything else is a requirement for uv, as is an archive at an address (`https://…`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote, urlsplit

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import OwnProject, ProbeFile, ProjectMetadata
from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.installable import SDIST_SUFFIXES
from bisect_asgi.core.releases.selection import Demand
from bisect_asgi.core.text import without_credentials

ARCHIVES = (".whl", *SDIST_SUFFIXES)
_EXTRAS = pattern(r"^(?P<where>.*?)(?:\[(?P<extras>[^\[\]]*)\])?$", re.DOTALL)
_MARKED = pattern(r"\s+;\s*|;\s+")
_SCHEME = pattern(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):")
_KEPT = "/~:@+#=&"
_OTHER_SYSTEMS = ("hg", "svn", "bzr")


class OwnReference(Struct, frozen=True, kw_only=True):
    """A requirement that names a directory, a file, or a commit."""

    where: str
    """The path as it is written, or the address of the repository as git takes it."""
    is_git: bool = False
    name: str = ""
    """The normalized name, if the requirement has it."""
    extras: tuple[str, ...] = ()
    marker: str = ""
    revision: str = ""
    """The tag, the branch or the commit; empty for the newest commit."""
    subdirectory: str = ""

    @property
    def shown(self) -> str:
        """The place that it names, without extras and credentials."""
        return without_credentials(self.where)


class GivenProject(Struct, frozen=True, kw_only=True):
    """A project of the user's, with the metadata that is known without building it."""

    project: OwnProject
    extras: tuple[str, ...] = ()
    marker: str = ""
    given: str = ""
    """The requirement as the user wrote it."""
    requires_python: str = ""
    """The Pythons that its files ask for; empty if only its build knows them."""
    is_built: bool = True
    """False for a directory without a build system: its requirements are installed, its files are copied."""
    requires: tuple[str, ...] = ()
    """Its requirements, as far as its files say them without being run."""
    files: tuple[ProbeFile, ...] = ()
    """The files of a project that is not built."""
    sources: tuple[str, ...] = ()
    """Those of its requirements for which its `[tool.uv.sources]` names a directory or a repository."""

    @property
    def requirement(self) -> str:
        """The requirement by name: `app[all]`."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.project.name}{extras}{f' ; {self.marker}' if self.marker else ''}"


class StatedLine(Struct, frozen=True, kw_only=True):
    """A requirement, or a constraint, of a file or of a project that is not built."""

    text: str
    of: str
    """The option or the file that has it, for messages."""
    is_file: bool = True
    """Whether a pin in it is only the state of today, as in a file that a tool has written."""


class Wanted(Struct, frozen=True, kw_only=True):
    """The requirements of environments besides the package: from options, files and the user's projects."""

    stated: tuple[str, ...] = ()
    """The requirements of `--with`, without those that name a project of the user's."""
    of_probe: tuple[str, ...] = ()
    """The same of the probe's inline metadata."""
    lines: tuple[StatedLine, ...] = ()
    constraints: tuple[StatedLine, ...] = ()
    hashes: tuple[str, ...] = ()
    own: tuple[GivenProject, ...] = ()

    @property
    def files(self) -> tuple[ProbeFile, ...]:
        """The files of projects that are not built; each run has them next to the probe."""
        return tuple(file for given in self.own if not given.is_built for file in given.files)


def reference_of(text: str, option: str) -> OwnReference | None:
    """Return the user's own project that a requirement names, or None if it is one for an index.

    Raises:
        UsageError: it names a repository that is not git's, or an address without a name.
    """
    name, extras, where, marker = _parts(text.strip())
    if where is None:
        return None
    scheme = _SCHEME.match(where)
    kind = scheme["scheme"].lower() if scheme else ""
    if kind.startswith("git+"):
        return _git(where, name, extras, marker, option)
    if kind.partition("+")[0] in _OTHER_SYSTEMS:
        raise UsageError(
            f"`{without_credentials(where)}` is in a repository that is not git's ({option})",
            hint="pass a directory, an archive, or `git+https://…`",
        )
    if kind == "file":
        path = urlsplit(where).path
        where = path if name else unquote(path)
    elif kind:
        if not name:
            raise UsageError(
                f"`{without_credentials(where)}` has no name ({option})",
                hint=f"write the name in front: `NAME @ {without_credentials(where)}`",
            )
        return None
    return OwnReference(where=unquote(where) if name else where, name=name, extras=extras, marker=marker)


def _parts(text: str) -> tuple[str, tuple[str, ...], str | None, str]:
    """Return name, extras, path or address (None for a requirement for an index) and marker."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        requirement = None
    if requirement is not None and (requirement.url or not text.lower().endswith(ARCHIVES)):
        name, extras = canonicalize_name(requirement.name), tuple(sorted(requirement.extras))
        return name, extras, requirement.url, str(requirement.marker or "")
    head, marker = _without_marker(text)
    match = _EXTRAS.match(head)
    where = match["where"].strip() if match else head
    named = tuple(sorted(filter(None, (e.strip() for e in ((match and match["extras"]) or "").split(",")))))
    return ("", named, where, marker) if _is_place(where) else ("", (), None, "")


def _without_marker(text: str) -> tuple[str, str]:
    """Split a path or an address from a marker behind `;`, if that is one."""
    if match := _MARKED.search(text):
        try:
            return text[: match.start()].strip(), str(Marker(text[match.end() :]))
        except InvalidMarker:
            pass
    return text, ""


def _is_place(text: str) -> bool:
    """Return whether a text that is no requirement looks like a path, an archive or an address."""
    return bool(
        _SCHEME.match(text)
        or text in (".", "..")
        or text.startswith("~")
        or "/" in text
        or text.lower().endswith(ARCHIVES)
    )


def _git(where: str, name: str, extras: tuple[str, ...], marker: str, option: str) -> OwnReference:
    address, _, fragment = where.partition("#")
    said = dict(part.partition("=")[::2] for part in fragment.split("&") if part)
    scheme, _, rest = address.removeprefix("git+").partition("://")
    if not rest:
        raise UsageError(
            f"`{without_credentials(where)}` is no address of a repository ({option})",
            hint="write it as `git+https://example.org/app.git@REVISION`",
        )
    host, slash, path = rest.partition("/")
    path, _, revision = path.rpartition("@") if "@" in path else (path, "", "")
    egg = _EXTRAS.match(unquote(said.get("egg", "")))
    return OwnReference(
        where=path_of_file(f"{scheme}://{host}{slash}{path}"),
        is_git=True,
        name=name or (canonicalize_name(egg["where"]) if egg and egg["where"] else ""),
        extras=extras or tuple(sorted(filter(None, ((egg and egg["extras"]) or "").split(",")))),
        marker=marker,
        revision=unquote(revision),
        subdirectory=unquote(said.get("subdirectory", "")),
    )


def path_of_file(address: str) -> str:
    """Return the path in a `file:` address; any other address as it is."""
    return unquote(urlsplit(address).path) if address.startswith("file:") else address


def based(text: str, folder: str) -> str:
    """Return a requirement of a file in the directory `folder`, with a path in it joined to `folder`."""
    try:
        reference = reference_of(text, "")
    except UsageError:  # the error is reported when the file is read
        return text
    if reference is None or reference.is_git or _is_absolute(reference.where):
        return text
    joined = os.path.normpath(os.path.join(folder, reference.where))
    if not joined.startswith(("/", ".")):
        joined = f"./{joined}"
    return _named(reference, joined)


def _is_absolute(path: str) -> bool:
    return path.startswith(("/", "~"))


def _named(reference: OwnReference, where: str) -> str:
    extras = f"[{','.join(reference.extras)}]" if reference.extras else ""
    marker = f" ; {reference.marker}" if reference.marker else ""
    # After a name comes an address, which must not contain a space.
    named = f"{reference.name}{extras} @ {quote(where, _KEPT)}" if reference.name else f"{where}{extras}"
    return f"{named}{marker}"


def static_facts(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return the `[project]` table of a `pyproject.toml`, without what it leaves to the build."""
    project = document.get("project")
    table = project if isinstance(project, dict) else {}
    dynamic = table.get("dynamic")
    left = dynamic if isinstance(dynamic, list) else []
    return {key: value for key, value in table.items() if key not in left}


def name_in(document: Mapping[str, object]) -> str:
    """Return the normalized name of the project in a `pyproject.toml`; "" if it has none."""
    for keys in _NAMES:
        value: object = document
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            return canonicalize_name(value)
    return ""


_NAMES = (
    ("project", "name"),
    ("tool", "poetry", "name"),
    ("tool", "flit", "metadata", "dist-name"),
    ("tool", "flit", "metadata", "module"),
)
"""Keys under which a `pyproject.toml` may have the project's name; the first that has one counts."""


def requirements_in(document: Mapping[str, object], extras: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Return the requirements in a `[project]` table, with those of its extras.

    Raises:
        UsageError: an extra is not there.
    """
    project = static_facts(document)
    own = project.get("dependencies")
    optional = project.get("optional-dependencies")
    found = [str(text) for text in own] if isinstance(own, list) else []
    groups = {
        canonicalize_name(str(name)): lines
        for name, lines in (optional.items() if isinstance(optional, dict) else ())
    }
    for extra in extras:
        lines = groups.get(canonicalize_name(extra))
        if not isinstance(lines, list):
            raise UsageError(
                f"`{where}` has no extra `{extra}`",
                hint=f"it has {', '.join(f'`{name}`' for name in sorted(groups)) or 'none'}",
            )
        found += map(str, lines)
    return tuple(found)


def uv_sources(
    document: Mapping[str, object], required: Sequence[str], members: Mapping[str, str]
) -> dict[str, str]:
    """Return the requirements for which `[tool.uv.sources]` has a place, each as one that names the place.

    Args:
        document: the `pyproject.toml`.
        required: the requirements (PEP 508) to which it applies.
        members: the directories of the workspace by the normalized names of its projects.
    """
    value: object = document
    for key in ("tool", "uv", "sources"):
        value = value.get(key) if isinstance(value, dict) else None
    table = value if isinstance(value, dict) else {}
    stated = {canonicalize_name(str(name)): each for name, each in table.items()}
    found = {}
    for text in required:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if where := _source(stated.get(name), members.get(name, "")):
            extras, marker = tuple(sorted(requirement.extras)), str(requirement.marker or "")
            found[text] = _named(OwnReference(where=where, name=name, extras=extras, marker=marker), where)
    return found


def _source(stated: object, member: str) -> str:
    """Return the place that a source names, or "" if it is an index, or an address for uv."""
    table = stated[0] if isinstance(stated, list) and stated else stated
    if not isinstance(table, dict):
        return ""
    if isinstance(path := table.get("path"), str):
        return path if path.startswith((".", "/", "~")) else f"./{path}"
    if isinstance(address := table.get("git"), str) and "://" in address:
        revision = next((str(table[key]) for key in ("rev", "tag", "branch") if key in table), "")
        below = f"#subdirectory={table['subdirectory']}" if "subdirectory" in table else ""
        return f"git+{address}{f'@{revision}' if revision else ''}{below}"
    return member if table.get("workspace") is True else ""


def demands_of(
    metadata: ProjectMetadata, extras: Sequence[str], name: str, environment: Mapping[str, str], *, of: str
) -> tuple[Demand, ...]:
    """Return the demands of a built project on the package `name`, on one interpreter."""
    active = [{**environment, "extra": extra} for extra in ("", *extras)]
    found = []
    for text in metadata.requires:
        requirement = Requirement(text)
        is_other = canonicalize_name(requirement.name) != name
        if is_other or not str(requirement.specifier):
            continue
        if requirement.marker is None or any(requirement.marker.evaluate(each) for each in active):
            found.append(Demand(of=of, name=name, specifier=str(requirement.specifier)))
    return tuple(found)


def demand_in(text: str, name: str, *, of: str) -> Demand | None:
    """Return the demand of one line on the package `name`, or None if it has none."""
    requirement = Requirement(text)
    if canonicalize_name(requirement.name) != name or not str(requirement.specifier):
        return None
    marker = str(requirement.marker or "")
    return Demand(of=of, name=name, specifier=str(requirement.specifier), marker=marker)
