"""What a command says where it cannot answer, whole, and with which exit code."""

from __future__ import annotations

import re

import pytest
from support.shell import BISECT, PROBE, PYTHON, Shell, publish, told

# Exit codes and messages.


def test_a_probe_that_passes_everywhere_is_not_reproduced(shell: Shell) -> None:
    publish(shell.index, "+++")

    done = shell.bisect("--quiet")

    assert done.returncode == 3
    assert done.stderr == told(
        "`leak.py` passes on every release of demo that was run, from 1.0 to 1.2",
        "pass another `--python` or `--deps`, which may show the change; "
        "`--history all` runs every release, and `bisect-asgi check` runs one release",
    )


def test_a_bad_end_that_passes_is_not_reproduced(shell: Shell) -> None:
    publish(shell.index, "+++")

    done = shell.bisect("--quiet", "--bad", "1.2")

    assert done.returncode == 3
    assert done.stderr == told(
        "the bad end passes: `leak.py` succeeded on demo 1.2 (6 of 6 runs)",
        "pass another `--bad`, `--python` or `--deps`",
    )


def test_a_good_end_that_fails_has_an_exit_code_of_its_own(shell: Shell) -> None:
    publish(shell.index, "---")

    done = shell.bisect("--quiet", "--good", "1.0", "--bad", "1.2")

    assert done.returncode == 4
    assert done.stderr == told(
        "the good end fails: `leak.py` failed on demo 1.0 (6 of 6 runs): AssertionError: it does not work",
        "pass another release with `--good`, or drop `--good` to search backward",
    )


def test_releases_that_lack_a_package_of_the_others_are_told_which(shell: Shell) -> None:
    shell.index.add_wheel("helper", "1.0", uploaded="2020-01-01", modules={"helper.py": ""})
    publish(shell.index, "++", requires=["helper"])
    for minor, requires in ((2, []), (3, []), (4, ["helper"])):
        source = {"demo.py": f"version = '1.{minor}'\nworks = False\n"}
        uploaded = f"2021-0{minor + 1}-01"
        shell.index.add_wheel("demo", f"1.{minor}", uploaded=uploaded, modules=source, requires=requires)
    shell.write("leak.py", "import helper\n" + PROBE)

    done = shell.bisect("--quiet")

    assert done.returncode == 5
    assert done.stderr == told(
        "the change is in one of 1.2, 1.3 and 1.4: 2 releases inside the boundary are untestable",
        "in 1.2 and 1.3, helper is not installed: add it with `--with helper`",
    )


def test_ends_that_are_swapped_are_told_so(shell: Shell) -> None:
    publish(shell.index, "-+")

    done = shell.bisect("--quiet", "--good", "1.0", "--bad", "1.1")

    assert done.returncode == 4
    assert done.stderr.endswith("\nhint: pass `--good 1.1 --bad 1.0`: the two are swapped\n")


def test_an_untestable_release_at_the_boundary_is_inconclusive(shell: Shell) -> None:
    publish(shell.index, "++--")
    shell.write(
        "leak.py", "import demo\nif demo.version == '1.2': raise SystemExit(125)\nassert demo.works\n"
    )

    done = shell.bisect("--quiet")

    assert done.returncode == 5
    assert done.stderr == told(
        "the change is in one of 1.2 and 1.3: 1 release inside the boundary is untestable",
        "change the probe so that it does not skip them, or narrow `--releases`",
    )


def test_another_failure_at_the_boundary_is_told_with_the_release_from_which_on_it_is_there(
    shell: Shell,
) -> None:
    publish(shell.index, "++x-")

    done = shell.bisect("--quiet")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "demo 1.1 is the last good release; it fails from 1.2 on (ModuleNotFoundError: "
    )
    assert "from 1.3 on (AssertionError: it does not work)" in done.stdout


def test_requirements_that_cannot_be_met_are_told_with_uvs_reason_cut_short(shell: Shell) -> None:
    publish(shell.index, "++", requires=["nowhere"])

    done = shell.bisect("--quiet")

    assert done.returncode == 5
    message, _, hint = done.stderr.partition("\n\n")
    assert message.startswith(
        "error: no release of demo is testable: Because nowhere was not found in the package registry"
    )
    assert "\n" not in message
    assert hint == "hint: their requirements have no solution: pass another `--deps` or `--python`\n"


def test_an_index_that_is_down_is_unavailable(shell: Shell) -> None:
    shell.index.down = True

    done = shell.bisect("--quiet")

    assert done.returncode == 6
    assert done.stderr == told(
        f"the request to the package index failed after 5 attempts: `{shell.index.url}/demo/` "
        "(Server disconnected without sending a response.)",
        "run the same command again when it responds",
    )


def test_an_index_without_upload_times_cannot_serve_a_policy_by_date(shell: Shell) -> None:
    publish(shell.index, "++--")
    shell.index.style = "html"

    by_date = shell.bisect("--quiet")
    latest = shell.bisect("--quiet", "--deps", "latest")

    assert by_date.returncode == 2
    assert by_date.stderr == told(
        "the index gives no upload time for demo 1.0, and `--deps as-of-release` needs one",
        "use `--deps latest`, or an index that gives them (JSON pages, PEP 700)",
    )
    assert latest.stdout == "demo broke in 1.2, by itself\n"


