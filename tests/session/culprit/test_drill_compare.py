"""Comparing what carries a change with what it was before, with made-up releases and real git."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from support.builders import failed, target
from support.local_repository import BARE_CONFIGURATION, LocalRepository
from support.services import FakeIndex, FakeRepositories, fake_services, never

from bisect_asgi.backend.release_contents import read_file
from bisect_asgi.backend.repository import Repository, remote_tags
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BisectError, BuildFailed, Unavailable, Unresolvable, UsageError
from bisect_asgi.core.events import Compared
from bisect_asgi.core.model import Distribution, Interpreter, Move, Observation
from bisect_asgi.core.records import replace
from bisect_asgi.core.release_diff import Contents, LinkKind, Metadata
from bisect_asgi.core.services import Services
from bisect_asgi.session.culprit.drill import compare_releases

PYTHON = target("3.8.18").interpreter
MOVE = Move(name="demo", old="1.0", new="1.2")
PLACE = "https://git.example.org/team/demo"
LINKS = (("Home", "https://example.org"), ("Source", f"{PLACE}/-/tree/main"))
CHANGELOG = "# Changes\n\n## 1.2\n\nescape is gone\n\n## 1.1\n\nescape is late\n\n## 1.0\n\nescape is there\n"
EXCERPT = "## 1.2\n\nescape is gone\n\n## 1.1\n\nescape is late"


def contents(
    version: str,
    files: Mapping[str, str],
    *,
    requires: Sequence[str] = (),
    urls: Sequence[tuple[str, str]] = (),
    description: str = "",
) -> Contents:
    return Contents(
        metadata=Metadata(
            name="demo",
            version=version,
            requires=tuple(requires),
            urls=tuple(urls),
            description=description,
        ),
        files=tuple(read_file(path, text.encode()) for path, text in files.items()),
    )


OLD = contents("1.0", {"demo/a.py": "a = 1\n", "demo/b.py": "b = 1\n"}, requires=["dep>=1"])
NEW = contents("1.2", {"demo/a.py": "a = 2\na = 3\n", "demo/b.py": "b = 2\n"}, requires=["dep>=2"])


class Shelf:
    """The made-up releases, and which were asked for."""

    def __init__(self, *releases: Contents) -> None:
        self.releases = {release.metadata.version: release for release in releases}
        self.asked: list[tuple[Distribution, Interpreter]] = []

    def __call__(self, distribution: Distribution, interpreter: Interpreter) -> Contents:
        self.asked.append((distribution, interpreter))
        if distribution.version not in self.releases:
            raise Unresolvable(f"there is no version of {distribution}")
        return self.releases[distribution.version]


def compare(
    old: Contents = OLD,
    new: Contents = NEW,
    *,
    failing: Sequence[Observation] = (),
    repository: Repository | None = None,
    contents: Callable[[Distribution, Interpreter], Contents] | None = None,
    changelogs: Callable[[Distribution], Sequence[str]] = lambda _: (),
    tags: Callable[[str], Sequence[str]] = lambda _: (),
) -> Compared:
    there = services(contents or Shelf(old, new), changelogs, tags)
    return compare_releases(MOVE, PYTHON, failing, there, repository)


def services(
    contents: Callable[[Distribution, Interpreter], Contents],
    changelogs: Callable[[Distribution], Sequence[str]] = lambda _: (),
    tags: Callable[[str], Sequence[str]] = lambda _: (),
) -> Services:
    return fake_services(
        index=FakeIndex(contents=contents, changelogs=changelogs), repositories=FakeRepositories(tags=tags)
    )


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRepository:
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)
    return LocalRepository(tmp_path / "work")


def opened(local: LocalRepository) -> Repository:
    return Repository.open(str(local.folder), local.folder.parent / "cache", CancelToken())


# --- What differs


def test_both_releases_are_read_as_the_runs_interpreter_installs_them() -> None:
    shelf = Shelf(OLD, NEW)

    compared = compare(contents=shelf)

    assert shelf.asked == [
        (Distribution(name="demo", version="1.0"), PYTHON),
        (Distribution(name="demo", version="1.2"), PYTHON),
    ]
    assert (compared.name, compared.old, compared.new, compared.problem) == ("demo", "1.0", "1.2", "")
    assert compared.changed is not None
    assert [str(change) for change in compared.changed.requirements] == ["dep >=1 → >=2"]
    # The larger change first, as nothing says that one of them is where it fails.
    assert [file.path for file in compared.changed.files] == ["demo/a.py", "demo/b.py"]


FRAME = ("/env/lib/python3.8/site-packages/demo/b.py", 7, "work")
TRACEBACK = """\
Traceback (most recent call last):
  File "leak.py", line 3, in <module>
    demo.work()
  File "/env/lib/python3.8/site-packages/demo/b.py", line 7, in work
