"""`bisect-asgi suite` as a user meets it: a process of its own, on releases from the local index."""

from __future__ import annotations

import json
import signal
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest
from support import machine
from support.builders import a_plan
from support.local_index import LocalIndex
from support.processes import PATIENCE_S, eventually, is_running
from support.services import FakeIndex, fake_services
from support.shell import PYTHON, Shell, told

from bisect_asgi.cli import suite as suite_command
from bisect_asgi.cli.suite import Case, run_cases
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.services import Services
from bisect_asgi.report.suite import SuiteRow

WORKS = "import {0}\nassert {0}.works, 'it does not work'\n"


class Suite(Shell):
    """A folder with probes in it, a cache of its own, and the command that runs them all."""

    prefix = ("suite",)

    def __init__(self, index: LocalIndex, folder: Path) -> None:
        super().__init__(index, folder)
        self.environ["FLAG"] = str(folder / "flag")

    def write(self, name: str, text: str) -> Path:
        (self.folder / name).parent.mkdir(exist_ok=True)
        return super().write(name, text)

    def probe(self, name: str, package: str, *options: str, body: str = WORKS) -> Path:
        """A probe with a table, for the one interpreter that needs no looking for."""
        own = (f'package = "{package}"', f'python = "{PYTHON}"', 'history = "none"', "confirm = 1", *options)
        table = ["# /// script", "# [tool.bisect-asgi]", *(f"# {line}" for line in own), "# ///"]
        return self.write(name, "\n".join(table) + "\n" + body.format(package))

    def publish(self, project: str, works: str, *, requires: tuple[str, ...] = ()) -> None:
        """Releases 1.0, 1.1, …, one a month: `+` works, `-` does not."""
        for minor, mark in enumerate(works):
            self.index.add_wheel(
                project,
                f"1.{minor}",
                uploaded=f"2021-{minor + 1:02}-01",
                modules={f"{project}.py": f"works = {mark == '+'}\n"},
                requires=requires,
            )

    def answers(self, *arguments: str) -> dict[str, tuple[str, str]]:
        """The answer and the reason by the probe's name."""
        document = json.loads(self.run("--json", "--quiet", *arguments).stdout)
        return {Path(row["probe"]).name: (row["answer"], row["why"]) for row in document["probes"]}


@pytest.fixture
def suite(local_index: LocalIndex, tmp_path: Path, known_machine: Path) -> Suite:
    machine.tell(known_machine, tmp_path)
    return Suite(local_index, tmp_path)


def fetched(index: LocalIndex, part: str) -> int:
    """How often the index was asked for a path that ends so."""
    return sum(request.method == "GET" and request.path.endswith(part) for request in index.requests)


def test_a_folder_of_probes_gets_one_table_and_shares_what_it_can(suite: Suite) -> None:
    suite.publish("one", "++--", requires=("dep",))
    suite.publish("two", "--++", requires=("dep",))
    suite.index.add_wheel("dep", "1.0", uploaded="2020-01-01", modules={"dep.py": ""})
    suite.probe("probes/first.py", "one", 'broken-in = "1.2"')
    suite.probe("probes/second.py", "two", 'fixed-in = "1.3"')
    suite.probe("probes/third.py", "one")
    suite.write("probes/no_probe.py", "import this_is_for_others\n")

    done = suite.run("probes", "--jobs", "2")

    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    head = "Probe Package Result Cause Claim Runs Time"
    assert lines[0] == head
    assert lines[1].startswith("probes/first.py one 1.1 → 1.2 (bad) by itself broken in 1.2: agrees ")
    assert lines[2].startswith("probes/second.py two 1.1 → 1.2 (good) by itself fixed in 1.3: disagrees ")
    assert lines[3].startswith("probes/third.py one 1.1 → 1.2 (bad) by itself ")
    assert lines[5].startswith("3 of 3 probes have their result, 1 claim disagrees, ")
    said = done.stderr.splitlines()
    assert sum(line.startswith(f"[{number}/3] ") for line in said for number in (1, 2, 3)) == 3
    logs = sorted((suite.cache / "logs").glob("*.jsonl"))
    assert [log.name.partition("-")[2].partition("-")[2] for log in logs] == [
        "1-one.jsonl",
        "2-two.jsonl",
        "3-one.jsonl",
    ]
    assert said[-1] == f"logs: {suite.cache / 'logs'}"
    # The tool asks for a page once for both probes of a package, uv asks by itself; a file is fetched once.
    pages = [each for each in suite.index.requests if each.path.endswith("/one/")]
    assert sum(not each.headers["user-agent"].startswith("uv") for each in pages) == 1
    assert fetched(suite.index, "/dep-1.0-py3-none-any.whl") == 1


