"""A project's own links, and where its forge compares two tags.

Addresses come out of metadata that anybody may have written. Only `http` and `https` ones with a plain host
are ever given back.

Projects spell their tags as they like (`1.2.0`, `v1.2`, `release/1.2.0`, `rel_1_2_0`, `name-v1.2.0`), and a
repository of several projects has tags of all of them. A tag is read as an optional project's name, an
optional word for a release, and a version; nothing else may be in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, urlsplit

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.core.release_diff import Link, LinkKind, Metadata

_HOSTS = {
    "github.com": "github",
    "codeberg.org": "github",  # Forgejo and Gitea have GitHub's paths
    "gitlab.com": "gitlab",
    "bitbucket.org": "bitbucket",
    "git.sr.ht": "sourcehut",
    "hg.sr.ht": "sourcehut",
    "sr.ht": "sourcehut",
}
# The forges' own pages, which are nobody's.
_NO_OWNERS = frozenset({"sponsors", "orgs", "features", "marketplace", "topics", "apps", "about"})
# GitLab's pages of a repository: groups have groups in them, so its root may be at any depth.
_PAGES = frozenset(
    (
        *("issues", "tree", "blob", "raw", "releases", "tags", "merge_requests", "wikis"),
        *("commits", "commit", "compare", "archive", "branches", "blame"),
    )
)
# Matched with letters and digits of the label only, in lower case, as the index's well-known labels are.
_LABELS = {
    LinkKind.CHANGELOG: "changelog|^change|changes$|release|history|whatsnew|^news$",
    LinkKind.ISSUES: "issue|bug|tracker|ticket",
    LinkKind.SOURCE: "source|^repo|repository|^code$|^git$|^(github|gitlab|bitbucket|codeberg)|^development$",
    LinkKind.DOCUMENTATION: "^doc",
    LinkKind.HOME: "^home|website",
}
_PATHS = {
    LinkKind.CHANGELOG: r"/(?:changelog|changes|history|news|release(?:s|[-_]notes)|whats[-_]?new)[^/]*/?$",
    LinkKind.ISSUES: r"/(?:issues|bugs)/?$",
}
_UNSAFE = re.compile(r"[\s<>\"'`\\]")


def links(metadata: Metadata) -> tuple[Link, ...]:
    """The project's links, the changelog first; an address that is given twice counts once."""
    found: dict[str, Link] = {}
    for label, address in _given(metadata):
        if _is_safe(address):
            link = Link(label=label, address=address, kind=_kind(label, address))
            found.setdefault(address.rstrip("/"), link)
    return tuple(sorted(found.values(), key=lambda link: list(LinkKind).index(link.kind)))


def repository(metadata: Metadata) -> str | None:
    """The address of the repository's root, where the project links into one on a forge that is known."""
    given = links(metadata)
    for wanted in (LinkKind.SOURCE, LinkKind.HOME, None):
        for link in given:
            if wanted in (link.kind, None) and (root := _root(link.address)):
                return root
    return None


def comparison(repository: str, old_tag: str, new_tag: str) -> str | None:
    """Where the forge shows what is between two tags of a repository, given as `repository` gives it.

    None where the forge has no such page.
    """
    if not _is_safe(repository):
        return None
    # On a host of its own only GitLab is recognised, by its paths.
    forge = _HOSTS.get(_host(repository), "gitlab")
    root, old, new = repository.rstrip("/"), quote(old_tag), quote(new_tag)
    match forge:
        case "github":
            return f"{root}/compare/{old}...{new}"
        case "gitlab":
            return f"{root}/-/compare/{old}...{new}"
        case "bitbucket":
            return f"{root}/branches/compare/{new}..{old}"
        case _:
            return None


def _given(metadata: Metadata) -> Iterator[tuple[str, str]]:
    yield from ((label.strip(), address.strip()) for label, address in metadata.urls)
    for label, address in (("Home-page", metadata.home_page), ("Download-URL", metadata.download_url)):
        if address:
            yield label, address.strip()


