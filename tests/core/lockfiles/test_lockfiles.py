"""What a lock file installs on one interpreter, whichever tool wrote it.

The files in `data/locks` were written by the tools themselves (uv 0.13.8, Poetry 1.8.5 and 2.5.1, pip-tools,
Pipenv) and shortened: hashes, descriptions and all but one file of each release are left out, and addresses
are other ones. What `uv export` and `poetry export` wrote for the same lock is the expected value.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles import Lock, LockKind, PassedOver, decode, marker_environment, read_lock
from bisect_asgi.core.model import Distribution

DATA = Path(__file__).parent / "data"

LINUX = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_machine": "x86_64",
    "platform_system": "Linux",
    "platform_release": "6.1.0",
    "platform_version": "#1 SMP",
}
DARWIN = {**LINUX, "sys_platform": "darwin", "platform_machine": "arm64", "platform_system": "Darwin"}
WINDOWS = {**LINUX, "os_name": "nt", "sys_platform": "win32", "platform_system": "Windows"}

HERE = marker_environment("3.11.7", platform=LINUX)

REPOSITORY = "it is built from a repository, not taken from the index"
ADDRESS = "it comes from an address, not from the index"
LOCAL_FILE = "it is a local file, not a release of the index"
LOCAL = "it is a local file or folder, not a release of the index"
FOLDER = "it is a local folder, not a release of the index"
INDEX = "the index and its options are those of uv's configuration"
ITSELF = "it is the locked project itself"


def read(text: str, name: str = "requirements.txt", environment: dict[str, str] = HERE) -> Lock:
    """The lock of that name and content, by default on CPython 3.11 on Linux."""
    return read_lock(text, name=name, environment=environment)


def read_data(name: str, environment: dict[str, str] = HERE) -> Lock:
    """One of the files in `data/locks`."""
    return read((DATA / name).read_text("utf-8"), name, environment)


def pins(lock: Lock) -> list[str]:
    """The distributions as people write them."""
    return [str(distribution) for distribution in lock.distributions]


def refusal(text: str, name: str = "requirements.txt", environment: dict[str, str] = HERE) -> str:
    """The message with which a lock is refused; all refusals have a hint."""
    with pytest.raises(UsageError) as caught:
        read(text, name, environment)
    assert caught.value.hint
    return str(caught.value)


# The environment


def test_the_environment_has_the_interpreters_values_and_the_platforms() -> None:
    environment = marker_environment("3.9.18", platform={**LINUX, "python_version": "3.11", "other": "1"})

    assert environment == {
        **LINUX,
        "python_version": "3.9",
        "python_full_version": "3.9.18",
        "implementation_name": "cpython",
        "implementation_version": "3.9.18",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def test_the_environment_of_another_implementation_has_its_name() -> None:
    environment = marker_environment("3.10.14", implementation="PyPy", platform=LINUX)

    assert environment["implementation_name"] == "pypy"
    assert environment["platform_python_implementation"] == "PyPy"


def test_a_platform_without_a_variable_is_refused() -> None:
    with pytest.raises(KeyError, match="os_name"):
        marker_environment("3.11.7", platform={})


# Bytes


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be-with-mark", "latin-1"]
)
def test_text_in_any_encoding_that_is_met_is_read(encoding: str) -> None:
    text = "# für später\r\na==1.0\r\n"
    content = b"\xfe\xff" + text.encode("utf-16-be") if encoding.endswith("mark") else text.encode(encoding)

    assert decode(content, name="requirements.txt") == text


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^`a\.whl` is no text$"):
        decode(b"PK\x03\x04\x00\x00\xff", name="a.whl")


def test_a_byte_order_mark_that_is_left_in_the_text_is_passed_over() -> None:
    assert pins(read("\ufeffa==1.0\n")) == ["a==1.0"]


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


# Strangers


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param(
            "pyproject.toml",
            '[project]\nname = "a"\n',
            "`pyproject.toml` says which versions a project allows, not which are installed",
            id="pyproject",
        ),
        pytest.param("pdm.lock", '[metadata]\nlock_version = "4.5"\n', "`pdm.lock` is PDM's lock", id="pdm"),
        pytest.param(
            "package-lock.json",
            '{"lockfileVersion": 3, "packages": {}}',
            "`package-lock.json` is no lock file of Python distributions",
            id="npm",
        ),
        pytest.param(
            "Cargo.lock",
            'version = 4\n[[package]]\nname = "a"\nversion = "1.0.0"\n',
            "`Cargo.lock` is no lock file of Python distributions",
            id="cargo",
        ),
        pytest.param(
            "uv.lock",
            "version = ",
            "`uv.lock` is no valid TOML: Invalid value (at end of document)",
            id="toml",
        ),
        pytest.param(
            "Pipfile.lock",
            '{"_meta"',
            "`Pipfile.lock` is no valid JSON: Input data was truncated",
            id="json",
        ),
    ],
)
def test_a_stranger_is_told_what_it_is(name: str, text: str, message: str) -> None:
    assert refusal(text, name) == message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("spec-file.txt", "# $ conda create --name x --file x\n@EXPLICIT\n", id="explicit"),
        pytest.param("list.txt", "# platform: linux-64\nnumpy=1.22.2=py310_0\n", id="list"),
        pytest.param("environment.yml", "name: x\nchannels:\n  - main\n", id="environment"),
        pytest.param("pixi.yaml", "a: b\n", id="other-yaml"),
    ],
)
def test_condas_files_are_refused(name: str, text: str) -> None:
    assert refusal(text, name).startswith(f"`{name}` is conda's or another tool's list; understood are ")


# uv


@pytest.mark.parametrize(
    ("version", "platform"),
    [
        pytest.param("3.10.13", LINUX, id="3.10-linux"),
        pytest.param("3.11.7", LINUX, id="3.11-linux"),
        pytest.param("3.13.0", LINUX, id="3.13-linux"),
        pytest.param("3.12.1", DARWIN, id="3.12-darwin"),
    ],
)
def test_uvs_lock_and_both_its_exports_are_the_same_set(version: str, platform: dict[str, str]) -> None:
    environment = marker_environment(version, platform=platform)

    lock = read_data("uv.lock", environment)
    exported = read_data("uv-export.txt", environment)
    standard = read_data("pylock.uv-export.toml", environment)

    assert lock.distributions == exported.distributions == standard.distributions
    assert (lock.kind, lock.requires_python) == (LockKind.UV, ">=3.10")
    assert (standard.kind, standard.requires_python) == (LockKind.PYLOCK, ">=3.10")
    assert lock.passed_over == (
        PassedOver(name="core", reason=ITSELF),
        PassedOver(name="web", reason=ITSELF),
        PassedOver(name="gitdep", reason=REPOSITORY),
    )
    assert exported.passed_over == standard.passed_over == lock.passed_over[2:]


def test_uvs_lock_is_refused_on_a_platform_that_it_does_not_support() -> None:
    message = refusal(
        (DATA / "uv.lock").read_text("utf-8"), "uv.lock", marker_environment("3.11.7", platform=WINDOWS)
    )

    assert message == (
        "`uv.lock` is not for this interpreter: it supports "
        "`sys_platform == 'linux'` and `sys_platform == 'darwin'`"
    )


def uv_lock(*packages: str, head: str = "") -> str:
    """A lock of uv's with a project `app` and what else is given: the body of a package each."""
    return "\n".join(
        [
            "version = 1",
            'requires-python = ">=3.9"',
            head,
            *(f"[[package]]\n{package}" for package in packages),
        ]
    )


