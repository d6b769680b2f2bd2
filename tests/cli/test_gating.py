"""`--fail-on` and `--if-newest-fails`: commands whose exit code a job can rely on."""

from __future__ import annotations

import pytest
from support.shell import DIARY, PYTHON, Shell, publish, told

SEARCH = ("demo", "--probe", "leak.py", "--python", PYTHON, *DIARY, "--jobs", "1")
SKIPS = """\
import sys
try:
    import demo
except ImportError:
    sys.exit(125)
assert demo.works
"""
TABLE = f"""\
# /// script
# [tool.bisect-asgi]
# package = "demo"
# python = "{PYTHON}"
# history = "none"
# {{claim}}
# ///
import demo
assert demo.works, "it does not work"
"""


@pytest.mark.parametrize(
    ("works", "fail_on", "code"),
    [
        pytest.param("++-", ["found"], 7, id="found"),
        pytest.param("++-", ["incomplete"], 0, id="found-and-complete"),
        pytest.param("+++", ["found", "changed", "incomplete"], 0, id="nothing-changed"),
        pytest.param("+x-", ["incomplete"], 7, id="a-gap"),
        pytest.param("+x-", ["found"], 0, id="a-gap-is-not-found"),
    ],
)
def test_the_exit_code_is_about_what_is_named(
    shell: Shell, works: str, fail_on: list[str], code: int
) -> None:
    publish(shell.index, works)
    shell.write("leak.py", SKIPS)
    named = [word for name in fail_on for word in ("--fail-on", name)]
    assert shell.bisect(*named).returncode == code


def test_what_is_no_result_keeps_its_exit_code(shell: Shell) -> None:
    publish(shell.index, "++-")

    unknown = shell.run("demo", "--probe", "none.py", "--fail-on", "found")
    misspelled = shell.bisect("--fail-on", "fond")
    shell.index.down = True
    outage = shell.bisect("--fail-on", "found", "--fresh")

    assert (unknown.returncode, misspelled.returncode, outage.returncode) == (2, 2, 6)
    assert misspelled.stderr == told(
        "invalid value `fond` for `--fail-on`", "pass one of `found`, `changed` and `incomplete`"
    )


def test_a_result_has_changed_if_the_last_one_was_another(shell: Shell) -> None:
    publish(shell.index, "++-")
    first, second = (shell.bisect("--fail-on", "changed").returncode for _ in range(2))
    publish(shell.index, "++-+")
    fixed = shell.bisect("--fail-on", "changed").returncode
    after = shell.bisect("--fail-on", "changed").returncode

    assert (first, second, fixed, after) == (7, 0, 7, 0)


def test_a_result_has_not_changed_if_it_is_what_the_probe_claims(shell: Shell) -> None:
    publish(shell.index, "++-")
    shell.write("right.py", TABLE.replace("{claim}", 'broken-in = "1.2"'))
    shell.write("wrong.py", TABLE.replace("{claim}", 'broken-in = "1.1"'))

    codes = [
        shell.run("run", "--probe", name, "--fail-on", "changed").returncode
        for name in ("right.py", "wrong.py")
    ]

    assert codes == [0, 7]


def test_a_suite_fails_if_one_of_its_probes_does(shell: Shell) -> None:
    publish(shell.index, "++-")
    (shell.folder / "probes").mkdir()
    shell.write("probes/works.py", TABLE.replace("{claim}", "").replace("demo.works", "demo.version"))
    of_none = shell.run("suite", "probes", "--fail-on", "found", "--quiet")
    shell.write("probes/fails.py", TABLE.replace("{claim}", ""))
    of_one = shell.run("suite", "probes", "--fail-on", "found", "--quiet")

    assert (of_none.returncode, of_one.returncode) == (0, 7)


@pytest.mark.parametrize(
    ("claim", "fail_on", "code"),
    [
        ('broken-in = "1.2"', "changed", 0),
        ('broken-in = "1.1"', "changed", 7),
        ('broken-in = "1.2"', "found", 7),
        ('broken-in = "1.2"', "incomplete", 0),
    ],
)
def test_a_claim_that_does_not_hold_has_changed(shell: Shell, claim: str, fail_on: str, code: int) -> None:
    publish(shell.index, "++-")
    shell.write("claim.py", TABLE.replace("{claim}", claim))
    assert shell.run("verify", "--probe", "claim.py", "--fail-on", fail_on).returncode == code


def test_nothing_but_the_newest_is_run_while_it_works(shell: Shell) -> None:
    publish(shell.index, "+-++")

    done = shell.run(*SEARCH, "--if-newest-fails")
    gated = shell.run(*SEARCH, "--if-newest-fails", "--fail-on", "found", "--json")

    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "error: demo 1.3, the newest release, is good"
    assert shell.noted("start") == {"1.3": 1}
    assert gated.returncode == 0
    assert '"headline":"demo 1.3, the newest release, is good"' in gated.stdout


def test_the_search_goes_on_from_the_newest_that_fails(shell: Shell) -> None:
    publish(shell.index, "++--")

    plain = shell.run(*SEARCH, "--quiet")
    runs = shell.noted("start")
    done = shell.run(*SEARCH, "--if-newest-fails", "--fresh", "--quiet")

    assert (plain.returncode, done.returncode) == (0, 0)
    assert done.stdout == plain.stdout
    assert {label: count - runs[label] for label, count in shell.noted("start").items()} == runs


def test_a_newest_release_that_cannot_be_tested_is_no_result(shell: Shell) -> None:
    publish(shell.index, "+-x")
    shell.write("leak.py", SKIPS)
    done = shell.run(*SEARCH, "--if-newest-fails", "--fail-on", "incomplete", "--fail-on", "found")
    assert done.returncode == 7
    assert done.stderr.splitlines()[-1].startswith("error: demo 1.2, the newest release, is untestable")


def test_a_threshold_between_the_ends_needs_both(shell: Shell) -> None:
    publish(shell.index, "+-")
    done = shell.run(*SEARCH, "--metric", "wall", "--if-newest-fails")
    assert (done.returncode, done.stderr) == (
        2,
        told(
            "`--if-newest-fails` needs a threshold for `wall`: it runs one release alone",
            "pass one with a unit, such as `--bad-above '250 ms'`",
        ),
    )
