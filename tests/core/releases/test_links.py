"""A project's links, its repository, and where two tags are compared."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisect_asgi.core import codec
from bisect_asgi.core.release_diff import Link, LinkKind, Metadata
from bisect_asgi.core.releases.links import commit_page, comparison, links, repository

reproducible = settings(derandomize=True, deadline=None, max_examples=200)


def metadata(*urls: tuple[str, str], home: str | None = None, download: str | None = None) -> Metadata:
    return Metadata(name="demo", version="1.0", urls=urls, home_page=home, download_url=download)


@pytest.mark.parametrize(
    ("label", "address", "kind"),
    [
        pytest.param("Changelog", "https://example.org/x", LinkKind.CHANGELOG, id="changelog"),
        pytest.param("Changes", "https://example.org/x", LinkKind.CHANGELOG, id="changes"),
        pytest.param("Change Log", "https://example.org/x", LinkKind.CHANGELOG, id="two-words"),
        pytest.param("Release notes", "https://example.org/x", LinkKind.CHANGELOG, id="release-notes"),
        pytest.param("What's New", "https://example.org/x", LinkKind.CHANGELOG, id="what-is-new"),
        pytest.param("x", "https://example.org/CHANGES.rst", LinkKind.CHANGELOG, id="changelog-by-address"),
        pytest.param("x", "https://github.com/o/demo/releases", LinkKind.CHANGELOG, id="releases-by-address"),
        pytest.param("Stack Exchange", "https://example.org/x", LinkKind.OTHER, id="exchange"),
        pytest.param("Newsletter", "https://example.org/x", LinkKind.OTHER, id="newsletter"),
        pytest.param("Source Code", "https://example.org/x", LinkKind.SOURCE, id="source"),
        pytest.param("Repository", "https://example.org/x", LinkKind.SOURCE, id="repository"),
        pytest.param("GitHub", "https://example.org/x", LinkKind.SOURCE, id="github"),
        pytest.param("Gitter", "https://example.org/x", LinkKind.OTHER, id="gitter"),
        pytest.param("x", "https://github.com/o/demo", LinkKind.SOURCE, id="source-by-address"),
        pytest.param("Homepage", "https://github.com/o/demo.git", LinkKind.SOURCE, id="home-is-the-source"),
        pytest.param(
            "Homepage", "https://github.com/o/demo/wiki", LinkKind.HOME, id="home-in-the-repository"
        ),
        pytest.param("Homepage", "https://example.org/", LinkKind.HOME, id="home"),
        pytest.param("Bug Tracker", "https://github.com/o/demo", LinkKind.ISSUES, id="issues"),
        pytest.param("Report an issue", "https://example.org/x", LinkKind.ISSUES, id="report"),
        pytest.param("x", "https://github.com/o/demo/issues/", LinkKind.ISSUES, id="issues-by-address"),
        pytest.param("Documentation", "https://example.org/x", LinkKind.DOCUMENTATION, id="documentation"),
        pytest.param("Donate", "https://github.com/sponsors/o", LinkKind.OTHER, id="sponsors"),
        pytest.param("", "https://example.org/x", LinkKind.OTHER, id="no-label"),
    ],
)
def test_what_a_link_leads_to_is_told_by_its_label_then_by_its_address(
    label: str, address: str, kind: LinkKind
) -> None:
    assert links(metadata((label, address))) == (Link(label=label, address=address, kind=kind),)


def test_links_come_with_the_changelog_first_and_each_address_once() -> None:
    found = links(
        metadata(
            ("Chat", "https://example.org/chat"),
            ("Source", " https://github.com/o/demo "),
            ("Changelog", "https://example.org/changes"),
            home="https://github.com/o/demo/",
            download="https://example.org/files",
        )
    )

    assert [(link.label, link.address) for link in found] == [
        ("Changelog", "https://example.org/changes"),
        ("Source", "https://github.com/o/demo"),
        ("Chat", "https://example.org/chat"),
        ("Download-URL", "https://example.org/files"),
    ]


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("git+https://github.com/o/demo", id="git"),
        pytest.param("git@github.com:o/demo.git", id="ssh"),
        pytest.param("ftp://example.org/demo", id="ftp"),
        pytest.param("//example.org/demo", id="no-scheme"),
        pytest.param("UNKNOWN", id="unknown"),
        pytest.param("", id="empty"),
        pytest.param("https://", id="no-host"),
        pytest.param("https://[::1/demo", id="malformed"),
        pytest.param("https://github.com@example.org/o/demo", id="a-name-that-hides-the-host"),
        pytest.param("https://example.org/a b", id="a-blank"),
        pytest.param("https://example.org/\x1b[2J", id="a-control-character"),
        pytest.param('https://example.org/"><script>', id="mark-up"),
        pytest.param("https:\\\\example.org", id="backslashes"),
    ],
)
def test_an_address_that_is_not_plainly_http_is_never_shown(address: str) -> None:
    given_there = metadata(("Source", address), home=address, download=address)

    assert links(given_there) == ()
    assert repository(given_there) is None
    assert comparison(address, "1.0", "1.1") is None


@reproducible
@given(st.text(max_size=30), st.text(max_size=60) | st.from_regex(r"https?://[\x20-\x7e]{0,40}"))
def test_whatever_the_metadata_says_only_http_is_given_back(label: str, address: str) -> None:
    given_there = metadata((label, address), home=address)

    shown = [link.address for link in links(given_there)]
    root = repository(given_there)

    assert all(text.lower().startswith(("http://", "https://")) and text.isprintable() for text in shown)
    assert root is None or root.lower().startswith(("http://", "https://"))


@pytest.mark.parametrize(
    ("address", "root"),
    [
        pytest.param("https://github.com/o/demo", "https://github.com/o/demo", id="github"),
        pytest.param("http://www.github.com/o/demo.git", "https://github.com/o/demo", id="github-clone"),
        pytest.param("https://github.com/o/demo/issues", "https://github.com/o/demo", id="github-issues"),
        pytest.param("https://github.com/o/demo/tree/v1/a/b", "https://github.com/o/demo", id="github-tree"),
        pytest.param("https://github.com/o/demo#readme", "https://github.com/o/demo", id="github-readme"),
        pytest.param("https://github.com/o", None, id="github-owner"),
        pytest.param("https://github.com/sponsors/o", None, id="github-sponsors"),
        pytest.param("https://gist.github.com/o/1234", None, id="github-gist"),
        pytest.param("https://gitlab.com/g/demo", "https://gitlab.com/g/demo", id="gitlab"),
        pytest.param("https://gitlab.com/g/sub/demo/", "https://gitlab.com/g/sub/demo", id="gitlab-subgroup"),
        pytest.param(
            "https://gitlab.com/g/sub/demo/-/issues", "https://gitlab.com/g/sub/demo", id="gitlab-issues"
        ),
        pytest.param("https://gitlab.com/g/demo/blob/main/x", "https://gitlab.com/g/demo", id="gitlab-old"),
        pytest.param(
            "http://git.example.org:8443/g/sub/demo/-/tree/main/docs",
            "http://git.example.org:8443/g/sub/demo",
            id="self-hosted-gitlab",
        ),
        pytest.param("https://git.example.org/-/profile", None, id="self-hosted-nobodys"),
        pytest.param("https://git.example.org/g/demo", None, id="unknown-host"),
        pytest.param("https://bitbucket.org/o/demo/src/main", "https://bitbucket.org/o/demo", id="bitbucket"),
        pytest.param("https://codeberg.org/o/demo/src/x", "https://codeberg.org/o/demo", id="codeberg"),
        pytest.param("https://git.sr.ht/~o/demo/tree", "https://git.sr.ht/~o/demo", id="sourcehut"),
        pytest.param("https://example.org", None, id="no-path"),
    ],
)
def test_the_repository_is_the_root_of_what_is_linked_into(address: str, root: str | None) -> None:
    assert repository(metadata(("Source", address))) == root


@pytest.mark.parametrize(
    ("given_there", "root"),
    [
        pytest.param(
            metadata(("Docs", "https://github.com/o/docs"), ("Source", "https://github.com/o/demo")),
            "https://github.com/o/demo",
            id="the-source-link",
        ),
        pytest.param(
            metadata(("Issues", "https://github.com/o/tracker"), home="https://github.com/o/demo/wiki"),
            "https://github.com/o/demo",
            id="then-the-home-page",
        ),
        pytest.param(
            metadata(("Issues", "https://github.com/o/demo/issues"), home="https://example.org"),
            "https://github.com/o/demo",
            id="then-any",
        ),
        pytest.param(metadata(), None, id="no-links"),
    ],
)
def test_the_repository_is_looked_for_in_the_source_link_first(
    given_there: Metadata, root: str | None
) -> None:
    assert repository(given_there) == root


@pytest.mark.parametrize(
    ("root", "address"),
    [
        pytest.param(
            "https://github.com/o/demo", "https://github.com/o/demo/compare/v1.0...v1.1", id="github"
        ),
        pytest.param(
            "https://codeberg.org/o/demo/", "https://codeberg.org/o/demo/compare/v1.0...v1.1", id="codeberg"
        ),
        pytest.param(
            "https://gitlab.com/g/s/demo", "https://gitlab.com/g/s/demo/-/compare/v1.0...v1.1", id="gitlab"
        ),
        pytest.param(
            "https://git.example.org/g/demo",
            "https://git.example.org/g/demo/-/compare/v1.0...v1.1",
            id="self-hosted-gitlab",
        ),
        pytest.param(
            "https://bitbucket.org/o/demo",
            "https://bitbucket.org/o/demo/branches/compare/v1.1..v1.0",
            id="bitbucket-has-the-newer-one-first",
        ),
        pytest.param("https://git.sr.ht/~o/demo", None, id="sourcehut-has-none"),
        pytest.param("/srv/git/demo", None, id="a-folder"),
    ],
)
def test_each_forge_compares_in_its_own_form(root: str, address: str | None) -> None:
    assert comparison(root, "v1.0", "v1.1") == address


@pytest.mark.parametrize(
    ("address", "page"),
    [
        pytest.param("https://github.com/o/demo", "https://github.com/o/demo/commit/12ab", id="github"),
        pytest.param("git@github.com:o/demo.git", "https://github.com/o/demo/commit/12ab", id="scp"),
        pytest.param("ssh://git@codeberg.org/o/demo", "https://codeberg.org/o/demo/commit/12ab", id="ssh"),
        pytest.param(
            "https://u:secret@gitlab.com/g/s/demo.git",
            "https://gitlab.com/g/s/demo/-/commit/12ab",
            id="gitlab-and-a-password",
        ),
        pytest.param(
            "https://bitbucket.org/o/demo", "https://bitbucket.org/o/demo/commits/12ab", id="bitbucket"
        ),
        pytest.param("https://git.sr.ht/~o/demo", "https://git.sr.ht/~o/demo/commit/12ab", id="sourcehut"),
        pytest.param("https://git.example.org/o/demo", None, id="a-host-that-is-not-known"),
        pytest.param("https://github.com/o", None, id="no-repository"),
        pytest.param("https://github.com/o/<b>", None, id="not-safe"),
        pytest.param("/srv/git/demo", None, id="a-folder"),
    ],
)
def test_each_forge_has_its_page_of_a_commit(address: str, page: str | None) -> None:
    assert commit_page(address, "12ab") == page


def test_tags_are_quoted_in_an_address() -> None:
    address = comparison("https://github.com/o/demo", "release/1.0 b", "1.1#<b>")

    assert address == "https://github.com/o/demo/compare/release/1.0%20b...1.1%23%3Cb%3E"


def test_links_are_read_back_from_json() -> None:
    link = Link(label="Source", address="https://example.org", kind=LinkKind.SOURCE)

    assert codec.from_json(codec.to_json(link), Link) == link