def uv_package(name: str, version: str = "1.0", *rest: str) -> str:
    """The body of a package from the index."""
    source = 'source = { registry = "https://index.example.org/simple" }'
    return "\n".join([f'name = "{name}"', f'version = "{version}"', source, *rest])


APP = 'name = "app"\nsource = { virtual = "." }\n'


def test_only_what_the_project_reaches_is_installed() -> None:
    text = uv_lock(
        APP + 'dependencies = [{ name = "a", extra = ["x"] }, { name = "b", marker = "os_name == \'nt\'" }]',
        uv_package(
            *("a", "1.0", 'dependencies = [{ name = "c" }]', "[package.optional-dependencies]"),
            *('x = [{ name = "d" }]', 'y = [{ name = "e" }]'),
        ),
        *(uv_package(name) for name in "bde"),
        uv_package("c", "1.0", 'dependencies = [{ name = "a" }]'),
    )

    assert pins(read(text, "uv.lock")) == ["a==1.0", "c==1.0", "d==1.0"]


def test_an_extra_that_a_package_does_not_have_adds_nothing() -> None:
    text = uv_lock(APP + 'dependencies = [{ name = "a", extra = ["x"] }]', uv_package("a"))

    assert pins(read(text, "uv.lock")) == ["a==1.0"]


