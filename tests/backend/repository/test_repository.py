"""Real git on small repositories: what is a repository, which commits are between, what a checkout has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.local_repository import LocalRepository, opened

from bisect_asgi.backend import repository
from bisect_asgi.backend.process.helper import Completed
from bisect_asgi.backend.repository import Repository
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Unavailable, UsageError


def address(local: LocalRepository) -> str:
    return local.folder.as_uri()


def fingerprint(folder: Path) -> dict[str, int]:
    """Every file and when it was changed, in nanoseconds."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


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
