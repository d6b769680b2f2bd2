"""A probe is read with its files, and what is wrong with it is said in whole sentences."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from bisect_asgi.cli.probe_files import DEFAULT_TIMEOUT_S, imported_names, load, read_metadata
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import ProbeFile, ReadyMadeLoad, Served
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.records import replace


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a probe in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leak.py").write_bytes(b"pass\n")
    return tmp_path


SCRIPT = ProbeFile(name="leak.py", content=b"pass\n")


def names(*include: str) -> list[str]:
    """The names that the included files have in the working directory of a run."""
    return [file.name for file in load(Options(command="true", include=include)).files]


# --- Scripts and commands


def test_a_script_is_a_probe(here: Path) -> None:
    probe = load(Options(probe="leak.py"))

    assert (probe.name, probe.script, probe.command) == ("leak.py", "leak.py", None)
    assert probe.files == (SCRIPT,)
    assert (probe.environ, probe.timeout_s, probe.served) == ((), DEFAULT_TIMEOUT_S, None)


def test_a_script_in_another_folder_has_its_name_alone(here: Path) -> None:
    (here / "probes").mkdir()
    (here / "probes" / "hang.py").write_bytes(b"1\r\n\xff")

    probe = load(Options(probe=str(here / "probes" / "hang.py")))

    assert (probe.name, probe.script) == ("hang.py", "hang.py")
    assert probe.files == (ProbeFile(name="hang.py", content=b"1\r\n\xff"),)


def test_a_command_is_a_probe(here: Path) -> None:
    probe = load(Options(command="pytest -x test_x.py"))

    assert (probe.name, probe.script, probe.command) == ("pytest -x test_x.py", None, "pytest -x test_x.py")
    assert probe.files == ()


def test_a_command_finds_the_script_that_was_named_with_it(here: Path) -> None:
    probe = load(Options(probe="leak.py", command="python -X dev leak.py"))

    assert (probe.name, probe.script) == ("python -X dev leak.py", None)
    assert probe.files == (SCRIPT,)


def test_a_time_out_is_taken_from_the_options(here: Path) -> None:
    assert load(Options(probe="leak.py", timeout=0.5)).timeout_s == 0.5


def test_variables_that_are_named_are_taken_from_here_and_no_others(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "abc")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("SECRET", "hunter2")

    probe = load(Options(probe="leak.py", env=("TOKEN", "EMPTY")))

    assert probe.environ == (("TOKEN", "abc"), ("EMPTY", ""))


# --- Included files


def test_an_included_file_has_its_name_alone(here: Path) -> None:
    (here / "data").mkdir()
    (here / "data" / "certificate.pem").write_bytes(b"\x00\xff")

    probe = load(Options(probe="leak.py", include=("data/certificate.pem",)))

    assert probe.files == (ProbeFile(name="certificate.pem", content=b"\x00\xff"), SCRIPT)


@pytest.mark.parametrize(
    "named",
    [
        pytest.param("app", id="plain"),
        pytest.param("app/", id="with-a-slash"),
        pytest.param("./app", id="from-here"),
    ],
)
def test_an_included_folder_comes_with_all_below_it_and_its_own_name(here: Path, named: str) -> None:
    for path in ("app/main.py", "app/deep/er/page.html", "app/__pycache__/main.pyc", "app/.env"):
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        (here / path).touch()

    assert names(named) == ["app/.env", "app/deep/er/page.html", "app/main.py"]


def test_a_folder_somewhere_else_comes_under_its_last_name(here: Path) -> None:
    (here / "one" / "two").mkdir(parents=True)
    (here / "one" / "two" / "three.txt").touch()

    assert names(str(here / "one" / "two"), "one/two/three.txt") == ["two/three.txt", "three.txt"]


def test_the_current_folder_comes_without_a_name(here: Path) -> None:
    assert names(".") == ["leak.py"]


def test_no_file_is_placed_outside_the_working_directory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "probes").mkdir()
    (here / "data.txt").touch()
    monkeypatch.chdir(here / "probes")

    placed = [*names(".."), *names("../probes/..")]

    assert [name for name in placed if ".." in Path(name).parts or Path(name).is_absolute()] == []


def test_a_file_that_can_be_executed_stays_so(here: Path) -> None:
    (here / "run.sh").write_text("#!/bin/sh\n")
    (here / "notes").write_text("")
    os.chmod(here / "run.sh", 0o755)
    os.chmod(here / "notes", 0o644)

    files = load(Options(probe="leak.py", include=("run.sh", "notes"))).files

    assert [(file.name, file.executable) for file in files] == [
        ("run.sh", True),
        ("notes", False),
        ("leak.py", False),
    ]


# --- What is wrong


def test_without_a_probe_there_is_nothing_to_run() -> None:
    with pytest.raises(UsageError) as caught:
        load(Options())

    assert str(caught.value) == "no probe given"
    assert caught.value.hint == (
        "pass `--probe FILE`, `--command 'python -m pytest test_x.py'`, or `--app app.py --load 'GET /'`"
    )


def test_a_file_given_as_the_package_is_named_as_the_probe_that_it_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("leak.py").write_text("")
    with pytest.raises(UsageError) as caught:
        load(Options(package="leak.py"))

    assert str(caught.value) == "no probe given"
    assert caught.value.hint == "pass the file as an option: `--probe leak.py`"


def test_an_empty_command_is_no_probe() -> None:
    with pytest.raises(UsageError) as caught:
        load(Options(command=""))

    assert str(caught.value) == "no probe given"


@pytest.mark.parametrize(
    ("probe", "hint"),
    [
        pytest.param("leek.py", "pass an existing file: `leak.py`", id="nearly-its-name"),
        pytest.param("x.py", "pass an existing file: `hang.py` and `leak.py`", id="none-is-near"),
        pytest.param("x.toml", "pass an existing file: `.` has no `*.toml`", id="none-of-the-kind"),
    ],
)
def test_a_script_that_is_not_there_is_told_with_those_that_are(here: Path, probe: str, hint: str) -> None:
    (here / "hang.py").touch()
    (here / "notes.txt").touch()

    with pytest.raises(UsageError) as caught:
        load(Options(probe=probe))

    assert str(caught.value) == f"there is no file `{probe}` (`--probe`)"
    assert caught.value.hint == hint


def test_a_script_in_a_folder_that_is_not_there(here: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(Options(probe="probes/leak.py"))

    assert str(caught.value) == "there is no file `probes/leak.py` (`--probe`)"
    assert caught.value.hint == "pass an existing file: there is no directory `probes` that can be read"


def test_a_folder_is_no_script(here: Path) -> None:
    (here / "probes").mkdir()

    with pytest.raises(UsageError) as caught:
        load(Options(probe="probes"))

    assert str(caught.value) == "`probes` cannot be read (`--probe`): Is a directory"
    assert caught.value.hint == "pass an existing file: `probes` has no `*.py`"


def test_an_included_file_that_is_not_there(here: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(Options(probe="leak.py", include=("leaf.py",)))

    assert str(caught.value) == "there is no file `leaf.py` (`--include`)"
    assert caught.value.hint == "pass an existing file: `leak.py`"


def test_a_file_that_is_too_large_to_carry_around(here: Path) -> None:
    with (here / "dump.bin").open("wb") as stream:
        stream.truncate(100 * 1024 * 1024 + 1)

    with pytest.raises(UsageError) as caught:
        load(Options(probe="leak.py", include=("dump.bin",)))

    assert str(caught.value) == "`dump.bin` is larger than 100 MiB (`--include`)"
    assert caught.value.hint == "have the probe make it"


@pytest.mark.parametrize(
    ("timeout", "message"),
    [
        pytest.param(0.0, "`--timeout 0` is out of range", id="zero"),
        pytest.param(-2.5, "`--timeout -2.5` is out of range", id="negative"),
        pytest.param(math.nan, "`nan` cannot be read (`--timeout`)", id="no-number"),
        pytest.param(math.inf, "`inf` cannot be read (`--timeout`)", id="endless"),
    ],
)
def test_a_time_out_that_no_run_can_have(here: Path, timeout: float, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(Options(probe="leak.py", timeout=timeout))

    assert str(caught.value) == message
    assert caught.value.hint == "pass a time, such as `30 s` or `2 min`"


def test_a_variable_that_is_not_set_is_not_passed_over(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN", raising=False)

    with pytest.raises(UsageError) as caught:
        load(Options(probe="leak.py", env=("TOKEN",)))

    assert str(caught.value) == "environment variable `TOKEN` is not set (`--env`)"
    assert caught.value.hint == "set it, or drop `--env TOKEN`"


# --- Served apps


@pytest.mark.parametrize(
    ("source", "is_served"),
    [
        pytest.param("app = 1\ndef probe(server): ...\n", True, id="an-app-and-a-probe"),
        pytest.param("async def app(s, r, t): ...\nasync def probe(server): ...\n", True, id="functions"),
        pytest.param("app: object = 1\ndef probe(server): ...\n", True, id="annotated"),
        pytest.param("app = 1\n", False, id="an-app-alone"),
        pytest.param("def probe(server): ...\n", False, id="a-probe-alone"),
        pytest.param("def f():\n    app = 1\n    def probe(server): ...\n", False, id="inside-a-function"),
        pytest.param("app = 1\ndef probe(server) ...\n", False, id="no-python"),
    ],
)
def test_a_script_with_an_app_and_a_probe_is_served(here: Path, source: str, is_served: bool) -> None:
    (here / "hang.py").write_text(source)

    probe = load(Options(probe="hang.py", uvicorn={"http": "h11"}))

    assert probe.served == (Served(file="hang.py", options={"http": "h11"}) if is_served else None)


@pytest.mark.parametrize(
    ("app", "name"),
    [
        pytest.param("web/main.py", "app", id="its-usual-name"),
        pytest.param("web/main.py:api", "api", id="named"),
    ],
)
def test_an_app_file_is_served_under_a_load(here: Path, app: str, name: str) -> None:
    (here / "web").mkdir()
    (here / "web" / "main.py").write_bytes(b"app = api = 1\n")

    probe = load(Options(app=app, load="GET /items", requests=50, concurrency=4, keep_alive=False))

    assert probe.served == Served(
        file="main.py",
        name=name,
        load=ReadyMadeLoad(request="GET /items", requests=50, concurrency=4, keep_alive=False),
    )
    assert probe.files == (ProbeFile(name="main.py", content=b"app = api = 1\n"),)


def test_an_app_file_that_is_not_there(here: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(Options(app="main.py:api", load="GET /"))

    assert str(caught.value) == "there is no file `main.py` (`--app`)"


# --- What a probe says of itself


def test_paths_in_a_probes_table_are_taken_from_its_folder(here: Path) -> None:
    (here / "probes").mkdir()
    probe = here / "probes" / "leak.py"
    probe.write_text(
        "# /// script\n"
        '# requires-python = ">=3.8"\n'
        "# [tool.bisect-asgi]\n"
        f'# include = ["data", "{here}/page.html"]\n'
        '# with-requirements = ["../requirements.txt"]\n'
        '# app = "served.py:api"\n'
        "# ///\n"
    )

    stated = read_metadata(probe)

    assert stated.requires_python == ">=3.8"
    assert stated.options.include == (str(here / "probes" / "data"), str(here / "page.html"))
    assert [Path(path).resolve() for path in stated.options.with_requirements] == [here / "requirements.txt"]
    assert stated.options.app == str(here / "probes" / "served.py:api")


def test_a_probe_without_a_table_says_nothing_of_itself(here: Path) -> None:
    assert read_metadata(here / "leak.py").options == Options()


def test_a_probe_that_is_no_utf_8_is_read_all_the_same(here: Path) -> None:
    (here / "leak.py").write_bytes(b"# caf\xe9\n# /// script\n# requires-python = '>=3.8'\n# ///\n")

    assert read_metadata(here / "leak.py").requires_python == ">=3.8"


def test_metadata_of_a_probe_that_is_not_there(here: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_metadata(Path("leek.py"))

    assert str(caught.value) == "there is no file `leek.py` (`--probe`)"


# --- Requirements files


@pytest.mark.parametrize(
    ("path", "options", "hint"),
    [
        pytest.param("leak.py", Options(), "name it: `--app FILE[:NAME]`", id="a-script"),
        pytest.param("app.py", Options(), "name it: `--app app.py`", id="an-app-without-a-probe"),
        pytest.param("app.py", Options(command="true"), "name it: `--app FILE[:NAME]`", id="a-command"),
        pytest.param(None, Options(), "name it: `--app FILE[:NAME]`", id="nothing-else"),
    ],
)
def test_a_load_needs_an_app(here: Path, path: str | None, options: Options, hint: str) -> None:
    (here / "app.py").write_text("def app():\n    pass\n")

    with pytest.raises(UsageError) as caught:
        load(replace(options, probe=path, load="GET /"))

    assert str(caught.value) == "`--load 'GET /'` has no app to drive"
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("source", "names"),
    [
        pytest.param("import a, b.c as d", {"a", "b"}, id="import"),
        pytest.param("from a.b import c", {"a"}, id="from"),
        pytest.param("def f():\n    if x:\n        import a", {"a"}, id="inside"),
        pytest.param("from . import a\nfrom .b import c", set(), id="relative"),
        pytest.param("'import a'  # import b", set(), id="text"),
        pytest.param("import a b", set(), id="no-python"),
        pytest.param("import a\0", set(), id="no-text"),
    ],
)
def test_the_modules_that_a_script_imports(source: str, names: set[str]) -> None:
    assert imported_names(source) == names


@pytest.mark.parametrize(
    "source", ["import other", "import demos", "import sys\nsys.path.pop(0)\nimport demo"]
)
def test_a_script_that_imports_something_else_is_a_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo.py").write_text(source)

    assert load(Options(probe="demo.py")).script == "demo.py"
