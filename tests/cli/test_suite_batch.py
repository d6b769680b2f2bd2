"""Many sessions in one command: each has its row, however it ends."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
from support.builders import a_plan
from support.documents import REGRESSION

from bisect_asgi.cli.suite import Case, read_case, run_cases
from bisect_asgi.core.claims import ClaimVerdict, Finding
from bisect_asgi.core.errors import ExitCode, Unavailable, UsageError
from bisect_asgi.core.plan import Claim, Plan
from bisect_asgi.core.plan.options import Options
from bisect_asgi.report.folding import fold
from bisect_asgi.report.suite import SuiteRow, row_of_finding

CLAIM = Claim(version="1.1", fixed=True)
PLAN = a_plan(claim=CLAIM)
REPORT = fold(REGRESSION)
FAULTY = Case(name="faulty.py", plan=UsageError("no package given", hint="pass PACKAGE"))


def found(case: Case, plan: Plan, _: Executor) -> SuiteRow:
    """What a session returns whose claim is refuted."""
    finding = Finding(claim=CLAIM, verdict=ClaimVerdict.REFUTED, truth="fixed in 1.2")
    return row_of_finding(case.name, finding, REPORT)


def test_what_is_wrong_with_one_probe_is_in_its_row_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ends: dict[str, BaseException | None] = {
        "refuted.py": None,
        "unknown.py": UsageError("there is no release 9.0", hint="pass another"),
        "offline.py": Unavailable("the index did not answer"),
        "bug.py": RuntimeError("an accident"),
        "interrupted.py": KeyboardInterrupt(),
        "last.py": None,
    }
    begun: list[str] = []
    ended: list[tuple[str, SuiteRow]] = []

    def ask(case: Case, plan: Plan, way: Executor) -> SuiteRow:
        if error := ends[case.name]:
            raise error
        return found(case, plan, way)

    with ThreadPoolExecutor() as executor:
        rows, is_interrupted = run_cases(
            [*(Case(name=name, plan=PLAN) for name in ends), FAULTY],
            ask,
            executor,
            at_once=1,
            begun=lambda case: begun.append(case.name),
            ended=lambda case, row: ended.append((case.name, row)),
        )

    assert not is_interrupted
    assert [(row.probe, row.exit_code, row.answer, row.problem) for row in rows] == [
        ("refuted.py", ExitCode.NOT_REPRODUCED, "refuted", ""),
        ("unknown.py", ExitCode.USAGE, "not run", "there is no release 9.0"),
        ("offline.py", ExitCode.UNAVAILABLE, "unavailable", "the index did not answer"),
        (
            "bug.py",
            ExitCode.BUG,
            "a bug of bisect-asgi",
            "a bug of bisect-asgi: RuntimeError: an accident",
        ),
        ("interrupted.py", ExitCode.INTERRUPTED, "interrupted", ""),
        ("last.py", ExitCode.NOT_REPRODUCED, "refuted", ""),
        ("faulty.py", ExitCode.USAGE, "not run", "no package given"),
    ]
    assert {row.claim for row in rows[:3]} == {"fixed in 1.1"}
    assert (rows[1].hint, rows[6].hint, rows[6].package) == ("pass another", "pass PACKAGE", "")
    assert begun == [*ends, "faulty.py"]
    assert ended == [(row.probe, row) for row in rows if row.probe != "interrupted.py"]
    assert "RuntimeError: an accident" in capsys.readouterr().err


def test_a_fault_of_a_probes_options_is_its_case(tmp_path: Path) -> None:
    path = tmp_path / "leak.py"
    path.write_text("# /// script\n# [tool.bisect-asgi]\n# package = 'demo'\n# jobs = 0\n# ///\n")

    case = read_case(Options(probe=str(path)), number=7)

    assert (case.name, case.number, case.package, case.claim) == (str(path), 7, "", "")
    assert isinstance(case.plan, UsageError)
    assert str(case.plan) == "`--jobs 0` is out of range"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        pytest.param(Options(package="demo", command="true"), "true", id="command"),
        pytest.param(Options(package="demo", app="site.py", load="GET /"), "site.py", id="app"),
    ],
)
def test_a_case_is_named_by_what_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Options, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.py").touch()

    case = read_case(given, Options(broken_in="2.0"))

    assert (case.name, case.package, case.claim) == (name, "demo", "broken in 2.0")
