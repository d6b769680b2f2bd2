"""The commits between two others: in which order, and what each of them is."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from support.local_repository import BEGINNING, LocalRepository, opened

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.services import History


def subjects(history: History) -> list[str]:
    return [commit.subject for commit in history.commits]


def test_commits_come_with_the_older_end_first_and_the_newer_last(
    local: LocalRepository, tmp_path: Path
) -> None:
    local.commit("zero")
    one = local.commit("one", "1.0")
    two = local.commit("two: \x1b[1m a  tab\tand ünïcode")
    three = local.commit("three", "2.0")
    local.commit("four")

    history = opened(local.folder, tmp_path).commits("1.0", "2.0", project="My_Demo", first_parent=True)

    assert [commit.sha for commit in history.commits] == [one, two, three]
    assert subjects(history) == ["one", "two: \x1b[1m a tab and ünïcode", "three"]
    assert [commit.committed - BEGINNING for commit in history.commits] == [
        timedelta(days=day) for day in (1, 2, 3)
    ]
    assert {commit.project for commit in history.commits} == {"my-demo"}
    assert {commit.repository for commit in history.commits} == {str(local.folder)}
    assert not history.forked


def test_what_git_says_of_signatures_is_no_part_of_a_commit(
    local: LocalRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpg = tmp_path / "gpg"
    gpg.write_text(
        "#!/bin/sh\ncat >/dev/null\necho '-----BEGIN PGP SIGNATURE-----'\n"
        "echo 'gpg: good' >&2\necho '[GNUPG:] SIG_CREATED ' >&2\n"
    )
    gpg.chmod(0o755)
    local.git("config", "gpg.program", str(gpg))
    local.git("config", "commit.gpgSign", "true")
    local.git("config", "log.showSignature", "true")
    sha = local.commit("one")

    assert "gpg: good" in local.git("log")
    assert opened(local.folder, tmp_path).commit("main", project="demo").sha == sha


def test_clocks_that_went_wrong_do_not_change_the_order(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("base", "1.0")
    local.now = BEGINNING + timedelta(days=10)
    local.commit("shared")
    local.git("switch", "--quiet", "--create", "topic")
    local.now = BEGINNING - timedelta(days=10)
    local.commit("topic")
    local.git("switch", "--quiet", "main")
    local.now = BEGINNING + timedelta(days=20)
    local.commit("main")
    local.merge("topic", "merge")
    local.git("tag", "2.0")

    history = opened(local.folder, tmp_path).commits("1.0", "2.0", project="demo", first_parent=False)

    assert subjects(history)[:2] == ["base", "shared"]
    assert sorted(subjects(history)[2:4]) == ["main", "topic"]
    assert subjects(history)[4:] == ["merge"]


def diverge_and_merge(local: LocalRepository) -> None:
    """1.0 and 2.0 on main; a branch with two commits was merged between them."""
    local.commit("base", "1.0")
    local.git("switch", "--quiet", "--create", "topic")
    local.commit("topic 1")
    local.commit("topic 2")
    local.git("switch", "--quiet", "main")
    local.commit("main 1")
    local.merge("topic", "merge")
    local.commit("after", "2.0")


def test_parents_come_before_children_also_from_merged_branches(
    local: LocalRepository, tmp_path: Path
) -> None:
    diverge_and_merge(local)
    repository = opened(local.folder, tmp_path)

    commits = repository.commits("1.0", "2.0", project="demo", first_parent=False).commits

    places = {commit.sha: place for place, commit in enumerate(commits)}
    assert len(places) == 6
    assert (commits[0].subject, commits[-1].subject) == ("base", "after")
    for commit in commits[1:]:
        assert all(places[parent] < places[commit.sha] for parent in repository.parents(commit.sha))


def test_what_merges_brought_in_can_be_left_out(local: LocalRepository, tmp_path: Path) -> None:
    diverge_and_merge(local)
    repository = opened(local.folder, tmp_path)

    history = repository.commits("1.0", "2.0", project="demo", first_parent=True)

    assert subjects(history) == ["base", "main 1", "merge", "after"]
    merged = repository.parents(history.commits[2].sha)
    assert merged == (history.commits[1].sha, repository.resolve("topic"))
    assert repository.parents(repository.resolve("1.0")) == ()


@pytest.mark.parametrize(
    ("ref", "files"),
    [
        pytest.param("1.0", [("a.py", 2, 0)], id="the-first-of-all"),
        pytest.param("topic", [("a.py", 1, 1), ("image", None, None), ("sub/b.py", 1, 0)], id="binary"),
        pytest.param("main", [("a.py", 1, 1), ("image", None, None), ("sub/b.py", 1, 0)], id="merge"),
        pytest.param("2.0", [], id="nothing"),
    ],
)
def test_a_commit_is_shown_with_what_it_changes(
    local: LocalRepository, tmp_path: Path, ref: str, files: list[tuple[str, int | None, int | None]]
) -> None:
    local.put("a.py", "1\n2\n")
    local.commit("base", "1.0")
    local.git("switch", "--quiet", "--create", "topic")
    local.put("a.py", "1\n3\n")
    local.put("sub/b.py", "1\n")
    (local.folder / "image").write_bytes(b"\0\1")
    local.commit("topic")
    local.git("switch", "--quiet", "main")
    local.commit("own", "2.0")
    local.merge("topic", "merge")
    repository = opened(local.folder, tmp_path)
    commit = repository.commit(ref, project="demo")

    shown = repository.show(commit)

    assert [(file.path, file.added, file.removed) for file in shown.files] == files
    assert (shown.sha, shown.subject, shown.author) == (commit.sha, commit.subject, "a@b.c")
    assert (shown.committed, shown.link) == (commit.committed, None)


def test_a_commit_is_linked_where_the_clone_came_from(local: LocalRepository, tmp_path: Path) -> None:
    sha = local.commit("one")
    local.git("remote", "add", "origin", "git@github.com:own/demo.git")
    repository = opened(local.folder, tmp_path)

    shown = repository.show(repository.commit("main", project="demo"))

    assert shown.link == f"https://github.com/own/demo/commit/{sha}"


def test_an_end_on_a_branch_of_its_own_is_replaced_by_where_it_left(
    local: LocalRepository, tmp_path: Path
) -> None:
    base = local.commit("base")
    local.git("switch", "--quiet", "--create", "maintenance")
    local.commit("backport", "1.0.1")
    local.git("switch", "--quiet", "main")
    local.commit("feature", "1.1")

    history = opened(local.folder, tmp_path).commits("1.0.1", "1.1", project="demo", first_parent=True)

    assert history.forked
    assert subjects(history) == ["base", "feature"]
    assert history.commits[0].sha == base


def test_one_commit_as_both_ends_is_one_commit(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("one", "1.0", "1.0.post1")

    history = opened(local.folder, tmp_path).commits("1.0", "1.0.post1", project="demo", first_parent=True)

    assert subjects(history) == ["one"]
    assert not history.forked


def test_ends_in_the_wrong_order_are_said(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("one", "1.0")
    local.commit("two", "2.0")

    with pytest.raises(UsageError) as caught:
        opened(local.folder, tmp_path).commits("2.0", "1.0", project="demo", first_parent=True)

    assert str(caught.value) == (
        "no commits lead from `2.0` to `1.0`: the second is in the history of the first"
    )
    assert caught.value.hint == "pass `1.0` as the older end and `2.0` as the newer"


def test_ends_without_a_common_history_are_said(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("one", "1.0")
    local.git("switch", "--quiet", "--orphan", "new")
    local.commit("two", "2.0")

    with pytest.raises(UsageError) as caught:
        opened(local.folder, tmp_path).commits("1.0", "2.0", project="demo", first_parent=True)

    assert str(caught.value) == f"`1.0` and `2.0` of `{local.folder}` share no history"
    assert caught.value.hint == "name two commits of one line of development"


def test_a_shallow_clone_is_told_to_get_the_rest(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("one", "1.0")
    local.commit("two")
    local.commit("three", "2.0")
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", local.folder.as_uri(), shallow], check=True)
    subprocess.run(
        ["git", "-C", shallow, "fetch", "--quiet", "--depth=1", "origin", "refs/tags/1.0:refs/tags/1.0"],
        check=True,
    )

    with pytest.raises(UsageError) as caught:
        opened(shallow, tmp_path).commits("1.0", "2.0", project="demo", first_parent=True)

    assert caught.value.hint == "the clone is a shallow one; `git fetch --unshallow` in it gets the rest"