def complaint(stderr: str) -> str:
    """What a command complained of, without the line that says what it was going to do, if it got so far."""
    return re.sub(r"\Abisecting \S+: \S+\n", "", stderr)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param(
            [*BISECT, "--releases", ">=9"],
            "there is no release of `demo` to search; excluded: not in `--releases >=9`",
            "widen `--releases` or the ends; run `bisect-asgi releases demo` to list all",
            id="no-release-in-range",
        ),
        pytest.param(
            [*BISECT, "--good", "1.0.5"],
            "there is no release `1.0.5` of demo (`--good`)",
            "pass `--good 1.0` or `--good 1.1`",
            id="no-such-end",
        ),
        pytest.param(
            [*BISECT, "--good", "1.0", "--bad", "1.0"],
            "`--good` and `--bad` are the same: `1.0`",
            "pass two different ones, or one alone",
            id="same-ends",
        ),
        pytest.param(
            ["demo", "--python", PYTHON],
            "no probe given",
            "pass `--probe FILE`, `--command 'python -m pytest test_x.py'`, or `--app app.py --load 'GET /'`",
            id="no-probe",
        ),
        pytest.param(
            ["demo", "--probe", "probes/leek.py"],
            "there is no file `probes/leek.py` (`--probe`)",
            "pass an existing file: `probes/one.py` and `probes/two.py`",
            id="probe-missing",
        ),
        pytest.param(
            ["demo", "--probe", "probes"],
            "`probes` cannot be read (`--probe`): Is a directory",
            "pass an existing file: `probes/one.py` and `probes/two.py`",
            id="probe-is-a-directory",
        ),
        pytest.param(
            ["demo", "--probe", "leak.py/leak.py"],
            "`leak.py/leak.py` cannot be read (`--probe`): Not a directory",
            "name a file that can be read",
            id="probe-unreadable",
        ),
        pytest.param(
            ["demo", "--probe", "twice.py"],
            "`twice.py` has 2 `# /// script` blocks",
            "keep one of them (PEP 723 allows one)",
            id="bad-metadata",
        ),
        pytest.param(
            ["demo", "--probe", "typo.py"],
            "`[tool.bisect-asgi]` in `typo.py` has an unknown option: `timout`",
            "write `timeout`",
            id="unknown-option-in-the-table",
        ),
        pytest.param(
            [*BISECT, "--jobs", "0"], "`--jobs 0` is out of range", "pass 1 or more", id="jobs-out-of-range"
        ),
        pytest.param(
            [*BISECT, "--timeout", "0"],
            "`--timeout 0` is out of range",
            "pass a time, such as `30 s` or `2 min`",
            id="timeout-out-of-range",
        ),
        pytest.param(
            [*BISECT, "--confirm", "-1"],
            "`--confirm -1` is out of range",
            "pass 0 or more",
            id="confirm-out-of-range",
        ),
        pytest.param(
            [*BISECT, "--metric", "wall", "--bad-above", "15 bananas"],
            "`15 bananas` cannot be read (`--bad-above`)",
            "pass a number, with or without a unit: `8 MiB`, `250 ms`, `15%`",
            id="no-such-unit",
        ),
        pytest.param(
            [*BISECT, "--metric", "wall", "--bad-above", "0%"],
            "`--bad-above 0%` is out of range",
            "pass a percentage above 0%, such as `15%`",
            id="no-more-than-the-good-end",
        ),
        pytest.param(
            [*BISECT, "--metric", "wall", "--bad-above", "15%", "--bad-below", "3 s"],
            "`--bad-above 15%` conflicts with `--bad-below 3 s`",
            "drop one of them",
            id="two-limits",
        ),
        pytest.param(
            [*BISECT, "--effect", "5%"],
            "`--effect 5%` has no effect without a metric",
            "add `--metric wall`, for example",
            id="an-effect-on-nothing",
        ),
        pytest.param(
            [*BISECT, "--metric", "wall", "--effect", "3 ms"],
            "`--effect 3 ms` is out of range",
            "pass a percentage of the metric, such as `5%`",
            id="an-effect-that-is-no-share",
        ),
        pytest.param(
            [*BISECT, "--confidence", "99"],
            "`--confidence 99` is out of range",
            "pass a probability from 0.5 to 0.9999, such as `99%`",
            id="a-confidence-in-per-cent",
        ),
        pytest.param(
            [*BISECT, "--budget", "all day"],
            "`all day` cannot be read (`--budget`)",
            "pass a number of runs, `200`, or a time, `30 min`",
            id="no-budget",
        ),
        pytest.param(
            [*BISECT, "--deps", "yesterday"],
            "`yesterday` cannot be read (`--deps`)",
            "pass `as-of-release`, `latest`, `as-of 2022-01-10` or `as-of 2022-01-10T12:00`",
            id="no-such-policy",
        ),
        pytest.param(
            [*BISECT, "--env", "NO_SUCH_VARIABLE"],
            "environment variable `NO_SUCH_VARIABLE` is not set (`--env`)",
            "set it, or drop `--env NO_SUCH_VARIABLE`",
            id="no-such-variable",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_whole_and_exits_2(
    shell: Shell, arguments: list[str], message: str, hint: str
) -> None:
    publish(shell.index, "+-")
    (shell.folder / "probes").mkdir()
    shell.write("probes/one.py", "")
    shell.write("probes/two.py", "")
    shell.write("twice.py", "# /// script\n# x = 1\n# ///\n\n# /// script\n# x = 2\n# ///\n")
    shell.write("typo.py", "# /// script\n# [tool.bisect-asgi]\n# timout = 3\n# ///\n")

    done = shell.run(*arguments)

    assert complaint(done.stderr) == told(message, hint)
    assert (done.returncode, done.stdout) == (2, "")


def test_metadata_that_is_no_toml_is_told_with_its_place(shell: Shell) -> None:
    shell.write("bad.py", "# /// script\n# dependencies = [\n# ///\n")

    done = shell.run("demo", "--probe", "bad.py")

    assert done.returncode == 2
    message, _, hint = done.stderr.partition("\n\n")
    assert message.startswith("error: the metadata of `bad.py` is no valid TOML: ")
    assert hint == "hint: the lines between `# /// script` and `# ///` are TOML behind `# `\n"


def test_a_python_that_is_not_there_is_told_with_those_that_are(shell: Shell) -> None:
    publish(shell.index, "+-")

    done = shell.run("demo", "--probe", "leak.py", "--env", "DIARY", "--python", "3.99")

    assert done.returncode == 2
    message, _, hint = complaint(done.stderr).partition("\n\n")
    assert message == "error: there is no Python `3.99` on this machine (`--python`)"
    assert re.fullmatch(r"hint: pass (one of )?3\.\d+.*\n", hint)


def test_an_option_of_the_wrong_kind_exits_2(shell: Shell) -> None:
    done = shell.bisect("--jobs", "many")

    assert done.returncode == 2
    assert "--jobs" in done.stderr


@pytest.mark.parametrize(
    ("below", "reason"),
    [pytest.param("", "File exists", id="file"), pytest.param("/deep", "Not a directory", id="below-a-file")],
)
def test_a_cache_folder_that_cannot_be_written_is_unavailable(shell: Shell, below: str, reason: str) -> None:
    publish(shell.index, "+-")
    path = shell.write("taken", "a file in the place of the folder")
    shell.environ["BISECT_ASGI_CACHE_DIR"] = f"{path}{below}"

    done = shell.bisect()

    assert (done.returncode, done.stdout) == (6, "")
    assert complaint(done.stderr) == told(
        f"the cache directory cannot be written: `{path}{below}` ({reason})",
        "free some disk space, make the directory writable, or set `BISECT_ASGI_CACHE_DIR` to another one",
    )


def test_a_package_that_is_not_there_is_near_to_one_that_was_looked_at_before(shell: Shell) -> None:
    publish(shell.index, "+-")

    unknown = shell.run("dmeo", *BISECT[1:])
    shell.run("releases", "demo")
    known = shell.run("dmeo", *BISECT[1:])

    message = "there is no package `dmeo` on the index"
    elsewhere = f"check the spelling, or name another index to uv: `{shell.index.url}` has it not"
    assert (unknown.returncode, complaint(unknown.stderr)) == (2, told(message, elsewhere))
    assert (known.returncode, complaint(known.stderr)) == (2, told(message, "write `demo`"))


@pytest.mark.parametrize("limit", [0, 8_000], ids=["at-once", "on-the-way"])
def test_a_disk_that_is_full_is_unavailable_and_no_crash(shell: Shell, limit: int) -> None:
    """A limit on the size of files stands for the disk: writes fail in the same places."""
    publish(shell.index, "+-")

    done = shell.run(*BISECT, "--quiet", file_limit=limit)

    assert done.returncode == 6
    assert re.fullmatch(r"error: .+\n\nhint: .+\n", done.stderr)


def test_pages_that_cannot_be_kept_are_no_reason_to_stop_or_to_alarm(shell: Shell) -> None:
    publish(shell.index, "+-")

    done = shell.run(*BISECT, "--quiet", file_limit=60_000)  # the pages' file grows beyond it

    # Where other files do, too, it says so; what it never does is to show a library's traceback.
    assert (done.returncode, done.stderr) == (0, "") or done.stderr.startswith("error: ")


def test_a_probe_that_never_ran_is_known_after_two_trials(shell: Shell) -> None:
    publish(shell.index, "+" * 12)
    shell.write("leak.py", "import module_of_nobody\n")

    done = shell.bisect()

    assert (done.returncode, done.stdout) == (2, "")
    assert "error: `leak.py` never ran (tried with demo 1.10 and demo 1.11): Module" in done.stderr
    assert "\n\nhint: add the package that provides `module_of_nobody`: `--with PACKAGE`;" in done.stderr
    assert "store         2 observations" in shell.run("cache").stdout
