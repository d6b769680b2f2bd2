"""Real git on small repositories: what is a repository, which commits are between, what a checkout has."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from support.local_repository import BARE_CONFIGURATION, BEGINNING, LocalRepository

from bisect_asgi.backend import repository
from bisect_asgi.backend.process.helper import Completed
from bisect_asgi.backend.repository import Repository
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Unavailable, UsageError
from bisect_asgi.core.services import History


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def local(tmp_path: Path) -> LocalRepository:
    return LocalRepository(tmp_path / "work")


def opened(where: str | Path, tmp_path: Path) -> Repository:
    return Repository.open(str(where), tmp_path / "cache" / "repositories", CancelToken())


def address(local: LocalRepository) -> str:
    return local.folder.as_uri()


def subjects(history: History) -> list[str]:
    return [commit.subject for commit in history.commits]


def fingerprint(folder: Path) -> dict[str, int]:
    """Every file and when it was changed, in nanoseconds."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


# --- What is a repository


@pytest.mark.parametrize("kind", ["clone", "folder-in-it", "bare", "worktree"])
def test_a_repository_on_this_machine_is_used_as_it_is(
    local: LocalRepository, tmp_path: Path, kind: str
) -> None:
    local.put("sub/file", "x")
    sha = local.commit("one", "1.0")
    subprocess.run(["git", "clone", "--quiet", "--bare", local.folder, tmp_path / "bare"], check=True)
    local.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "worktree"))
    places = {"clone": local.folder, "folder-in-it": local.folder / "sub"}
    before = fingerprint(local.folder)

    repository = opened(places.get(kind, tmp_path / kind), tmp_path)
    repository.checkout(repository.resolve("1.0"), tmp_path / "tree")

    assert repository.tags() == ("1.0",)
    assert repository.resolve("HEAD") == sha
    assert (tmp_path / "tree" / "sub" / "file").read_text() == "x"
    assert fingerprint(local.folder) == before
    assert not (tmp_path / "cache").exists()


def test_an_address_is_cloned_once(local: LocalRepository, tmp_path: Path) -> None:
    sha = local.commit("one", "1.0")
    first = opened(address(local), tmp_path)
    local.folder.rename(tmp_path / "away")

    second = opened(address(local), tmp_path)

    assert first.resolve("1.0") == second.resolve("1.0") == second.resolve(sha) == sha
    (copy,) = (tmp_path / "cache" / "repositories").iterdir()
    assert (copy / "HEAD").exists()


def test_a_copy_asks_again_for_what_it_has_not(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("one", "1.0")
    opened(address(local), tmp_path)
    two = local.commit("two", "2.0")

    assert opened(address(local), tmp_path).resolve("2.0") == two
    three = local.commit("three", "v3.0")
    assert opened(address(local), tmp_path).resolve(three) == three
    local.commit("four", "v4.0")
    copy = opened(address(local), tmp_path)
    assert copy.tag_of("4.0.0", "demo") == "v4.0"
    assert copy.tag_of("5.0", "demo") is None


def test_a_branch_of_a_copy_is_where_the_address_has_it(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("one")
    opened(address(local), tmp_path)
    two = local.commit("two")

    copy = opened(address(local), tmp_path)

    assert copy.resolve("main") == two
    assert copy.resolve("HEAD") == two
    assert not copy.refresh()  # once is enough


def test_what_a_killed_clone_left_does_not_matter(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("one", "1.0")
    opened(address(local), tmp_path)
    (copy,) = (tmp_path / "cache" / "repositories").iterdir()
    copy.rename(copy.with_name(copy.name + ".part"))
    (copy.with_name(copy.name + ".part") / "HEAD").unlink()

    assert opened(address(local), tmp_path).tags() == ("1.0",)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: path.mkdir(), "`{path}` is no git repository", id="folder"),
        pytest.param(lambda path: path.touch(), "there is no repository `{path}`", id="file"),
        pytest.param(lambda path: None, "there is no repository `{path}`", id="nothing"),
    ],
)
def test_a_path_that_is_no_repository_is_said(
    tmp_path: Path, make: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    path = tmp_path / "there"
    make(path)  # type: ignore[operator]

    with pytest.raises(UsageError) as caught:
        opened(path, tmp_path)

    assert str(caught.value) == message.format(path=path)
    assert caught.value.hint


def test_an_address_without_a_repository_is_said(tmp_path: Path) -> None:
    where = (tmp_path / "nowhere").as_uri()

    with pytest.raises(UsageError) as caught:
        opened(where, tmp_path)

    assert str(caught.value).startswith(f"there is no repository at `{where}`: fatal: ")
    assert caught.value.hint == "check the address"


def test_an_address_that_does_not_answer_says_nothing_about_any_release(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        opened("http://me:hunter2@127.0.0.1:1/demo.git", tmp_path)

    assert str(caught.value).startswith("git failed on `http://127.0.0.1:1/demo.git`: fatal: ")
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"


def test_a_machine_without_git_is_said(
    local: LocalRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Unavailable) as caught:
        opened(local.folder, tmp_path)

    assert str(caught.value) == "`git` cannot be run: No such file or directory"
    assert caught.value.hint == "commits cannot be had without it; install it"


def test_a_folder_of_somebody_else_is_explained() -> None:
    said = "fatal: detected dubious ownership in repository at '/srv/demo'\n"

    with pytest.raises(UsageError) as caught:
        repository._output(Completed(exit_code=128, stdout="", stderr=said), "/srv/demo")

    assert (
        str(caught.value) == "git does not read `/srv/demo`, because the directory belongs to somebody else"
    )
    assert caught.value.hint == "`git config --global --add safe.directory /srv/demo` if you trust its owner"


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        pytest.param("warning: x\nfatal: bad\nhint: y\n", "fatal: bad", id="what-git-marks"),
        pytest.param("one\ntwo\n", "two", id="else-the-last-line"),
        pytest.param("", "it gave no reason", id="nothing"),
    ],
)
def test_gits_reason_is_told(stderr: str, told: str) -> None:
    with pytest.raises(Unavailable) as caught:
        repository._output(Completed(exit_code=1, stdout="", stderr=stderr), "https://example.org/demo.git")

    assert str(caught.value) == f"git failed on `https://example.org/demo.git`: {told}"
    assert caught.value.hint == (
        "`git ls-remote https://example.org/demo.git` should answer here without asking for a password"
    )