def test_all_extras_and_groups_of_the_project_are_installed() -> None:
    text = uv_lock(
        APP
        + '[package.optional-dependencies]\nx = [{ name = "a" }]\n'
        + '[package.dev-dependencies]\ndev = [{ name = "b" }]\n',
        uv_package("a"),
        uv_package("b"),
    )

    assert pins(read(text, "uv.lock")) == ["a==1.0", "b==1.0"]


def test_a_script_has_its_requirements_in_the_manifest() -> None:
    text = uv_lock(
        uv_package("a", "1.0", "[package.optional-dependencies]", 'x = [{ name = "b" }]'),
        uv_package("b"),
        uv_package("c", "1.0", "resolution-markers = [\"python_full_version < '3.11'\"]"),
        uv_package("c", "2.0", "resolution-markers = [\"python_full_version >= '3.11'\"]"),
        head='[manifest]\nrequirements = [{ name = "a", extras = ["x"] }, { name = "c" }]',
    )

    assert pins(read(text, "probe.py.lock")) == ["a==1.0", "b==1.0", "c==2.0"]


def test_an_edge_says_which_of_several_packages_it_means() -> None:
    source = 'source = { registry = "https://index.example.org/simple" }'
    text = uv_lock(
        APP + f'dependencies = [{{ name = "a", version = "2.0", {source} }}]',
        uv_package("a", "1.0"),
        uv_package("a", "2.0"),
        'name = "a"\nversion = "2.0"\nsource = { registry = "https://other.example.org/simple" }',
    )

    assert pins(read(text, "uv.lock")) == ["a==2.0"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param('git = "https://example.org/o/r?rev=1#12"', REPOSITORY, id="git"),
        pytest.param('url = "https://example.org/a.whl"', ADDRESS, id="url"),
        pytest.param('path = "a.whl"', LOCAL, id="path"),
        pytest.param('directory = "lib"', FOLDER, id="directory"),
        pytest.param('editable = "lib"', FOLDER, id="editable"),
        pytest.param('virtual = "lib"', FOLDER, id="virtual"),
    ],
)
def test_what_a_source_outside_the_index_needs_is_installed_but_not_itself(source: str, reason: str) -> None:
    text = uv_lock(
        APP + 'dependencies = [{ name = "a" }]',
        f'name = "a"\nsource = {{ {source} }}\ndependencies = [{{ name = "b" }}]',
        uv_package("b"),
    )

    lock = read(text, "uv.lock")

    assert pins(lock) == ["b==1.0"]
    assert lock.passed_over == (PassedOver(name="app", reason=ITSELF), PassedOver(name="a", reason=reason))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            'version = 2\nrequires-python = ">=3.9"\n',
            "`uv.lock` is of version 2 of its format; 1 is understood",
            id="version",
        ),
        pytest.param(
            uv_lock(
                head='conflicts = [[{ package = "app", extra = "cpu" }, { package = "app", group = "gpu" }]]'
            ),
            "`uv.lock` has choices that exclude each other: `cpu` and `gpu`",
            id="conflicts",
        ),
        pytest.param(
            uv_lock(APP + 'dependencies = [{ name = "a" }]'),
            "`uv.lock` is not whole: `a` is needed and not in it",
            id="missing-package",
        ),
        pytest.param(
            uv_lock(APP + 'dependencies = [{ name = "a" }]', 'name = "a"\nsource = { registry = "x" }'),
            "`uv.lock` gives no version of `a`",
            id="missing-version",
        ),
        pytest.param(
            uv_lock(APP + 'dependencies = [{ name = "a", marker = "nonsense" }]', uv_package("a")),
            "`nonsense` in `uv.lock` is no environment marker",
            id="marker",
        ),
        pytest.param(
            uv_lock('name = "a"\nversion = "1"'),
            "`uv.lock` is not as expected: Object missing required field `source` - at `package[0]`",
            id="missing-source",
        ),
        pytest.param(uv_lock(APP), "`uv.lock` pins no distribution for this interpreter", id="nothing"),
        pytest.param(
            uv_lock(
                APP + 'dependencies = [{ name = "a", version = "1" }, { name = "a", version = "2" }]',
                uv_package("a", "1"),
                uv_package("a", "2"),
            ),
            "`uv.lock` pins `a` at two versions for one interpreter: 2 and 1",
            id="two-versions",
        ),
    ],
)
def test_a_lock_of_uvs_that_cannot_be_installed_is_refused(text: str, message: str) -> None:
    assert refusal(text, "uv.lock") == message


