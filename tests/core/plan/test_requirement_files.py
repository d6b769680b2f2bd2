"""Files of requirements as pip reads them, and dependency groups."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.requirement_files import RequirementLines, read_group, read_lines, split_group


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", (), id="empty"),
        pytest.param("h11==0.9\nanyio>=3\n", ("h11==0.9", "anyio>=3"), id="one-each-line"),
        pytest.param("h11==0.9\r\n\r\n  anyio \r\n", ("h11==0.9", "anyio"), id="blank-lines"),
        pytest.param("# all\nh11==0.9 # old\n  # more\n", ("h11==0.9",), id="comments"),
        pytest.param("h11\\\n==0.9\n", ("h11==0.9",), id="a-line-that-goes-on"),
        pytest.param(
            'h11==0.9 ; python_version < "3.8"\n', ('h11==0.9 ; python_version < "3.8"',), id="a-marker"
        ),
        pytest.param(
            "demo @ https://example.com/demo-1.0.zip#sha256=ab\n",
            ("demo @ https://example.com/demo-1.0.zip#sha256=ab",),
            id="an-address-with-a-fragment",
        ),
        pytest.param(
            "-e .[dev]\n--editable=./lib\n-e 'my dir/app'\n./app\n",
            (".[dev]", "./lib", "my dir/app", "./app"),
            id="projects",
        ),
        pytest.param("--prefer-binary\n--require-hashes\nh11\n", ("h11",), id="options-without-effect"),
    ],
)
def test_a_file_is_a_list_of_requirements(text: str, expected: tuple[str, ...]) -> None:
    assert read_lines(text, name="r.txt") == RequirementLines(requirements=expected)


def test_hashes_belong_to_the_pin_of_their_line() -> None:
    text = (
        "My_Demo[x]==1.0 \\\n    --hash=sha256:ab \\\n    --hash sha256:cd\n"
        "h11>=0.9 --hash=sha256:ef\n./app --hash=sha256:00\nanyio==3.*  --hash=sha256:11\n"
    )

    found = read_lines(text, name="r.txt")

    assert found.requirements == ("My_Demo[x]==1.0", "h11>=0.9", "./app", "anyio==3.*")
    assert found.hashes == ("my-demo==1.0 sha256:ab sha256:cd",)


def test_other_files_are_followed() -> None:
    text = "-r base.txt\n-rmore.txt\n--requirement=../last.txt\n-c limits.txt\n--constraint l2.txt\n"

    found = read_lines(text, name="r.txt")

    assert found.files == ("base.txt", "more.txt", "../last.txt")
    assert found.constraints == ("limits.txt", "l2.txt")


INDEX = "the index is the one that uv is configured for"


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            "--index-url https://user:secret@h.example/simple",
            f"line 2 of `r.txt` has `--index-url`, but {INDEX}",
            "drop the line, and set `UV_DEFAULT_INDEX=https://h.example/simple`",
        ),
        (
            "-ihttps://h.example/simple",
            f"line 2 of `r.txt` has `-i`, but {INDEX}",
            "drop the line, and set `UV_DEFAULT_INDEX=https://h.example/simple`",
        ),
        (
            "--extra-index-url=https://h.example/simple",
            f"line 2 of `r.txt` has `--extra-index-url`, but {INDEX}",
            "drop the line, and set `UV_INDEX=https://h.example/simple`",
        ),
        (
            "-f ./wheels",
            f"line 2 of `r.txt` has `-f`, but {INDEX}",
            "drop the line, and set `UV_FIND_LINKS=./wheels`",
        ),
        (
            "--no-index",
            f"line 2 of `r.txt` has `--no-index`, but {INDEX}",
            "drop the line, and set `UV_NO_INDEX=true`",
        ),
        (
            "--trusted-host h.example",
            f"line 2 of `r.txt` has `--trusted-host`, but {INDEX}",
            "drop the line, and set `UV_INSECURE_HOST=h.example`",
        ),
        (
            "--pre",
            "line 2 of `r.txt` has `--pre`, which would be for all packages",
            "drop the line, and name pre-releases in the requirements that need them: `demo>=2.0b1`",
        ),
        (
            "--no-binary :all:",
            "line 2 of `r.txt` has the option `--no-binary`, which is not followed",
            "drop the line",
        ),
        (
            "h11 --config-settings=a=b",
            "line 2 of `r.txt` has the option `--config-settings`, which is not followed",
            "drop it",
        ),
        (
            "demo @ git+https://${TOKEN}@h.example/demo",
            "line 2 of `r.txt` has the variable `${TOKEN}`, which is not replaced",
            "write its value",
        ),
        ("--", "line 2 of `r.txt` cannot be read: `--`", "write one requirement on each line"),
        (
            "-e 'a b",
            "line 2 of `r.txt` cannot be read: `'a b`",
            "write a requirement (PEP 508), such as `uvicorn==0.17.6`",
        ),
        (
            "h11==",
            "line 2 of `r.txt` cannot be read: `h11==`",
            "write a requirement (PEP 508), such as `uvicorn==0.17.6`",
        ),
    ],
)
def test_what_is_not_followed_is_refused_by_its_name(line: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_lines(f"anyio\n{line}\n", name="r.txt")

    assert (str(caught.value), caught.value.hint) == (message, hint)


# --- Groups


GROUPS: dict[str, object] = {
    "dependency-groups": {
        "Test_All": ["pytest==8", {"include-group": "web"}],
        "web": ["httpx"],
        "loop": [{"include-group": "loop"}],
        "bad": [1],
    }
}


def test_a_group_has_what_it_includes() -> None:
    assert read_group(GROUPS, "test-all", where="pyproject.toml") == ("pytest==8", "httpx")


@pytest.mark.parametrize(
    ("document", "hint"),
    [(GROUPS, "it has `bad`, `loop`, `test-all`, `web`"), ({"dependency-groups": 1}, "it has none")],
)
def test_a_group_that_is_not_there(document: Mapping[str, object], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_group(document, "dev", where="a.toml")

    assert (str(caught.value), caught.value.hint) == ("`a.toml` has no dependency group `dev`", hint)


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (GROUPS, "loop"),
        (GROUPS, "bad"),
        ({"dependency-groups": {"a": [{"include-group": "b"}]}}, "a"),
        ({"dependency-groups": {"a": ["no requirement!"]}}, "a"),
        ({"dependency-groups": {"a": 1}}, "a"),
    ],
)
def test_a_group_that_cannot_be_read(document: Mapping[str, object], name: str) -> None:
    with pytest.raises(UsageError, match=rf"the dependency group `{name}` in `a.toml` cannot be read: \S"):
        read_group(document, name, where="a.toml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("dev", ("pyproject.toml", "dev")), ("../app/pyproject.toml:dev", ("../app/pyproject.toml", "dev"))],
)
def test_a_group_may_be_of_another_file(text: str, expected: tuple[str, str]) -> None:
    assert split_group(text) == expected