def test_git_asks_nobody_runs_no_hooks_and_is_not_bound_elsewhere(
    local: LocalRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = local.commit("one", "1.0")
    hook = local.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    configuration = tmp_path / "gitconfig"
    configuration.write_text(f"[core]\nhooksPath = {hook.parent}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))

    opened(local.folder, tmp_path).checkout(sha, tmp_path / "tree")

    assert not (tmp_path / "hooked").exists()
    asked = repository.run_git("-c", "alias.env=!env", "env", token=CancelToken())
    assert {"GIT_TERMINAL_PROMPT=0", f"HOME={os.environ['HOME']}"} <= set(asked.stdout.splitlines())


def test_what_was_cancelled_has_no_result(local: LocalRepository, tmp_path: Path) -> None:
    token = CancelToken()
    token.cancel()

    with pytest.raises(Cancelled):
        Repository.open(str(local.folder), tmp_path, token)


# --- What a name means


def test_a_tag_a_branch_and_an_id_are_resolved_tags_first(local: LocalRepository, tmp_path: Path) -> None:
    one = local.commit("one")
    local.git("tag", "--annotate", "--message", "x", "both")
    two = local.commit("two")
    local.git("branch", "both")
    repository = opened(local.folder, tmp_path)

    assert repository.resolve("both") == one
    assert repository.resolve("main") == repository.resolve(two[:10]) == two
    assert repository.resolve("main~1") == one


@pytest.mark.parametrize("ref", ["", "--help", "nope", "1.0\nmain", "0" * 40, "main:file"])
def test_a_name_that_means_no_commit_is_said(local: LocalRepository, tmp_path: Path, ref: str) -> None:
    local.put("file", "x")
    local.commit("one", "1.2.0")

    with pytest.raises(UsageError) as caught:
        opened(local.folder, tmp_path).resolve(ref)

    assert str(caught.value) == f"`{local.folder}` has no tag, branch or commit `{ref}`"
    assert caught.value.hint == "`git tag` in a clone lists its tags"


def test_tags_of_a_similar_name_are_offered(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("one", "v1.2.0", "other")

    with pytest.raises(UsageError) as caught:
        opened(local.folder, tmp_path).resolve("1.2.0")

    assert caught.value.hint == "pass one of the similar tags: `v1.2.0`"


# --- The commits between


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
    subprocess.run(["git", "clone", "--quiet", "--depth=1", address(local), shallow], check=True)
    subprocess.run(
        ["git", "-C", shallow, "fetch", "--quiet", "--depth=1", "origin", "refs/tags/1.0:refs/tags/1.0"],
        check=True,
    )

    with pytest.raises(UsageError) as caught:
        opened(shallow, tmp_path).commits("1.0", "2.0", project="demo", first_parent=True)

    assert caught.value.hint == "the clone is a shallow one; `git fetch --unshallow` in it gets the rest"


# --- Working trees


def test_a_checkout_knows_its_tags_as_a_build_asks_for_them(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("one", "1.0")
    local.put("file", "two")
    two = local.commit("two")
    local.put("file", "three")
    local.commit("three", "2.0")

    opened(address(local), tmp_path).checkout(two, tmp_path / "tree")

    def ask(*arguments: str) -> str:
        asked = subprocess.run(["git", *arguments], cwd=tmp_path / "tree", capture_output=True, text=True)
        return asked.stdout.strip()

    assert (tmp_path / "tree" / "file").read_text() == "two"
    assert ask("describe", "--tags", "--long", "--dirty") == f"1.0-1-g{two[:7]}"
    assert ask("tag").split() == ["1.0", "2.0"]
    assert ask("remote", "get-url", "origin") == address(local)


def test_submodules_are_filled_where_they_can_be_had(
    local: LocalRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    other = LocalRepository(tmp_path / "other")
    other.put("file", "from the submodule")
    other.commit("one")
    local.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../other", "sub")
    with_it = local.commit("with it")
    repository = opened(local.folder, tmp_path)

    repository.checkout(with_it, tmp_path / "one")
    other.folder.rename(tmp_path / "away")
    repository.checkout(with_it, tmp_path / "two")

    assert (tmp_path / "one" / "sub" / "file").read_text() == "from the submodule"
    assert list((tmp_path / "two" / "sub").iterdir()) == []


def test_a_checkout_of_what_is_not_there_is_said(local: LocalRepository, tmp_path: Path) -> None:
    local.commit("one")

    with pytest.raises(UsageError, match="has no tag, branch or commit `123456`"):
        opened(local.folder, tmp_path).checkout("123456", tmp_path / "tree")