# Poetry


@pytest.mark.parametrize("name", ["poetry-1.lock", "poetry-2.lock"])
@pytest.mark.parametrize(
    ("version", "platform"),
    [
        pytest.param("3.9.18", LINUX, id="3.9-linux"),
        pytest.param("3.11.7", LINUX, id="3.11-linux"),
        pytest.param("3.11.7", WINDOWS, id="3.11-windows"),
    ],
)
def test_poetrys_lock_and_its_export_are_the_same_set(
    name: str, version: str, platform: dict[str, str]
) -> None:
    environment = marker_environment(version, platform=platform)

    lock = read_data(name, environment)

    assert lock.distributions == read_data("poetry-export.txt", environment).distributions
    assert (lock.kind, lock.requires_python) == (LockKind.POETRY, ">=3.9,<4")


def poetry_lock(*packages: str, version: str = "2.0", pythons: str = "*", extras: str = "") -> str:
    """A lock of Poetry's with these bodies of packages."""
    bodies = [f"[[package]]\n{package}\n" for package in packages]
    metadata = f'[metadata]\nlock-version = "{version}"\npython-versions = "{pythons}"\n'
    return "\n".join([*bodies, f"[extras]\n{extras}\n", metadata])


def poetry_package(name: str, version: str = "1.0", *rest: str) -> str:
    """The body of a package."""
    return "\n".join([f'name = "{name}"', f'version = "{version}"', *rest])


def test_a_package_of_format_2_1_is_installed_if_one_of_its_groups_installs_it() -> None:
    both = 'groups = ["main", "dev"]'
    nowhere = "sys_platform == 'win32'"
    text = poetry_lock(
        poetry_package("a", "1.0", both, f'markers = {{ dev = "{nowhere}" }}'),
        poetry_package("b", "1.0", both, f'markers = {{ main = "{nowhere}", dev = "{nowhere}" }}'),
        poetry_package("c", "1.0", both, f'markers = "{nowhere}"'),
        poetry_package("d", "1.0", both, "markers = \"extra == 'x'\""),
        poetry_package("e", "1.0", both, "markers = \"extra == 'not-of-the-project'\""),
        version="2.1",
        extras='x = ["d"]',
    )

    assert pins(read(text, "poetry.lock")) == ["a==1.0", "d==1.0"]


def test_what_only_others_need_and_none_here_is_left_out_and_named() -> None:
    only_windows = '{ version = "*", markers = "sys_platform == \'win32\'" }'
    text = poetry_lock(
        poetry_package("a", "1.0", "[package.dependencies]", f"B_b = {only_windows}", 'c = ">=1"'),
        poetry_package("b-b", "1.0", "[package.dependencies]", 'd = "*"'),
        *(poetry_package(name) for name in "cd"),
    )

    lock = read(text, "poetry.lock")

    assert pins(lock) == ["a==1.0", "c==1.0"]
    assert lock.passed_over == tuple(
        PassedOver(name=name, reason="nothing in the lock needs it here") for name in ("b-b", "d")
    )


