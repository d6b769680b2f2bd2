"""With `--fail-on`, a result fails the command only if it is named, and what is no result always does."""

from __future__ import annotations

import pytest

from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.gate import Gate, Shown, gated, read_gates

FOUND = Shown(exit_code=ExitCode.FOUND, gates=frozenset({Gate.FOUND}))
NEW = Shown(exit_code=ExitCode.FOUND, gates=frozenset({Gate.FOUND, Gate.CHANGED}))
NOTHING = Shown(exit_code=ExitCode.NOT_REPRODUCED, gates=frozenset())
UNSURE = Shown(exit_code=ExitCode.INCONCLUSIVE, gates=frozenset({Gate.INCOMPLETE}))


@pytest.mark.parametrize(
    ("shown", "wanted", "code"),
    [
        ([FOUND], {Gate.FOUND}, ExitCode.FAILED_ON),
        ([FOUND], {Gate.CHANGED}, ExitCode.FOUND),
        ([NEW], {Gate.CHANGED}, ExitCode.FAILED_ON),
        ([NOTHING], {Gate.FOUND, Gate.CHANGED, Gate.INCOMPLETE}, ExitCode.FOUND),
        ([UNSURE], {Gate.FOUND}, ExitCode.FOUND),
        ([UNSURE], {Gate.FOUND, Gate.INCOMPLETE}, ExitCode.FAILED_ON),
        ([NOTHING, FOUND], {Gate.FOUND}, ExitCode.FAILED_ON),
        ([], {Gate.FOUND}, ExitCode.FOUND),
    ],
)
def test_a_result_fails_only_if_it_is_named(shown: list[Shown], wanted: set[Gate], code: ExitCode) -> None:
    assert gated(shown, wanted) is code


@pytest.mark.parametrize("code", [ExitCode.BUG, ExitCode.USAGE, ExitCode.UNAVAILABLE, ExitCode.INTERRUPTED])
def test_what_is_no_result_keeps_its_code(code: ExitCode) -> None:
    failed = Shown(exit_code=code, gates=frozenset())
    assert gated([FOUND, failed], {Gate.FOUND}) is code
    assert gated([failed], {Gate.INCOMPLETE}) is code


def test_the_names_are_read() -> None:
    assert read_gates(("found", "incomplete")) == {Gate.FOUND, Gate.INCOMPLETE}
    with pytest.raises(UsageError, match="invalid value `broken` for `--fail-on`") as told:
        read_gates(("found", "broken"))
    assert told.value.hint == "pass one of `found`, `changed` and `incomplete`"
