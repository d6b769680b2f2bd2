"""Pipenv's lock."""

from __future__ import annotations

import json

import pytest
from support.lockfiles import (
    DATA,
    FOLDER,
    LOCAL,
    LOCAL_FILE,
    REPOSITORY,
    pins,
    read,
    read_data,
    refusal,
)

from bisect_asgi.core.lockfiles import LockKind, PassedOver

# Pipfile.lock


def test_pipenvs_lock_is_read_with_the_developers_category() -> None:
    lock = read_data("Pipfile.lock")

    document = json.loads((DATA / "Pipfile.lock").read_text("utf-8"))
    stated = {**document["default"], **document["develop"]}
    for_windows = [name for name, entry in stated.items() if "win32" in entry.get("markers", "")]
    assert set(pins(lock)) == {f"{n}{e['version']}" for n, e in stated.items() if n not in for_windows}
    assert lock.kind == LockKind.PIPFILE
    assert lock.passed_over == (
        PassedOver(name="colorama", reason="`sys_platform == 'win32'` does not hold here"),
    )


def pipfile_lock(entry: dict[str, object], requires: dict[str, str] | None = None) -> str:
    """A lock of Pipenv's with a distribution `a` and this one, `B_b`."""
    meta = {"requires": requires} if requires is not None else {}
    return json.dumps({"_meta": meta, "default": {"a": {"version": "==1.0"}}, "develop": {"B_b": entry}})


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        pytest.param({"git": "https://example.org/r", "ref": "12"}, REPOSITORY, id="git"),
        pytest.param({"editable": True, "path": "."}, FOLDER, id="editable"),
        pytest.param({"path": "./b"}, LOCAL, id="path"),
        pytest.param({"file": "https://example.org/b.zip"}, LOCAL_FILE, id="file"),
    ],
)
def test_pipenvs_sources_outside_the_index_are_passed_over(entry: dict[str, object], reason: str) -> None:
    lock = read(pipfile_lock(entry), "Pipfile.lock")

    assert pins(lock) == ["a==1.0"]
    assert lock.passed_over == (PassedOver(name="b-b", reason=reason),)


@pytest.mark.parametrize(
    ("requires", "specifiers"),
    [
        pytest.param({"python_version": "3.9"}, "==3.9.*", id="minor"),
        pytest.param({"python_version": "3.9", "python_full_version": "3.9.2"}, "==3.9.2", id="full"),
        pytest.param({"python_version": "three"}, None, id="no-version"),
        pytest.param({}, None, id="nothing"),
        pytest.param(None, None, id="no-table"),
    ],
)
def test_pipenvs_python_is_written_as_specifiers(
    requires: dict[str, str] | None, specifiers: str | None
) -> None:
    lock = read(pipfile_lock({"version": "===2.0"}, requires), "Pipfile.lock")

    assert lock.requires_python == specifiers
    assert pins(lock) == ["a==1.0", "b-b==2.0"]


@pytest.mark.parametrize("version", ["*", ">=1", "==1.*"])
def test_what_pipenv_left_unpinned_is_refused(version: str) -> None:
    message = refusal(pipfile_lock({"version": version}), "Pipfile.lock")

    assert message == f"`B_b` is not pinned in `Pipfile.lock`: `{version}`"