def test_packages_that_need_each_other_stay() -> None:
    text = poetry_lock(
        poetry_package("a", "1.0", "[package.dependencies]", 'b = "*"'),
        poetry_package("b", "1.0", "[package.dependencies]", 'a = "*"'),
    )

    assert pins(read(text, "poetry.lock")) == ["a==1.0", "b==1.0"]


def test_of_two_versions_in_an_older_format_the_one_for_this_python_and_need_is_read() -> None:
    needs = (
        'b = [{ version = "<2", markers = "python_version < \'3.11\'" }, '
        '{ version = ">=2,<3", markers = "python_version >= \'3.11\'" }]'
    )
    text = poetry_lock(
        poetry_package("a", "1.0", "[package.dependencies]", needs),
        poetry_package("b", "1.0", 'python-versions = ">=3.7"'),
        poetry_package("b", "2.0", 'python-versions = ">=3.9"'),
        poetry_package("c", "1.0", 'python-versions = "<3.11"'),
        poetry_package("c", "2.0", 'python-versions = ">=3.11"'),
    )

    lock = read(text, "poetry.lock")

    assert pins(lock) == ["a==1.0", "b==2.0", "c==2.0"]
    assert lock.passed_over == ()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        pytest.param("git", REPOSITORY, id="git"),
        pytest.param("url", ADDRESS, id="url"),
        pytest.param("file", LOCAL_FILE, id="file"),
        pytest.param("directory", FOLDER, id="directory"),
    ],
)
@pytest.mark.parametrize("groups", [pytest.param("", id="1"), pytest.param('groups = ["main"]', id="2")])
def test_poetrys_sources_outside_the_index_are_passed_over(groups: str, kind: str, reason: str) -> None:
    text = poetry_lock(
        poetry_package("A_b", "1.0", groups, "[package.source]", f'type = "{kind}"', 'url = "x"'),
        poetry_package("c", "1.0", groups, "[package.source]", 'type = "legacy"', 'url = "x"'),
    )

    lock = read(text, "poetry.lock")

    assert pins(lock) == ["c==1.0"]
    assert lock.passed_over == (PassedOver(name="a-b", reason=reason),)


@pytest.mark.parametrize(
    ("stated", "specifiers"),
    [
        pytest.param(">=3.9,<4", ">=3.9,<4", id="specifiers"),
        pytest.param("*", None, id="any"),
        pytest.param("^3.9", ">=3.9,<4", id="caret"),
        pytest.param("^3.9.1, !=3.9.7", ">=3.9.1,<4,!=3.9.7", id="caret-and-more"),
        pytest.param("^0.2.3", ">=0.2.3,<0.3", id="caret-before-1"),
        pytest.param("^0.0", ">=0.0,<0.1", id="caret-of-zero"),
        pytest.param("~2.7 || ^3.6", None, id="alternatives"),
        pytest.param("^three", None, id="nonsense"),
    ],
)
def test_poetrys_python_versions_are_written_as_specifiers(stated: str, specifiers: str | None) -> None:
    lock = read(poetry_lock(poetry_package("a"), pythons=stated), "poetry.lock")

    assert lock.requires_python == specifiers


def test_a_format_of_poetrys_that_is_not_known_is_refused() -> None:
    message = refusal(poetry_lock(poetry_package("a"), version="3.0"), "poetry.lock")

    assert message == "`poetry.lock` is of version 3.0 of its format; 1 and 2 are understood"


# pylock.toml


PYLOCK = 'lock-version = "1.0"\ncreated-by = "x"\n'
HASHES = 'hashes = { sha256 = "00" }'


def standard_package(name: str, version: str = "1", *rest: str) -> str:
    """A package of a standard lock, with a source distribution."""
    sdist = f'sdist = {{ url = "https://example.org/{name}-{version}.tar.gz", {HASHES} }}'
    return "\n".join(["[[packages]]", f'name = "{name}"', f'version = "{version}"', sdist, *rest, ""])


