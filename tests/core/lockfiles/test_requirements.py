"""Requirements with pins: what pip, pip-compile and uv write."""

from __future__ import annotations

import pytest
from support.lockfiles import (
    ADDRESS,
    DATA,
    LOCAL,
    LOCAL_FILE,
    REPOSITORY,
    pins,
    read,
    read_data,
    refusal,
)

from bisect_asgi.core.lockfiles import Lock, LockKind, PassedOver
from bisect_asgi.core.model import Distribution

INDEX = "the index and its options are those of uv's configuration"


# Requirements


@pytest.mark.parametrize(
    ("line", "pin"),
    [
        pytest.param("a==1.0", "a==1.0", id="plain"),
        pytest.param("  a == 1.0  # why", "a==1.0", id="spaces-and-a-comment"),
        pytest.param("a===1.0", "a==1.0", id="arbitrary-equality"),
        pytest.param("a===2004d-custom", "a==2004d-custom", id="a-version-of-no-pep"),
        pytest.param("A_b.C==1.0", "a-b-c==1.0", id="another-spelling"),
        pytest.param("a==1.0-Beta1", "a==1.0b1", id="another-spelling-of-the-version"),
        pytest.param("a==1.0+cpu", "a==1.0+cpu", id="local-version"),
        pytest.param("a[x,y]==1.0", "a==1.0", id="extras"),
        pytest.param("a==1.0,<2", "a==1.0", id="a-pin-and-more"),
        pytest.param("a==1.0; python_version >= '3.8'", "a==1.0", id="a-marker-that-holds"),
        pytest.param("a==1.0 --hash=sha256:12 --hash=sha256:34", "a==1.0", id="hashes"),
        pytest.param(
            "a==1.0 \\\n    --hash=sha256:12 \\\n    --hash=sha256:34\n    # via b",
            "a==1.0",
            id="pip-compile",
        ),
        pytest.param("a==1.0 \\\n# not continued \\", "a==1.0", id="a-comment-ends-a-continuation"),
        pytest.param("a==1.0 \\", "a==1.0", id="continued-by-nothing"),
        pytest.param(
            "a==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:12", "a==1.0", id="marker-and-hash"
        ),
    ],
)
def test_a_pin_is_read_as_pip_reads_it(line: str, pin: str) -> None:
    assert pins(read(line)) == [pin]


def test_pins_are_ordered_by_name_and_equal_ones_are_one() -> None:
    assert pins(read("c==1\nB==2.0\na==3\nb[x]==2\n")) == ["a==3", "b==2.0", "c==1"]


def test_what_is_for_another_interpreter_is_not_there_even_if_it_is_not_pinned() -> None:
    text = "a==1.0\nb==1.0; sys_platform == 'win32'\nc>=2; python_version < '3.8'\nd==1; extra == 'x'\n"

    assert read(text) == Lock(
        kind=LockKind.REQUIREMENTS, distributions=(Distribution(name="a", version="1.0"),)
    )


@pytest.mark.parametrize(
    ("line", "name", "reason"),
    [
        pytest.param("-e .", ".", LOCAL, id="editable-here"),
        pytest.param("--editable=./lib", "./lib", LOCAL, id="editable-folder"),
        pytest.param(
            "-e git+https://u:secret@example.org/o/r.git@12#egg=My_Lib", "my-lib", REPOSITORY, id="egg"
        ),
        pytest.param("-e git+https://u:secret@example.org/o/r", "r", REPOSITORY, id="no-egg"),
        pytest.param("./lib", "./lib", LOCAL, id="folder"),
        pytest.param("..", "..", LOCAL, id="folder-above"),
        pytest.param("C:\\lib", "C:\\lib", LOCAL, id="folder-on-windows"),
        pytest.param("wheels/a-1.0-py3-none-any.whl", "wheels/a-1.0-py3-none-any.whl", LOCAL, id="wheel"),
        pytest.param("file:///x/lib", "lib", LOCAL_FILE, id="file-address"),
        pytest.param(
            "https://u:secret@example.org/a-1.0.zip?token=secret", "a-1.0.zip", ADDRESS, id="address"
        ),
        pytest.param("https://u:secret@example.org/", "example.org", ADDRESS, id="address-without-a-path"),
        pytest.param("git+ssh://git@example.org/o/r#egg=r", "r", REPOSITORY, id="repository"),
        pytest.param("A_b @ https://example.org/a.whl", "a-b", ADDRESS, id="named-address"),
        pytest.param("a @ file:///x/a", "a", LOCAL_FILE, id="named-file"),
        pytest.param("a @ git+https://example.org/o/a@12", "a", REPOSITORY, id="named-repository"),
        pytest.param("-i https://u:secret@example.org/simple", "-i", INDEX, id="index"),
        pytest.param("-ihttps://example.org/simple", "-i", INDEX, id="index-without-a-space"),
        pytest.param(
            "--extra-index-url=https://example.org/simple", "--extra-index-url", INDEX, id="another"
        ),
        pytest.param("--find-links ./wheels", "--find-links", INDEX, id="find-links"),
        pytest.param(
            "-c constraints.txt",
            "-c",
            "a lock is installed as it is; constraints change nothing",
            id="constraints",
        ),
    ],
)
def test_what_is_no_release_of_the_index_is_passed_over_with_its_reason(
    line: str, name: str, reason: str
) -> None:
    lock = read(f"a==1.0\n{line}\n{line}\n")

    assert pins(lock) == ["a==1.0"]
    assert lock.passed_over == (PassedOver(name=name, reason=reason),)