ImportError: it does not work
"""
ELSEWHERE = failed(output='  File "/env/lib/python3.8/site-packages/other.py", line 1, in other\n')


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param([replace(failed(), frames=(FRAME,))], id="an-exceptions-own"),
        pytest.param([failed(output=TRACEBACK)], id="what-was-printed"),
        pytest.param([replace(failed(), stacks=TRACEBACK)], id="where-it-hung"),
        pytest.param([failed(), failed(output=TRACEBACK)], id="the-second-run-has-them"),
        pytest.param([replace(ELSEWHERE, frames=(FRAME,))], id="the-exception-before-the-output"),
        pytest.param([replace(ELSEWHERE, stacks=TRACEBACK)], id="the-stacks-before-the-output"),
    ],
)
def test_the_files_in_the_failing_runs_traceback_come_first(failing: list[Observation]) -> None:
    changed = compare(failing=failing).changed

    assert changed is not None
    assert [(file.path, file.lines) for file in changed.files] == [("demo/b.py", (7,)), ("demo/a.py", ())]


@pytest.mark.parametrize(
    "error",
    [
        Unresolvable("demo==1.0 has no wheel for Python 3.8"),
        BuildFailed("its setup.py fails"),
        Unavailable("the index did not answer"),
    ],
)
def test_releases_that_cannot_be_had_are_said_and_not_compared(error: Exception) -> None:
    def fails(*_: object) -> Contents:
        raise error

    compared = compare(contents=fails, tags=never, changelogs=never)

    assert compared == Compared(name="demo", old="1.0", new="1.2", problem=str(error))


@pytest.mark.parametrize(("old", "new"), [(None, "1.2"), ("1.0", None)])
def test_what_came_or_went_has_nothing_to_be_compared_with(old: str | None, new: str | None) -> None:
    move = Move(name="demo", old=old, new=new)

    compared = compare_releases(move, PYTHON, [], services(never, never, never))

    assert compared == Compared(name="demo", old=old or "", new=new or "")


# --- Links


def test_the_forge_compares_the_tags_of_both_releases() -> None:
    asked: list[str] = []

    def tags(where: str) -> Sequence[str]:
        asked.append(where)
        return ("v1.0", "v1.1", "v1.2", "other-1.2")

    compared = compare(new=replace_urls(NEW, LINKS), tags=tags)

    assert asked == [PLACE]
    assert compared.repository == PLACE
    assert compared.comparison == f"{PLACE}/-/compare/v1.0...v1.2"
    assert [(link.kind, link.address) for link in compared.links] == [
        (LinkKind.SOURCE, f"{PLACE}/-/tree/main"),
        (LinkKind.HOME, "https://example.org"),
    ]


def replace_urls(release: Contents, urls: Sequence[tuple[str, str]]) -> Contents:
    return replace(release, metadata=replace(release.metadata, urls=tuple(urls)))


def test_the_older_releases_link_serves_where_the_newer_one_has_none() -> None:
    compared = compare(old=replace_urls(OLD, LINKS), tags=lambda _: ("1.0", "1.2"))

    assert compared.repository == PLACE
    assert compared.comparison == f"{PLACE}/-/compare/1.0...1.2"
    assert compared.links == ()


@pytest.mark.parametrize("tags", [(), ("v1.0",), ("v1.2",), ("v1.0", "v1.20")])
def test_without_both_tags_there_is_no_comparison(tags: tuple[str, ...]) -> None:
    compared = compare(new=replace_urls(NEW, LINKS), tags=lambda _: tags)

    assert (compared.repository, compared.comparison) == (PLACE, None)
    assert compared.changed is not None


@pytest.mark.parametrize("error", [Unavailable("it does not answer"), UsageError("it is not there")])
def test_a_forge_that_gives_no_tags_costs_the_comparison_alone(error: BisectError) -> None:
    def tags(_: str) -> Sequence[str]:
        raise error

    compared = compare(new=replace_urls(NEW, LINKS), tags=tags)

    assert (compared.repository, compared.comparison, compared.problem) == (PLACE, None, "")
    assert compared.changed is not None


def test_nobody_is_asked_for_tags_where_no_repository_is_linked() -> None:
    compared = compare(tags=never)

    assert (compared.repository, compared.comparison) == (None, None)


def test_the_tags_are_those_of_the_repository_that_the_user_names(local: LocalRepository) -> None:
    local.commit("one", "release-1.0")
    local.commit("two", "release-1.2")

    compared = compare(new=replace_urls(NEW, LINKS), repository=opened(local), tags=never)

    assert compared.comparison == f"{PLACE}/-/compare/release-1.0...release-1.2"


# --- Changelogs


def with_file(release: Contents, path: str, text: str) -> Contents:
    return replace(release, files=(*release.files, read_file(path, text.encode())))


@pytest.mark.parametrize("path", ["CHANGELOG.md", "demo/CHANGES.md", "docs/history.md"])
def test_a_changelog_in_the_newer_release_serves_and_its_sdist_is_not_fetched(path: str) -> None:
    compared = compare(new=with_file(NEW, path, CHANGELOG), changelogs=never)

    assert compared.changelog == EXCERPT


def test_a_changelog_in_the_description_serves_and_the_sdist_is_not_fetched() -> None:
    new = replace(NEW, metadata=replace(NEW.metadata, description=f"A demo.\n\n{CHANGELOG}"))

    assert compare(new=new, changelogs=never).changelog == EXCERPT


def test_a_changelog_of_the_older_release_says_nothing_of_the_newer_one() -> None:
    assert compare(old=with_file(OLD, "CHANGELOG.md", CHANGELOG)).changelog is None


def test_what_was_taken_back_by_a_downgrade_is_no_news() -> None:
    down = Move(name="demo", old="1.2", new="1.0")
    there = services(Shelf(with_file(OLD, "CHANGELOG.md", CHANGELOG), NEW))

    compared = compare_releases(down, PYTHON, [], there)

    assert (compared.changelog, compared.problem) == (None, "")
    assert compared.changed is not None


def test_the_sdist_of_the_newer_release_is_looked_at_where_the_rest_says_nothing() -> None:
    asked: list[Distribution] = []

    def changelogs(distribution: Distribution) -> Sequence[str]:
        asked.append(distribution)
        return ("see the web site\n", CHANGELOG)

    compared = compare(new=with_file(NEW, "CHANGELOG.md", "see the sdist\n"), changelogs=changelogs)

    assert compared.changelog == EXCERPT
    assert asked == [Distribution(name="demo", version="1.2")]


@pytest.mark.parametrize("error", [Unavailable("the index did not answer"), UsageError("no such project")])
def test_a_changelog_is_worth_no_error(error: BisectError) -> None:
    def fails(_: Distribution) -> Sequence[str]:
        raise error

    compared = compare(changelogs=fails)

    assert (compared.changelog, compared.problem) == (None, "")
    assert compared.changed is not None


def test_the_named_repository_is_the_last_place_to_look_at_its_newer_tag(local: LocalRepository) -> None:
    local.commit("one", "v1.0")
    local.put("docs/changes.md", CHANGELOG)
    local.put("CHANGES", "see docs\n")
    local.commit("two", "v1.2")
    local.put("docs/changes.md", "## 1.2\n\nas it was told later\n")
    local.commit("three")

    assert compare(repository=opened(local)).changelog == EXCERPT


def test_an_sdists_changelog_goes_before_the_repositorys(local: LocalRepository) -> None:
    local.commit("one", "v1.0")
    local.put("CHANGES.md", "## 1.2\n\nin the repository\n")
    local.commit("two", "v1.2")

    compared = compare(repository=opened(local), changelogs=lambda _: (CHANGELOG,))

    assert compared.changelog == EXCERPT


def test_a_file_that_a_copy_lacks_is_passed_over(local: LocalRepository) -> None:
    local.commit("one", "v1.0")
    local.put("CHANGES.md", "## 1.2\n\nthis one is lost\n")
    local.put("docs/changes.md", CHANGELOG)
    local.commit("two", "v1.2")
    lose(local, "CHANGES.md")

    assert compare(repository=opened(local)).changelog == EXCERPT


def lose(local: LocalRepository, path: str) -> None:
    """Remove a file's content from the repository, as a partial clone is without it."""
    blob = local.git("rev-parse", f"HEAD:{path}")
    (local.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()


# --- What a repository is asked for here


def test_the_files_of_a_commit_are_those_of_its_whole_tree(local: LocalRepository) -> None:
    for path in ("a.txt", "docs/deep/naïve.md", "odd\nname\t.txt", "with space"):
        local.put(path, "")
    local.commit("one", "v1.0")
    local.put("later.txt", "")
    local.commit("two")

    assert set(opened(local).files("v1.0")) == {
        "a.txt",
        "docs/deep/naïve.md",
        "odd\nname\t.txt",
        "with space",
    }


def test_a_commit_without_files_has_none(local: LocalRepository) -> None:
    local.commit("empty", "v0")

    assert opened(local).files("v0") == ()


def test_a_text_is_as_it_was_at_the_commit_whatever_lies_in_the_folder(local: LocalRepository) -> None:
    local.put("docs/naïve.md", "first\n\n\ttab, é\n")
    local.commit("one", "v1.0")
    local.put("docs/naïve.md", "second")

    assert opened(local).text("v1.0", "docs/naïve.md") == "first\n\n\ttab, é\n"


@pytest.mark.parametrize(
    ("ref", "path", "told"),
    [
        ("v1.0", "gone.md", "path 'gone.md' does not exist"),
        ("v1.0", "lost.md", ":lost.md"),
        ("v9.9", "a.md", "no tag, branch or commit `v9.9`"),
    ],
)
def test_a_text_that_is_not_there_is_said_with_its_name(
    local: LocalRepository, ref: str, path: str, told: str
) -> None:
    local.put("a.md", "")
    local.put("lost.md", "lost")
    local.commit("one", "v1.0")
    lose(local, "lost.md")

    with pytest.raises(BisectError) as caught:
        opened(local).text(ref, path)

    assert told in str(caught.value)
    assert caught.value.hint


TAGS = ("rel/1.1", "v1.0", "v2.0-annotated")


def test_the_tags_of_an_address_are_asked_for_without_cloning(local: LocalRepository) -> None:
    local.commit("one", "v1.0", "rel/1.1")
    local.git("tag", "--annotate", "--message", "a note", "v2.0-annotated")
    local.git("branch", "v3.0")

    assert sorted(remote_tags(local.folder.as_uri(), CancelToken())) == sorted(TAGS)
    assert [path.name for path in local.folder.parent.iterdir()] == ["work"]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        pytest.param(lambda folder: folder.joinpath("nowhere").as_uri(), UsageError, id="no-repository"),
        pytest.param(lambda folder: "unknown-protocol://example.org/x", Unavailable, id="no-protocol"),
        pytest.param(lambda folder: f"--upload-pack=touch {folder}/opened", Unavailable, id="an-option"),
        pytest.param(lambda folder: f"ext::touch {folder}/opened", Unavailable, id="a-command"),
    ],
)
def test_an_address_that_gives_no_tags_is_named_and_runs_nothing(
    tmp_path: Path, make: Callable[[Path], str], error: type[BisectError]
) -> None:
    where = make(tmp_path)

    with pytest.raises(error, match=re.escape(where)):
        remote_tags(where, CancelToken())

    assert list(tmp_path.iterdir()) == []
