"""What a suite's file says, whether answers agree with claims, and which exit code is the worst."""

from __future__ import annotations

import pytest

from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.model import NamedBoundary
from bisect_asgi.core.plan import Claim, suites
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.suites import Agreement, agreement, worst, worst_across

SUITE = """\
[defaults]
python = "3.11"
with = ["httpx"]

[[probe]]
probe = "leak.py"
bad-above = 10

[[probe]]
package = "starlette"
command = "pytest -x"
"""


def test_a_suites_file_has_defaults_and_a_table_for_each_probe() -> None:
    suite = suites.read(SUITE, name="nightly.toml")

    assert suite.defaults == Options(python="3.11", with_=("httpx",))
    assert suite.entries == (
        Options(probe="leak.py", bad_above=10),
        Options(package="starlette", command="pytest -x"),
    )


FORM = (
    'write a `[[probe]]` table for each probe, with `probe = "FILE"` and its options, '
    "and a `[defaults]` table with options of all"
)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param("", "`s.toml` names no probe", FORM, id="empty"),
        pytest.param("[defaults]\njobs = 1", "`s.toml` names no probe", FORM, id="defaults-alone"),
        pytest.param(
            '[[probes]]\nprobe = "a.py"',
            "`s.toml` has an unknown key: `probes`",
            "write `probe`",
            id="unknown-key",
        ),
        pytest.param("xyz = 1", "`s.toml` has an unknown key: `xyz`", FORM, id="a-key-like-none"),
        pytest.param(
            '[[probe]]\nprob = "a.py"',
            "`[[probe]]` in `s.toml` has an unknown option: `prob`",
            "write `probe`",
            id="unknown-option",
        ),
        pytest.param(
            "[defaults]\ntime-out = 3",
            "`[defaults]` in `s.toml` has an unknown option: `time-out`",
            "write `timeout`",
            id="unknown-default",
        ),
        pytest.param(
            '[probe]\nprobe = "a.py"',
            'invalid value `{"probe": "a.py"}` for `probe` in `s.toml`',
            FORM,
            id="one-table",
        ),
        pytest.param(
            "defaults = 3",
            "invalid value `3` for `defaults` in `s.toml`",
            FORM,
            id="no-table",
        ),
        pytest.param(
            "[[probe]]\nprobe = 3",
            "invalid value `3` for `probe` in `[[probe]]` in `s.toml`",
            'write text in quotes: `probe = "FILE"`',
            id="no-path",
        ),
        pytest.param(
            '[[probe]]\nprobe = "a.py"\n[defaults]\njobs = "4"',
            'invalid value `"4"` for `jobs` in `[defaults]` in `s.toml`',
            "write a whole number: `jobs = N`",
            id="a-default-of-the-wrong-type",
        ),
        pytest.param(
            '[[probe]]\nprobe = "a.py"\njobs = 0',
            "`--jobs 0` is out of range",
            "pass 1 or more",
            id="a-number-out-of-range",
        ),
        pytest.param(
            '[defaults]\nprobe = "a.py"\n[[probe]]\npackage = "demo"',
            "`probe` cannot stand in `[defaults]` in `s.toml`",
            FORM,
            id="one-probe-for-all",
        ),
        pytest.param(
            '[[probe]]\nprobe = "a.py"\nquiet = true',
            "`quiet` cannot stand in `[[probe]]` in `s.toml`",
            "pass `--quiet` on the command line of run, locks, verify, suite and report",
            id="an-option-of-the-command-line",
        ),
        pytest.param(
            '[[probe]]\npackage = "demo"',
            "`[[probe]]` number 1 in `s.toml` names no probe",
            'write `probe = "FILE"`, or `command`, or `app` with a `load`',
            id="no-probe",
        ),
        pytest.param(
            '[[probe]]\nprobe = "a.py"\n' * 2,
            "`s.toml` has the same probe twice: `a.py`",
            "remove one of them, or let them differ in an option, such as `package`",
            id="twice",
        ),
        pytest.param(
            '[[probe]]\ncommand = "true"\n' * 2,
            "`s.toml` has the same probe twice: `true`",
            "remove one of them, or let them differ in an option, such as `package`",
            id="a-command-twice",
        ),
    ],
)
def test_what_is_wrong_with_a_suites_file_is_said(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        suites.read(text, name="s.toml")

    assert (str(raised.value), raised.value.hint) == (message, hint)


def test_what_is_no_toml_is_said_with_its_place() -> None:
    with pytest.raises(UsageError, match=r"^`s\.toml` is no valid TOML: .*line 1") as raised:
        suites.read("probe\n", name="s.toml")

    assert raised.value.hint == FORM


def test_one_probe_may_be_there_for_two_packages() -> None:
    text = '[[probe]]\nprobe = "a.py"\npackage = "one"\n[[probe]]\nprobe = "a.py"\npackage = "two"\n'

    assert [entry.package for entry in suites.read(text, name="s.toml").entries] == ["one", "two"]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        pytest.param([], ExitCode.FOUND, id="none"),
        pytest.param([ExitCode.FOUND, ExitCode.FOUND], ExitCode.FOUND, id="all-found"),
        pytest.param([ExitCode.NOT_REPRODUCED, ExitCode.FOUND], ExitCode.NOT_REPRODUCED, id="one-not"),
        pytest.param([ExitCode.NOT_REPRODUCED, ExitCode.INCONCLUSIVE], ExitCode.INCONCLUSIVE, id="untold"),
        pytest.param([ExitCode.GOOD_END_FAILS, ExitCode.INCONCLUSIVE], ExitCode.GOOD_END_FAILS, id="end"),
        pytest.param([ExitCode.UNAVAILABLE, ExitCode.GOOD_END_FAILS], ExitCode.UNAVAILABLE, id="outage"),
        pytest.param([ExitCode.USAGE, ExitCode.UNAVAILABLE], ExitCode.USAGE, id="a-broken-probe"),
        pytest.param([ExitCode.BUG, ExitCode.USAGE], ExitCode.BUG, id="a-bug"),
        pytest.param([ExitCode.INTERRUPTED, ExitCode.BUG], ExitCode.INTERRUPTED, id="interrupted"),
    ],
)
def test_the_exit_code_is_that_of_the_most_severe(codes: list[ExitCode], expected: ExitCode) -> None:
    assert worst(codes) == worst(reversed(codes)) == expected


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        pytest.param([ExitCode.NOT_REPRODUCED, ExitCode.FOUND], ExitCode.FOUND, id="never-on-another"),
        pytest.param([ExitCode.FOUND, ExitCode.USAGE], ExitCode.FOUND, id="not-installable-on-another"),
        pytest.param([ExitCode.GOOD_END_FAILS, ExitCode.FOUND], ExitCode.FOUND, id="always-on-another"),
        pytest.param([ExitCode.INCONCLUSIVE, ExitCode.FOUND], ExitCode.FOUND, id="untestable-on-another"),
        pytest.param([ExitCode.NOT_REPRODUCED] * 2, ExitCode.NOT_REPRODUCED, id="never"),
        pytest.param([ExitCode.NOT_REPRODUCED, ExitCode.USAGE], ExitCode.USAGE, id="found-nowhere"),
        pytest.param([ExitCode.FOUND, ExitCode.UNAVAILABLE], ExitCode.UNAVAILABLE, id="outage"),
        pytest.param([ExitCode.FOUND, ExitCode.BUG], ExitCode.BUG, id="a-bug"),
        pytest.param([ExitCode.INTERRUPTED, ExitCode.FOUND], ExitCode.INTERRUPTED, id="interrupted"),
    ],
)
def test_where_one_python_has_a_change_others_need_not_have_one(
    codes: list[ExitCode], expected: ExitCode
) -> None:
    assert worst_across(codes) == worst_across(codes[::-1]) == expected