def _is_safe(address: str) -> bool:
    """Tell whether an address is one to be shown: http(s), a host, and no name that hides it."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(host)
        and "@" not in parts.netloc
        and address.isprintable()
        and not _UNSAFE.search(address)
    )


def _host(address: str) -> str:
    return (urlsplit(address).hostname or "").removeprefix("www.")


def _kind(label: str, address: str) -> LinkKind:
    """By the label's words, then by the address; a home page that is a repository is its source."""
    word = re.sub(r"[^a-z0-9]", "", label.lower())
    path = urlsplit(address).path.lower()
    named = [kind for kind, pattern in _LABELS.items() if re.search(pattern, word)]
    named += [kind for kind, pattern in _PATHS.items() if re.search(pattern, path)]
    kind = named[0] if named else LinkKind.OTHER
    return LinkKind.SOURCE if kind in (LinkKind.HOME, LinkKind.OTHER) and _is_root(address) else kind


def _is_root(address: str) -> bool:
    path = urlsplit(address).path.strip("/").removesuffix(".git")
    root = _root(address)
    return root is not None and path == urlsplit(root).path[1:]


def _root(address: str) -> str | None:
    """The repository's root that an address lies in."""
    parts = [part for part in urlsplit(address).path.split("/") if part]
    host = _host(address)
    forge = _HOSTS.get(host)
    if forge is None and "-" not in parts:
        return None
    if forge in (None, "gitlab"):
        ends = (place for place, part in enumerate(parts) if part == "-" or (place >= 2 and part in _PAGES))
        parts = parts[: next(ends, len(parts))]
    else:
        parts = parts[:2]
    if len(parts) < 2 or parts[0] in _NO_OWNERS:
        return None
    origin = f"https://{host}" if forge else "{0.scheme}://{0.netloc}".format(urlsplit(address))
    return f"{origin}/{'/'.join(parts).removesuffix('.git')}"


_WORDS = r"(?:(?:version|ver|v|release|rel)[-_./]*){0,2}"
_SEPARATOR = r"(?:[-_./@:]|==?)"


def tag_of(version: str, project: str, tags: Iterable[str]) -> str | None:
    """Return the tag of a release; None: no tag is spelled as one of it.

    A tag with the project's name wins over one without any name, the version as it is spelled over an
    equal one (`1.2` equals `1.2.0`, PEP 440), and a short tag over a long one. Names are compared
    normalised (PEP 503); a tag with another project's name is never that of the release.
    """
    pattern = _pattern(project)
    ranked = ((_rank(match, version), match.string) for tag in tags if (match := pattern.fullmatch(tag)))
    found = [(rank, len(tag), tag) for rank, tag in ranked if rank]
    return min(found)[-1] if found else None


def _pattern(project: str) -> re.Pattern[str]:
    name = "[-_.]+".join(map(re.escape, canonicalize_name(project).split("-")))
    named = rf"(?:{_WORDS}(?P<name>{name}){_SEPARATOR})?"
    return re.compile(rf"{named}{_WORDS}(?P<version>\d.*)", re.IGNORECASE)


def _rank(match: re.Match[str], version: str) -> tuple[bool, bool] | None:
    """How well a tag suits the version, the lowest best; None: it is of another."""
    named, text = match["name"] is not None, match["version"]
    if text == version:
        return not named, False
    return (not named, True) if _is_equal(_dotted(text, named=named), version) else None


def _dotted(text: str, *, named: bool) -> str:
    """Put dots where the tag has underscores or dashes for them."""
    if "." in text:
        return text
    if re.fullmatch(r"\d+(?:-\d+){2,}", text) and not named:  # `demo-2-1-0` may be a 1-0 of `demo-2`
        return text.replace("-", ".")
    return text.replace("_", ".")


def _is_equal(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False