def test_what_pip_freeze_writes_is_read() -> None:
    text = """\
a==1.0
# Editable Git install with no remote (app==0.1)
-e /home/x/app
-e git+https://example.org/o/lib@0123abc#egg=lib&subdirectory=python
local @ file:///home/x/local
"""

    lock = read(text)

    assert pins(lock) == ["a==1.0"]
    assert [passed.name for passed in lock.passed_over] == ["/home/x/app", "lib", "local"]


def test_what_pip_compile_writes_is_read() -> None:
    lock = read_data("pip-compile.txt")

    # pip-compile writes a pin at the start of a line and everything else elsewhere.
    lines = (DATA / "pip-compile.txt").read_text("utf-8").splitlines()
    assert set(pins(lock)) == {
        line.split()[0].replace("[asyncio]", "") for line in lines if line[:1].isalpha()
    }
    assert [passed.name for passed in lock.passed_over] == ["--extra-index-url", "--find-links"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a==1\n\nb>=2\n", "line 3 of `requirements.txt` is not pinned: `b>=2`", id="a-range"),
        pytest.param("b", "line 1 of `requirements.txt` is not pinned: `b`", id="a-name"),
        pytest.param("b==1.*", "line 1 of `requirements.txt` is not pinned: `b==1.*`", id="a-wildcard"),
        pytest.param("b \\\n>1\nc", "line 1 of `requirements.txt` is not pinned: `b >1`", id="continued"),
        pytest.param(
            "fastapi 0.1", "line 1 of `requirements.txt` cannot be read: `fastapi 0.1`", id="pip-list"
        ),
        pytest.param(
            "a==1; python == '3'",
            "line 1 of `requirements.txt` cannot be read: `a==1; python == '3'`",
            id="no-marker",
        ),
        pytest.param(
            "a==1; sys_platform ~= 'x'",
            '`sys_platform ~= "x"` in `requirements.txt` is no environment marker',
            id="a-marker-that-cannot-be-evaluated",
        ),
        pytest.param(
            "-r base.txt", "line 1 of `requirements.txt` includes another file: `-r base.txt`", id="include"
        ),
        pytest.param(
            "-rbase.txt",
            "line 1 of `requirements.txt` includes another file: `-rbase.txt`",
            id="include-joined",
        ),
        pytest.param(
            "--requirement https://u:secret@example.org/base.txt",
            "line 1 of `requirements.txt` includes another file: `--requirement …`",
            id="include-of-an-address",
        ),
        pytest.param(
            "a==1\na==2", "`requirements.txt` pins `a` at two versions for one interpreter: 1 and 2", id="two"
        ),
        pytest.param(
            "a===x\na===y",
            "`requirements.txt` pins `a` at two versions for one interpreter: x and y",
            id="two-of-no-pep",
        ),
        pytest.param(
            "# nothing\n", "`requirements.txt` pins no distribution for this interpreter", id="comments"
        ),
        pytest.param("- a", "line 1 of `requirements.txt` cannot be read: `- a`", id="a-list-of-yaml"),
        pytest.param(" \n", "`requirements.txt` is empty", id="empty"),
        pytest.param(
            "<<<<<<< HEAD\na==1\n", "`requirements.txt` has the marks of an unfinished merge", id="merge"
        ),
        pytest.param(
            "Package    Version\n---------- -------\na          1\n",
            "`requirements.txt` is a table of `pip list`",
            id="pip-list-table",
        ),
    ],
)
def test_requirements_that_are_no_lock_are_refused(text: str, message: str) -> None:
    assert refusal(text) == message