def test_a_file_says_more_than_a_probe_and_a_probe_more_than_the_defaults(suite: Suite) -> None:
    suite.publish("one", "+++---")
    suite.probe("probes/first.py", "one", 'releases = ">=1.1"')
    suite.write(
        "probes/nightly.toml",
        '[defaults]\nreleases = "<1.0"\nculprit = false\n\n'
        '[[probe]]\nprobe = "first.py"\n\n'
        '[[probe]]\nprobe = "first.py"\nreleases = ">=1.2,<1.5"\n\n'
        f'[[probe]]\npackage = "one"\ncommand = "python -c \'import one; assert one.works\'"\n'
        f'python = "{PYTHON}"\nreleases = ""\n',
    )

    done = suite.run("probes/nightly.toml", "--json", "--quiet", "--jobs", "6")

    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr, document["schema"]) == (0, "", "bisect-asgi.suite/2")
    rows = document["probes"]
    assert [row["answer"] for row in rows] == ["1.2 → 1.3 (bad)"] * 3
    assert [row["probe"] for row in rows[:2]] == ["probes/first.py"] * 2
    oldest = [row["report"]["rows"][0]["version"] for row in rows]
    newest = [row["report"]["rows"][-1]["version"] for row in rows]
    assert list(zip(oldest, newest, strict=True)) == [("1.1", "1.5"), ("1.2", "1.4"), ("1.0", "1.5")]
    assert {row["report"]["stages"] == [] for row in rows} == {True}
    # With more cores than probes, each probe has its share of them.
    assert {row["report"]["plan"]["jobs"] for row in rows} == {2}


@pytest.mark.parametrize(("jobs", "most_jobs", "then"), [(2, 8, (3, 3)), (1, 1, (1, 1))])
def test_on_a_cluster_too_a_probe_may_say_how_many_trials_it_has_at_a_time(
    jobs: int, most_jobs: int, then: tuple[int, int]
) -> None:
    plan = a_plan(jobs=jobs, most_jobs=most_jobs)

    shared = suite_command.sharing(plan, 3)

    assert (shared.jobs, shared.most_jobs) == then


def test_probes_without_an_answer_say_why_and_the_worst_is_the_exit_code(suite: Suite) -> None:
    suite.publish("one", "+--")
    suite.publish("two", "+++")
    suite.probe("probes/found.py", "one")
    suite.probe("probes/passes.py", "two")
    without_broken = suite.run("probes", "--quiet")
    suite.write("probes/broken.py", "# /// script\n# [tool.bisect-asgi]\n# pakage = 'one'\n# ///\n")
    suite.probe("probes/unknown.py", "nowhere-to-be-found")

    done = suite.run("probes", "--quiet")

    assert (without_broken.returncode, without_broken.stderr) == (3, "")
    assert (done.returncode, done.stderr) == (2, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[1] == "probes/broken.py not run"
    assert lines[2].startswith("probes/found.py one 1.0 → 1.1 (bad) by itself ")
    assert lines[3].startswith("probes/passes.py two not reproduced ")
    assert lines[4].startswith("probes/unknown.py nowhere-to-be-found not run ")
    assert (
        "probes/broken.py: `[tool.bisect-asgi]` in `broken.py` has an unknown option: `pakage`\n"
        "  hint: write `package`\n"
    ) in done.stdout
    assert "probes/passes.py: `passes.py` passes on every release of two that was run" in done.stdout
    assert lines[-1].startswith("1 of 4 probes have their result, ")


def rows_of(services: Services, folder: Path) -> list[SuiteRow]:
    """The rows of a suite of one probe."""
    path = folder / "logs" / "1.jsonl"

    def ask(case: Case, plan: Plan, _: Executor) -> SuiteRow:
        return suite_command.session(case.name, plan, services, path)

    with ThreadPoolExecutor() as executor:
        rows, _ = run_cases([Case(name="leak.py", plan=a_plan())], ask, executor, at_once=1)
    return rows


def test_a_bug_in_one_session_is_in_its_row_and_traced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: str) -> NoReturn:
        raise RuntimeError("nobody thought of this")

    (row,) = rows_of(fake_services(index=FakeIndex(fail)), tmp_path)

    assert (row.probe, row.package, row.exit_code) == ("leak.py", "app", ExitCode.BUG)
    assert row.problem == "a bug of bisect-asgi: RuntimeError: nobody thought of this"
    assert "Traceback" in capsys.readouterr().err


