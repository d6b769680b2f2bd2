"""Documents of commands that are no search."""

from __future__ import annotations

import pytest

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.report.commands import Fault, Machine, doctor_document, verified
from bisect_asgi.report.suite import SuiteRow

WELL = Machine(name="here", faults=())
ILL = Machine(name="there", faults=(Fault(text="git is missing", hint="install it"),))


@pytest.mark.parametrize(
    ("machines", "code"),
    [
        pytest.param([WELL], ExitCode.FOUND, id="well"),
        pytest.param([WELL, ILL], ExitCode.UNAVAILABLE, id="one-is-not"),
        pytest.param([], ExitCode.FOUND, id="none"),
    ],
)
def test_one_fault_is_a_fault_of_all(machines: list[Machine], code: ExitCode) -> None:
    document = doctor_document(machines)

    assert document.exit_code == code
    assert document.machines == tuple(machines)


def test_a_claim_without_a_verdict_has_the_reason() -> None:
    row = SuiteRow(
        probe="leak.py", exit_code=ExitCode.UNAVAILABLE, answer="unavailable", problem="no index", hint="wait"
    )

    claim = verified(row, None)

    assert (claim.verdict, claim.problem, claim.hint, claim.exit_code) == (
        "unavailable",
        "no index",
        "wait",
        6,
    )
    assert (claim.claim, claim.source, claim.log) == ("", None, "")