def test_every_exit_code_has_its_severity() -> None:
    assert sorted(suites.SEVERITY) == sorted(ExitCode)


def seen(first: str, *gap: str, excluded: tuple[str, ...] = (), fix: bool = False) -> NamedBoundary:
    verdict = "fine" if fix else "bad"
    return NamedBoundary(last="0.9", first=first, verdict=verdict, gap=gap, excluded=excluded)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param([seen("1.2")], Agreement.AGREES, id="there"),
        pytest.param([seen("1.2.0")], Agreement.AGREES, id="the-same-version"),
        pytest.param([seen("1.3")], Agreement.DISAGREES, id="elsewhere"),
        pytest.param([seen("1.2", fix=True)], Agreement.DISAGREES, id="the-other-way"),
        pytest.param([seen("1.3", "1.1", "1.2")], Agreement.INCONCLUSIVE, id="in-a-gap"),
        pytest.param([seen("1.2", "1.1")], Agreement.INCONCLUSIVE, id="behind-a-gap"),
        pytest.param([seen("1.3", excluded=("1.2",))], Agreement.INCONCLUSIVE, id="excluded"),
        pytest.param([seen("1.0"), seen("1.1", fix=True), seen("1.2")], Agreement.AGREES, id="one-of-many"),
        pytest.param([], Agreement.DISAGREES, id="no-change"),
    ],
)
def test_a_claim_agrees_when_a_change_is_there_in_its_direction(
    changes: list[NamedBoundary], expected: Agreement
) -> None:
    assert agreement(Claim(version="1.2", fixed=False), changes, good="fine") is expected
