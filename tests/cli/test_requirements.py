"""What environments get besides the package: files of requirements, constraints, groups."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.own_projects import lay_out

from bisect_asgi.cli.requirements import read_wanted, relative_requirements
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.own_projects import Wanted
from bisect_asgi.core.plan.tables import ProbeMetadata


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, with a cache in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BISECT_ASGI_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def wanted(
    probe: Path | None = None, dependencies: tuple[str, ...] = (), **options: tuple[str, ...]
) -> Wanted:
    given = Options(**options)  # type: ignore[arg-type]
    return read_wanted(given, ProbeMetadata(dependencies=dependencies), probe)


def test_files_are_joined_in_their_order_and_each_is_read_once(here: Path) -> None:
    put(here / "one.txt", "h11==0.9 --hash=sha256:ab\n-r sub/two.txt\n")
    put(here / "sub" / "two.txt", "anyio\n-r ../one.txt\n-c limits.txt\n")
    put(here / "sub" / "limits.txt", "idna<3\n-r more.txt\n")
    put(here / "sub" / "more.txt", "sniffio<2\n")

    found = wanted(with_requirements=("one.txt",), constraint=("sub/limits.txt",))

    assert [(line.text, line.of) for line in found.lines] == [
        ("h11==0.9", "`one.txt`"),
        ("anyio", "`sub/two.txt`"),
    ]
    assert [(line.text, line.of) for line in found.constraints] == [
        ("idna<3", "`sub/limits.txt`"),
        ("sniffio<2", "`sub/more.txt`"),
    ]
    assert found.hashes == ("h11==0.9 sha256:ab",)


def test_a_file_in_utf_16_is_read(here: Path) -> None:
    (here / "requirements.txt").write_bytes("h11\r\n".encode("utf-16"))

    assert [line.text for line in wanted(with_requirements=("requirements.txt",)).lines] == ["h11"]


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        (
            "requirements.txt",
            "there is no file `requirements.txt` (`--with-requirements`)",
            "pass an existing file: `requirements-dev.txt`",
        ),
        (
            "requirements-dev.txt",
            "there is no file `base.txt` (`-r in requirements-dev.txt`)",
            "pass an existing file: `requirements-dev.txt`",
        ),
        (
            "https://h.example/r.txt",
            "`https://h.example/r.txt` is no file of this machine (`--with-requirements`)",
            "download it",
        ),
    ],
)
def test_a_file_that_is_not_there(here: Path, path: str, message: str, hint: str) -> None:
    put(here / "requirements-dev.txt", "-r base.txt\n")

    with pytest.raises(UsageError) as caught:
        wanted(with_requirements=(path,))

    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_projects_in_files_begin_at_the_current_folder_else_at_the_files(here: Path) -> None:
    lay_out(here / "app", "shop")
    lay_out(here / "sub" / "lib", "tool")
    put(here / "sub" / "r.txt", "-e ./app[x]\n./lib\nh11\n")

    found = wanted(with_requirements=("sub/r.txt",))

    assert [(given.project.name, given.given) for given in found.own] == [
        ("shop", "./app[x]"),
        ("tool", "./sub/lib"),
    ]
    assert [line.text for line in found.lines] == ["h11"]


def test_a_project_of_the_probes_metadata_begins_at_the_probes_folder(here: Path) -> None:
    lay_out(here / "probes" / "app", "shop")

    found = wanted(here / "probes", ("shop @ ./app", "h11"))

    assert [given.project.name for given in found.own] == ["shop"]
    assert found.of_probe == ("h11",)


def test_a_project_is_no_constraint(here: Path) -> None:
    put(here / "c.txt", "./app\n")

    with pytest.raises(UsageError) as caught:
        wanted(constraint=("c.txt",))

    assert str(caught.value) == "`c.txt` names a project of yours, which is no constraint: `./app`"
    assert caught.value.hint == "name it by `--with`"


GROUPS = '[dependency-groups]\ndev = ["pytest", {include-group = "web"}]\nweb = ["httpx<1"]\n'


@pytest.mark.parametrize("group", ["dev", "pyproject.toml:dev", ".:Dev"])
def test_a_group_is_of_the_pyproject_of_the_folder_or_of_a_path(here: Path, group: str) -> None:
    put(here / "pyproject.toml", GROUPS)

    found = wanted(group=(group,))

    assert [line.text for line in found.lines] == ["pytest", "httpx<1"]
    assert {line.of.lower() for line in found.lines} == {"the group `dev`"}
    assert not any(line.is_file for line in found.lines)


def test_a_group_in_no_toml(here: Path) -> None:
    put(here / "pyproject.toml", "no toml\n")

    with pytest.raises(UsageError, match=r"^`pyproject\.toml` is no valid TOML: .* \(`--group`\)$"):
        wanted(group=("dev",))


def test_what_a_file_says_is_relative_to_its_folder() -> None:
    options = Options(with_=("h11", "./app"), group=("dev", "sub/pyproject.toml:web"))

    found = relative_requirements(Path("probes"), options)

    assert found.with_ == ("h11", "./probes/app")
    assert found.group == ("probes/pyproject.toml:dev", "probes/sub/pyproject.toml:web")
