"""The projects in a lock file that are folders, files or commits."""

from __future__ import annotations

import pytest

from bisect_asgi.core.lockfiles.sources import sources

POETRY = '[metadata]\nlock-version = "2.1"\n'
PYLOCK = 'lock-version = "1.0"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", {}, id="empty"),
        pytest.param("package = 1\n", {}, id="no-list"),
        pytest.param("package = [1]\n", {}, id="no-tables"),
        pytest.param('{"default": {}}', {}, id="another-format"),
        pytest.param(
            '[[package]]\nname = "My_App"\nsource = { editable = "." }\n',
            {"my-app": "my-app @ ."},
            id="uv-own",
        ),
        pytest.param(
            '\ufeff[[package]]\nname = "a"\nsource = { directory = "libs/a" }\n',
            {"a": "a @ ./libs/a"},
            id="uv-folder",
        ),
        pytest.param(
            '[[package]]\nname = "a"\nsource = { path = "../a b.whl" }\n',
            {"a": "a @ ../a%20b.whl"},
            id="uv-file",
        ),
        pytest.param('[[package]]\nname = "a"\nsource = { virtual = "." }\n', {}, id="uv-virtual"),
        pytest.param(
            '[[package]]\nname = "a"\nsource = { registry = "https://h.example" }\n', {}, id="uv-index"
        ),
        pytest.param('[[package]]\nname = "a"\nsource = 1\n', {}, id="no-source"),
        pytest.param(
            '[[package]]\nname = "a"\n'
            'source = { git = "https://h.example/a?subdirectory=py&rev=main#abc" }\n',
            {"a": "a @ git+https://h.example/a@abc#subdirectory=py"},
            id="uv-git",
        ),
        pytest.param(
            f'{POETRY}[[package]]\nname = "a"\n[package.source]\ntype = "directory"\nurl = "libs/a"\n'
            '[[package]]\nname = "b"\n[package.source]\ntype = "file"\nurl = "b.whl"\n'
            '[[package]]\nname = "c"\n[package.source]\ntype = "git"\nurl = "https://h.example/c"\n'
            'resolved_reference = "abc"\nsubdirectory = "py"\n'
            '[[package]]\nname = "d"\n[package.source]\ntype = "legacy"\nurl = "https://h.example"\n',
            {
                "a": "a @ ./libs/a",
                "b": "b @ ./b.whl",
                "c": "c @ git+https://h.example/c@abc#subdirectory=py",
            },
            id="poetry",
        ),
        pytest.param(
            f'{PYLOCK}[[packages]]\nname = "a"\ndirectory = {{ path = "libs", subdirectory = "a" }}\n'
            '[[packages]]\nname = "b"\narchive = { path = "b.whl" }\n'
            '[[packages]]\nname = "c"\nvcs = { type = "git", url = "https://h/c", commit-id = "abc" }\n'
            '[[packages]]\nname = "d"\nvcs = { type = "hg", url = "https://h/d", commit-id = "abc" }\n'
            '[[packages]]\nname = "e"\nvcs = { type = "git", path = "../e", commit-id = "abc" }\n'
            '[[packages]]\nname = "f"\narchive = { url = "https://h.example/f.whl" }\n',
            {"a": "a @ ./libs/a", "b": "b @ ./b.whl", "c": "c @ git+https://h/c@abc"},
            id="pylock",
        ),
        pytest.param(
            "-e .\n--editable=./lib\nh11==1  # x\n-r other.txt\n./app-1.0.whl --hash=sha256:00\n"
            "My_Git[x] @ git+https://h.example/g@abc\n-e git+https://h.example/o@abc#egg=other\n",
            {
                ".": ".",
                "./lib": "./lib",
                "./app-1.0.whl": "./app-1.0.whl",
                "my-git": "My_Git[x] @ git+https://h.example/g@abc",
                "other": "git+https://h.example/o@abc#egg=other",
            },
            id="requirements",
        ),
    ],
)
def test_what_is_no_release_is_a_requirement(text: str, expected: dict[str, str]) -> None:
    assert sources(text) == expected