def test_all_extras_and_groups_of_a_standard_lock_are_installed() -> None:
    text = PYLOCK + 'extras = ["x"]\ndependency-groups = ["dev"]\ndefault-groups = ["main"]\n'
    for name, marker in {
        "a": "'x' in extras",
        "b": "'dev' in dependency_groups",
        "c": "'y' in extras",
        "d": "'main' in dependency_groups",
        "e": "'docs' in dependency_groups",
    }.items():
        text += standard_package(name, "1", f'marker = "{marker}"')

    assert pins(read(text, "pylock.toml")) == ["a==1", "b==1", "d==1"]


def test_a_standard_lock_is_read_for_what_it_pins_and_not_for_the_files_that_it_names() -> None:
    wheel = f'wheels = [{{ url = "https://example.org/b-2-cp27-none-win32.whl", {HASHES} }}]'
    other_python = standard_package("a", "1", 'requires-python = ">=4"')
    text = (
        PYLOCK.replace('"1.0"', '"1.7"')
        + 'requires-python = ">=4"\nenvironments = ["sys_platform == \'win32\'"]\n'
        + f'{other_python}[[packages]]\nname = "b"\nversion = "2"\n{wheel}\n'
    )

    lock = read(text, "pylock.toml")

    assert (pins(lock), lock.requires_python) == (["a==1", "b==2"], ">=4")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param('vcs = { type = "git", url = "x", commit-id = "12" }', REPOSITORY, id="vcs"),
        pytest.param('directory = { path = "." }', FOLDER, id="directory"),
        pytest.param(
            f'archive = {{ path = "a.zip", {HASHES} }}',
            "it comes from an address or a file, not from the index",
            id="archive",
        ),
    ],
)
def test_a_standard_locks_sources_outside_the_index_are_passed_over(source: str, reason: str) -> None:
    text = PYLOCK + f'[[packages]]\nname = "a"\n{source}\n' + standard_package("b")

    lock = read(text, "pylock.toml")

    assert pins(lock) == ["b==1"]
    assert lock.passed_over == (PassedOver(name="a", reason=reason),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            'lock-version = "2.0"',
            "`pylock.toml` is of version 2.0 of its format; 1 is understood",
            id="version",
        ),
        pytest.param(
            PYLOCK + "packages = []",
            "`pylock.toml` pins no distribution for this interpreter",
            id="nothing",
        ),
        pytest.param(
            PYLOCK,
            "`pylock.toml` is not as expected: Missing required value in `packages`",
            id="no-packages",
        ),
        pytest.param(
            PYLOCK + standard_package("a").replace('version = "1"\n', ""),
            "`pylock.toml` gives no version of `a`",
            id="missing-version",
        ),
        pytest.param(
            PYLOCK + '[[packages]]\nname = "a"\nversion = "1"\n',
            "`pylock.toml` is not as expected: Exactly one of vcs, directory, archive must be set "
            "if sdist and wheels are not set in `packages[0]`",
            id="nothing-to-install",
        ),
        pytest.param(
            PYLOCK + standard_package("a", "1", 'marker = "python"'),
            "`pylock.toml` is not as expected: Expected a marker variable or quoted string "
            "in `packages[0].marker`",
            id="no-marker",
        ),
        pytest.param(
            PYLOCK + standard_package("a", "1", "marker = \"extras == 'x'\""),
            '`extras == "x"` in `pylock.toml` is no environment marker',
            id="a-marker-that-cannot-be-evaluated",
        ),
    ],
)
def test_a_standard_lock_that_cannot_be_installed_is_refused(text: str, message: str) -> None:
    assert refusal(text, "pylock.toml") == message


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


# Properties

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,3}(-[a-z0-9]{1,3}){0,2}", fullmatch=True)
VERSIONS = st.from_regex(
    r"(0|[1-9][0-9]?)(\.(0|[1-9][0-9]?)){0,2}(rc[1-9]|\.post[1-9]|\+cpu)?", fullmatch=True
)
PINS = st.dictionaries(NAMES, VERSIONS, min_size=1, max_size=8)


