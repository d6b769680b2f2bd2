"""A command's program that is not the environment's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bisect_asgi.backend.trials.probe_run import host_script


@pytest.fixture
def path(tmp_path: Path) -> str:
    """An environment with `app`, and a machine that has `app`, `tool` and a compiled `find`."""
    for name, content in {
        "env/app": b"#!/env/bin/python",
        "usr/app": b"#!/usr/bin/python3",
        "usr/tool": b"#!/usr/bin/python3\n",
        "usr/find": b"\x7fELF",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o755)
    return f"{tmp_path / 'env'}:{tmp_path / 'usr'}"


@pytest.mark.parametrize(
    ("command", "is_stray"),
    [
        ("tool", True),
        ("tool -q x", True),
        ("app -q", False),
        ("find . -name tool", False),
        ("cd x && tool", True),
        ("find .|tool", True),
        ("find x; (tool)", True),
        ("find x\ntool", True),
        ("PYTHONPATH=. A=1 tool", True),
        ("app > tool", False),
        ("app < tool | find x", False),
        ("./tool", False),
        ("unknown tool", False),
        ("echo 'a; tool'", False),
        ("tool 'unclosed", True),
        ("'unclosed", False),
        ("", False),
    ],
)
def test_a_python_script_of_the_machine_is_no_program_of_the_environment(
    command: str, is_stray: bool, path: str, tmp_path: Path
) -> None:
    found = host_script(command, path, tmp_path / "env")

    assert found == (tmp_path / "usr/tool" if is_stray else None)


@pytest.mark.parametrize(
    ("content", "is_python"),
    [
        pytest.param("#!/usr/bin/python", True, id="python"),
        pytest.param("#!/usr/bin/python3.9 -s\nprint()", True, id="with an option"),
        pytest.param("#! /usr/bin/python3", True, id="after a space"),
        pytest.param("#!/usr/bin/env python3\r\n", True, id="env"),
        pytest.param("#!/usr/bin/env -S python3.13t -I", True, id="env -S"),
        pytest.param('#!"/opt/my tools/bin/python"', True, id="quoted"),
        pytest.param("#!/opt/pypy3.9/bin/pypy3", True, id="pypy"),
        pytest.param("#!/bin/sh\n'''exec' /long/bin/python3 \"$0\" \"$@\"\n' '''\n", True, id="pip"),
        pytest.param(
            '#!/bin/sh\n\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")"/\'python3\' "$0" "$@"\n',
            True,
            id="uv",
        ),
        pytest.param('#!/bin/bash\nset -e\nexec -a "$0" /usr/bin/python3.8 -m x "$@"\n', True, id="wrapper"),
        pytest.param('#!/bin/sh\ncmd=${0##*/}\nexec grep -E "$@"\n', False, id="egrep"),
        pytest.param("#!/usr/bin/perl -w\n# python\n", False, id="perl"),
        pytest.param("#!/usr/bin/env node\n", False, id="node"),
        pytest.param("#!/bin/sh\necho /usr/bin/python3\n", False, id="only mentioned"),
        pytest.param("#!/bin/sh\nexec cat /usr/share/python3/readme\n", False, id="in a path"),
        pytest.param("#!\n", False, id="nothing named"),
        pytest.param("", False, id="empty"),
        pytest.param("\x7fELF python", False, id="compiled"),
        pytest.param("print()  # python\n", False, id="no first line"),
    ],
)
def test_only_scripts_that_a_python_runs_are_strays(content: str, is_python: bool, tmp_path: Path) -> None:
    program = tmp_path / "usr" / "tool"
    program.parent.mkdir()
    program.write_text(content)
    program.chmod(0o755)

    found = host_script("tool -q", str(program.parent), tmp_path / "env")

    assert found == (program if is_python else None)


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs a shell")
def test_no_shell_script_of_this_machine_s_own_tools_is_a_stray(tmp_path: Path) -> None:
    folder = "/usr/bin:/bin"
    scripts = [
        name for name in ("egrep", "fgrep", "zgrep", "which", "ldd") if shutil.which(name, path=folder)
    ]

    assert scripts
    assert [name for name in scripts if host_script(f"{name} -q x", folder, tmp_path)] == []


SHIM = '#!/usr/bin/env bash\nprogram="${0##*/}"\nexec "/pyenv/libexec/pyenv" exec "$program" "$@"\n'


@pytest.mark.parametrize(
    ("installed", "content", "is_stray"),
    [
        pytest.param("versions/3.9.18/bin/tool", "#!/pyenv/versions/3.9.18/bin/python3.9", True, id="pyenv"),
        pytest.param("installs/python/3.9.1/bin/tool", "#!/usr/bin/env python", True, id="asdf"),
        pytest.param("versions/2.7/bin/tool", "#!/rbenv/versions/2.7/bin/ruby", False, id="rbenv"),
        pytest.param("versions/3.9.18/bin/tool", "\x7fELF", False, id="compiled"),
        pytest.param("versions/3.9.18/bin/another", "#!/usr/bin/python3", False, id="of another name"),
    ],
)
def test_a_version_manager_s_shim_is_what_it_starts(
    installed: str, content: str, is_stray: bool, tmp_path: Path
) -> None:
    for name, text in {"shims/tool": SHIM, installed: content}.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
        file.chmod(0o755)

    found = host_script("tool -q", str(tmp_path / "shims"), tmp_path / "env")

    assert found == (tmp_path / "shims" / "tool" if is_stray else None)


def test_what_cannot_be_read_is_no_script(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not for you")

    monkeypatch.setattr(Path, "open", refuse)

    assert host_script("tool", path, tmp_path / "env") is None