def test_a_session_whose_log_cannot_be_written_says_so_in_its_row(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder")

    (row,) = rows_of(fake_services(), tmp_path)

    assert (row.answer, row.exit_code) == ("unavailable", ExitCode.UNAVAILABLE)
    assert row.problem.startswith("the event log cannot be written: ")


# While the flag is there, the second release of `slow` hangs.
HANGS = """\
import os, pathlib, time
import {0}
flag = pathlib.Path(os.environ["FLAG"])
if flag.exists():
    flag.with_suffix(".new").write_text(str(os.getpid()))
    flag.with_suffix(".new").rename(flag.with_suffix(".pid"))  # there is never half of it
    time.sleep(3600)
assert {0}.works
"""


def test_an_interrupt_shows_what_is_done_leaves_nothing_behind_and_can_be_gone_on_from(suite: Suite) -> None:
    for project in ("one", "two", "three"):
        suite.publish(project, "++--")
    suite.probe("probes/a_quick.py", "one")
    suite.probe("probes/b_slow.py", "two", 'env = ["FLAG"]', 'sandbox = "none"', body=HANGS)
    suite.probe("probes/c_late.py", "three")
    flag, pid = suite.folder / "flag", suite.folder / "flag.pid"
    flag.touch()

    process = suite.start("probes", "--jobs", "1")
    eventually(lambda: pid.exists() and pid.read_text() != "")
    below = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130
    assert "Traceback" not in stderr
    lines = [" ".join(line.split()) for line in stdout.splitlines()]
    assert lines[1].startswith("probes/a_quick.py one 1.1 → 1.2 (bad) by itself ")
    assert lines[2].startswith("probes/b_slow.py two interrupted ")
    assert lines[3] == "probes/c_late.py three interrupted"
    assert lines[-1].startswith("1 of 3 probes have their result, ")
    assert (
        "error: interrupted\n\nhint: finished runs are cached; run the same command to continue\n"
    ) in stderr
    assert int(pid.read_text()) in below
    assert [each for each in below if is_running(each)] == []
    flag.unlink()
    assert suite.answers("probes") == dict.fromkeys(
        ["a_quick.py", "b_slow.py", "c_late.py"], ("1.1 → 1.2 (bad)", "by itself")
    )


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param(
            ["nightly.toml"],
            "there is no file `nightly.toml` (`suite`)",
            "pass an existing file: `other.toml`",
            id="missing-file",
        ),
        pytest.param(
            ["empty"],
            "there is no probe in `empty`",
            "a probe of a suite is a `.py` file with its options in a `[tool.bisect-asgi]` table; "
            "`bisect-asgi new FILE` writes one",
            id="empty-folder",
        ),
        pytest.param(
            ["other.toml"],
            "`other.toml` has an unknown key: `probes`",
            "write `probe`",
            id="unknown-key",
        ),
        pytest.param(
            ["other.toml", "--jobs", "0"], "`--jobs 0` is out of range", "pass 1 or more", id="no-jobs"
        ),
    ],
)
def test_what_is_no_suite_is_said_whole(suite: Suite, arguments: list[str], message: str, hint: str) -> None:
    suite.write("empty/plain.py", "print('no probe')\n")
    suite.write("other.toml", "[[probes]]\n")

    done: Any = suite.run(*arguments)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", told(message, hint))
