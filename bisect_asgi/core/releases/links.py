"""Read the links of a project from its metadata, and find the page that compares two of its tags.

Anybody may have written the metadata. Only `http` and `https` addresses with a plain host are returned.

Projects spell their tags in many ways (`1.2.0`, `v1.2`, `release/1.2.0`, `rel_1_2_0`, `name-v1.2.0`), and a
repository of several projects has the tags of all. A tag is read as an optional name of a project, an
optional word for a release, and a version. A tag with anything else in it is not that of a release.
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
    "codeberg.org": "github",  # Forgejo and Gitea have the paths of GitHub
    "gitlab.com": "gitlab",
    "bitbucket.org": "bitbucket",
    "git.sr.ht": "sourcehut",
    "hg.sr.ht": "sourcehut",
    "sr.ht": "sourcehut",
}
# Paths of the forges themselves, which are not the names of owners.
_NO_OWNERS = frozenset({"sponsors", "orgs", "features", "marketplace", "topics", "apps", "about"})
# The pages of a repository on GitLab. They show where its path ends, because groups may be nested.
_PAGES = frozenset(
    (
        *("issues", "tree", "blob", "raw", "releases", "tags", "merge_requests", "wikis"),
        *("commits", "commit", "compare", "archive", "branches", "blame"),
    )
)
# These match a label normalized as in PEP 753: letters and digits only, in lower case.
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
    """Return the links of the project, the changelog first, each address once."""
    by_address: dict[str, Link] = {}
    for label, address in _given(metadata):
        if _is_safe(address):
            link = Link(label=label, address=address, kind=_kind(label, address))
            by_address.setdefault(address.rstrip("/"), link)
    return tuple(sorted(by_address.values(), key=lambda link: list(LinkKind).index(link.kind)))


def repository(metadata: Metadata) -> str | None:
    """Return the address of the project's repository, or None if no link leads into one on a known forge."""
    all_links = links(metadata)
    for kind in (LinkKind.SOURCE, LinkKind.HOME, None):
        for link in all_links:
            if kind in (link.kind, None) and (root := _root(link.address)):
                return root
    return None


def comparison(repository: str, old_tag: str, new_tag: str) -> str | None:
    """Return the address of the page that compares two tags, or None if the forge has no such page.

    `repository` is an address that the function of that name returned.
    """
    if not _is_safe(repository):
        return None
    # On an unknown host, `_root` recognizes only GitLab, by its paths.
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


def commit_page(address: str, sha: str) -> str | None:
    """Return the page of a commit in the repository that was cloned from `address`, or None if not known."""
    if "://" not in address:  # as in `git@example.org:owner/name.git`
        address = f"ssh://{address.replace(':', '/', 1)}"
    forge = _HOSTS.get(_host(address))
    root = _root(address) if forge else None
    page = {"gitlab": "-/commit", "bitbucket": "commits"}.get(forge or "", "commit")
    return f"{root}/{page}/{sha}" if root and _is_safe(root) else None


def _given(metadata: Metadata) -> Iterator[tuple[str, str]]:
    yield from ((label.strip(), address.strip()) for label, address in metadata.urls)
    for label, address in (("Home-page", metadata.home_page), ("Download-URL", metadata.download_url)):
        if address:
            yield label, address.strip()


def _is_safe(address: str) -> bool:
    """Return whether an address may be shown: it is http(s), and nothing in it can hide its host."""
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
    """Return the kind by the label, else by the address. A home page that is a repository is its source."""
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
    """Return the address of the repository that an address is in, or None if it is in none."""
    parts = [part for part in urlsplit(address).path.split("/") if part]
    host = _host(address)
    forge = _HOSTS.get(host)
    if forge is None and "-" not in parts:
        return None
    if forge in (None, "gitlab"):
        ends = (index for index, part in enumerate(parts) if part == "-" or (index >= 2 and part in _PAGES))
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
    """Return the tag of a release, or None if there is none.

    A tag with the project's name is preferred to one without a name, a version that is spelled the same to
    one that is equal (`1.2` equals `1.2.0`, PEP 440), and a short tag to a long one. Names are compared
    normalized (PEP 503). A tag with the name of another project is never that of the release.
    """
    pattern = _pattern(project)
    ranked = ((_rank(match, version), match.string) for tag in tags if (match := pattern.fullmatch(tag)))
    suitable = [(rank, len(tag), tag) for rank, tag in ranked if rank]
    return min(suitable)[-1] if suitable else None


def _pattern(project: str) -> re.Pattern[str]:
    name = "[-_.]+".join(map(re.escape, canonicalize_name(project).split("-")))
    named = rf"(?:{_WORDS}(?P<name>{name}){_SEPARATOR})?"
    return re.compile(rf"{named}{_WORDS}(?P<version>\d.*)", re.IGNORECASE)


def _rank(match: re.Match[str], version: str) -> tuple[bool, bool] | None:
    """Return how well a tag suits the version, the least being the best, or None if it does not."""
    named, text = match["name"] is not None, match["version"]
    if text == version:
        return not named, False
    return (not named, True) if _is_equal(_dotted(text, named=named), version) else None


def _dotted(text: str, *, named: bool) -> str:
    """Return the version in a tag with dots in place of underscores or dashes."""
    if "." in text:
        return text
    if re.fullmatch(r"\d+(?:-\d+){2,}", text) and not named:  # `demo-2-1-0` may be version 1-0 of `demo-2`
        return text.replace("-", ".")
    return text.replace("_", ".")


def _is_equal(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False
