"""`bisect-asgi new` writes probes that are valid as they stand, and overwrites nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bisect_asgi.cli import app
from bisect_asgi.cli import probe_files as probes
from bisect_asgi.core.plan import tables
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.records import replace

SERVED = ("memory", "latency", "hang", "status")
KINDS = (*SERVED, "script")


def new(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run `bisect-asgi new …` in this process; return its exit code."""
    monkeypatch.setattr("sys.argv", ["bisect-asgi", "new", *arguments])
    with pytest.raises(SystemExit) as caught:
        app.main()
    return int(caught.value.code or 0)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_written_and_says_how_to_run_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    code = new(monkeypatch, "mine.py", "--kind", kind)

    assert code == 0
    assert capsys.readouterr().out == "wrote mine.py; run it: bisect-asgi --probe mine.py\n"
    tree = ast.parse((here / "mine.py").read_text())
    assert "Run it: bisect-asgi --probe mine.py" in (ast.get_docstring(tree) or "")
    assert "PROBE_FILE" not in (here / "mine.py").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_carries_its_package_and_what_it_needs(
    here: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    new(monkeypatch, "mine.py", "--kind", kind)

    stated = tables.read_probe((here / "mine.py").read_text(), name="mine.py")

    assert stated.options.package in stated.dependencies
    assert stated.options.releases is not None
    assert stated.options.timeout == 60


@pytest.mark.parametrize("kind", ["memory", "latency"])
def test_what_measures_names_a_metric_that_it_returns_and_its_limit(
    here: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    new(monkeypatch, "mine.py", "--kind", kind)
    text = (here / "mine.py").read_text()

    options = tables.read_probe(text, name="mine.py").options

    assert options.bad_above is not None
    assert f'"{options.metric}":' in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_kinds_with_an_app_are_served_and_the_script_is_not(
    here: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    new(monkeypatch, "mine.py", "--kind", kind)
    path = Path("mine.py")

    probe = probes.load(replace(probes.read_metadata(path).options, probe="mine.py"))

    assert (probe.served is not None) == (kind in SERVED)
    assert probe.script == "mine.py"


def test_without_a_kind_it_is_a_script(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new(monkeypatch, "plain.py")
    new(monkeypatch, "script.py", "--kind", "script")

    plain, script = (here / "plain.py").read_text(), (here / "script.py").read_text()
    assert plain == script.replace("script.py", "plain.py")


def test_a_file_in_another_folder_is_run_from_there(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "probes").mkdir()

    new(monkeypatch, "probes/mine.py", "--kind", "hang")

    assert capsys.readouterr().out == "wrote probes/mine.py; run it: bisect-asgi --probe probes/mine.py\n"


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        pytest.param(
            "mine.py", "`mine.py` exists already", "pass another file, or remove it", id="it-is-there"
        ),
        pytest.param(
            "folder", "`folder` exists already", "pass another file, or remove it", id="it-is-a-folder"
        ),
        pytest.param(
            "absent/mine.py",
            "`absent/mine.py` cannot be written: No such file or directory",
            "name a file in a directory that is there",
            id="no-such-folder",
        ),
    ],
)
def test_what_cannot_be_written_is_said_whole_and_nothing_is_overwritten(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    target: str,
    message: str,
    hint: str,
) -> None:
    (here / "mine.py").write_text("mine\n")
    (here / "folder").mkdir()

    code = new(monkeypatch, target, "--kind", "memory")

    assert code == 2
    assert capsys.readouterr().err == f"error: {message}\n\nhint: {hint}\n"
    assert (here / "mine.py").read_text() == "mine\n"


ISSUE = """\
# Leak

```python
from demo import FastApp
app = FastApp()
@app.get("/")
async def root(): return 1
```

demo works in 1.0, fails in 1.1.
"""


@pytest.mark.parametrize("is_piped", [False, True], ids=["file", "standard-input"])
def test_a_probe_is_drafted_from_an_issue(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_piped: bool
) -> None:
    (here / "issue.md").write_text(ISSUE)
    monkeypatch.setattr("sys.stdin", (here / "issue.md").open())

    assert new(monkeypatch, "mine.py", "--from", "-" if is_piped else "issue.md") == 0

    told = capsys.readouterr().out.splitlines()
    assert told[0] == "wrote mine.py; run it: bisect-asgi --probe mine.py"
    assert '  bad end: 1.1 ("fails in 1.1")' in told
    plan = probes.read_plan(Options(probe="mine.py"))
    assert (plan.project, plan.good, plan.bad) == ("demo", "1.0", "1.1")
    assert plan.probe.served is not None
    assert plan.probe.served.load is not None
    assert plan.probe.served.load.request == "GET /"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--from", "no.md"], "there is no file `no.md` (`--from`)", id="no-file"),
        pytest.param(["--from", "empty.md"], "`empty.md` has no code that imports a package", id="nothing"),
        pytest.param(["--from", "empty.md", "--kind", "hang"], "are two probes", id="a-kind-as-well"),
    ],
)
def test_an_issue_that_tells_no_probe_is_refused(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    (here / "empty.md").write_text("It does not work.")

    assert new(monkeypatch, "mine.py", *arguments) == 2

    assert message in capsys.readouterr().err
    assert not (here / "mine.py").exists()