@st.composite
def requirement_lines(draw: st.DrawFn, name: str, version: str) -> str:
    """One pin, in one of the ways in which tools and people write it."""
    spelling = name.replace("-", draw(st.sampled_from(["-", "_", ".", "-_"])))
    extras = draw(st.sampled_from(["", "[x]", "[x,y-z]"]))
    operator = draw(st.sampled_from(["==", " == ", "===", "== "]))
    marker = draw(
        st.sampled_from(["", " ; python_version >= '3.8'", ";sys_platform=='linux' or os_name=='nt'"])
    )
    hashes = draw(
        st.sampled_from(["", " --hash=sha256:00", " \\\n    --hash=sha256:00 \\\n    --hash=sha256:11"])
    )
    comment = draw(st.sampled_from(["", "  # via -r in.txt", "\n    # via\n    #   other==1"]))
    return f"{spelling}{extras}{operator}{version}{marker}{hashes}{comment}"


@given(data=st.data(), versions=PINS, newline=st.sampled_from(["\n", "\r\n"]))
def test_any_pins_are_read_back_from_requirements(
    data: st.DataObject, versions: dict[str, str], newline: str
) -> None:
    names = data.draw(st.permutations(list(versions)))
    lines = [data.draw(requirement_lines(name, versions[name])) for name in names]

    lock = read("\n".join(lines).replace("\n", newline))

    assert {d.name: d.version for d in lock.distributions} == versions
    assert [d.name for d in lock.distributions] == sorted(versions)


@given(versions=PINS)
def test_the_same_pins_are_read_from_every_form(versions: dict[str, str]) -> None:
    standard = PYLOCK + "".join(standard_package(name, version) for name, version in versions.items())
    of_pipenv = json.dumps({"_meta": {}, "default": {n: {"version": f"=={v}"} for n, v in versions.items()}})
    of_poetry = poetry_lock(*(poetry_package(n, v) for n, v in versions.items()))
    first, *others = versions
    chain = [f'dependencies = [{{ name = "{name}" }}]' for name in others]
    of_uv = uv_lock(
        f'name = "the-app"\nsource = {{ virtual = "." }}\ndependencies = [{{ name = "{first}" }}]',
        *(uv_package(n, v, needs) for (n, v), needs in zip(versions.items(), [*chain, ""], strict=True)),
    )

    expected = tuple(Distribution(name=name, version=versions[name]) for name in sorted(versions))
    assert read(standard, "pylock.toml").distributions == expected
    assert read(of_pipenv, "Pipfile.lock").distributions == expected
    assert read(of_poetry, "poetry.lock").distributions == expected
    assert read(of_uv, "uv.lock").distributions == expected


def attempt(content: str | bytes, name: str) -> Lock | UsageError:
    """The lock, or its refusal."""
    try:
        return read(content if isinstance(content, str) else decode(content, name=name), name)
    except UsageError as error:
        return error


@given(data=st.data(), name=st.sampled_from(sorted(path.name for path in DATA.iterdir())))
def test_a_lock_without_some_of_its_lines_is_read_or_refused_with_a_hint(
    data: st.DataObject, name: str
) -> None:
    lines = (DATA / name).read_text("utf-8").splitlines()
    first = data.draw(st.integers(0, len(lines)))
    last = data.draw(st.integers(first, min(first + 12, len(lines))))

    outcome = attempt("\n".join(lines[:first] + lines[last:]), name)

    assert outcome.distributions if isinstance(outcome, Lock) else outcome.hint


@given(
    content=st.one_of(st.binary(), st.text().map(str.encode)),
    name=st.sampled_from(["a.txt", "uv.lock", "x.toml"]),
)
def test_any_content_is_read_or_refused_with_a_hint(content: bytes, name: str) -> None:
    outcome = attempt(content, name)

    assert outcome.distributions if isinstance(outcome, Lock) else outcome.hint
