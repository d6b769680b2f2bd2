"""Make the command of each contender of `bench.py`, and read its answer.

Except for this tool, all contenders are loops around one trial script. The script runs the commands of uv, or
of venv and pip, that a user would type. The loops get the list of releases, which this tool asks the index
for. Each contender has its own caches.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from work import SERVED, TIMEOUT_S, WORKS, Work

HERE = Path(__file__).parent
UV_TRIAL = """\
timeout {timeout} uv run --quiet --isolated --no-project --python "$BENCH_PYTHON" {requirements} \\
    python "$BENCH_PROBE"
status=$?
"""
PIP_TRIAL = """\
folder=$(mktemp -d "$BENCH_FOLDER/venv-XXXXXX")
"$BENCH_PYTHON" -m venv "$folder" && "$folder/bin/python" -m pip install --quiet {pins} &&
    timeout {timeout} "$folder/bin/python" "$BENCH_PROBE"
status=$?
rm -rf "$folder"
"""
TRIAL = """\
version=${1:-$(cat VERSION)}
echo "$version" >> "$BENCH_RUNS"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a contender works, and with what."""

    folder: Path
    """Its own: caches, scripts, repository."""
    python: str
    environ: Mapping[str, str]
    """With the caches and the index in it."""
    releases: Sequence[str]
    probe: Path


@dataclass(frozen=True, slots=True)
class Said:
    """What a contender found, and in how many runs of the probe."""

    last: str
    first: str
    runs: int
    more: Mapping[str, Any] = field(default_factory=dict)


def ours(*options: str) -> Callable[[str, Place], list[str]]:
    """This tool's command line."""

    def command(name: str, place: Place) -> list[str]:
        program = place.environ["BENCH_TOOL"]
        if name in SERVED:
            return [program, "run", "--probe", str(place.probe), *options, "--json"]
        work = WORKS[name]
        return [
            *(program, "run", work.package, "--probe", str(place.probe), "--python", place.python),
            *("--good", work.good, "--bad", work.bad, "--releases", work.releases),
            *(part for requirement in work.held for part in ("--with", requirement)),
            *("--timeout", str(TIMEOUT_S), *options, "--json"),
        ]

    return command


def read_ours(_: str, __: Place, output: str) -> Said:
    """Read the report."""
    report = json.loads(output)
    rows = report["rows"]
    # A row lists cached observations first. Some may come from a trial that this command had cancelled.
    made = [seen for row in rows for seen in row["observations"][row["remembered"] :]]
    timings = report.get("timings") or {}
    return Said(
        last=report["last"] or "",
        first=report["first"] or "",
        runs=sum(row["passed"] + row["failed"] - row["remembered"] for row in rows),
        more={
            "ratio": timings.get("ratio"),
            "lower_bound_s": (timings.get("lower_bound") or {}).get("seconds"),
            "probes_cpu_s": sum(seen["cpu_s"] for seen in made),
        },
    )


def trial(place: Place, work: Work, template: str) -> Path:
    """Write the trial script: it ends with 0 where a release answers as the oldest does."""
    pins = [f'"{pin}"' for pin in (f"{work.package}==$version", *work.held)]
    body = template.format(
        requirements=" ".join(f"--with {pin}" for pin in pins), pins=" ".join(pins), timeout=TIMEOUT_S
    )
    is_old = '[ "$status" -eq 0 ]' if work.old_passes else '[ "$status" -ne 0 ]'
    path = place.folder / "trial.sh"
    path.write_text(f"{TRIAL}{body}{is_old}\n")
    return path


def loop(template: str) -> Callable[[str, Place], list[str]]:
    """The plain loop around a trial script."""

    def command(name: str, place: Place) -> list[str]:
        script = trial(place, WORKS[name], template)
        listed = place.folder / "releases.txt"
        listed.write_text("\n".join(place.releases))
        return [place.python, str(HERE / "loop.py"), str(listed), "sh", str(script)]

    return command


def repository(place: Place) -> Path:
    """A repository with one commit for each release, made once."""
    folder = place.folder / "repository"
    if not folder.exists():
        folder.mkdir()
        lines = []
        for number, release in enumerate(place.releases, 1):
            data = f"data {len(release)}\n{release}\n"
            lines.append(
                f"commit refs/heads/main\ncommitter bench <bench@localhost> {1_600_000_000 + number} +0000\n"
                f"{data}M 100644 inline VERSION\n{data}\n"
            )
            lines.append(f"reset refs/tags/v{release}\nfrom refs/heads/main\n\n")
        git = ["git", "-C", str(folder)]
        subprocess.run([*git, "init", "--quiet", "--initial-branch", "main"], check=True)
        subprocess.run([*git, "fast-import", "--quiet"], input="".join(lines).encode(), check=True)
        subprocess.run([*git, "reset", "--quiet", "--hard", "main"], check=True)
    return folder


def in_repository(script: str) -> Callable[[str, Place], list[str]]:
    """Something that walks over the repository's commits, which are put back afterwards."""

    def command(name: str, place: Place) -> list[str]:
        path = trial(place, WORKS[name], UV_TRIAL)
        recipe = place.folder / "recipe.py"
        recipe.write_text(f"from bisectlib import test\n\ntest({f'sh {path}'!r}, timeout={TIMEOUT_S})\n")
        words = {
            "old": f"v{place.releases[0]}",
            "new": f"v{place.releases[-1]}",
            "trial": shlex.quote(str(path)),
            "recipe": shlex.quote(str(recipe)),
        }
        where = shlex.quote(str(repository(place)))
        return ["sh", "-c", f"cd {where} && {script.format(**words)}; git checkout --quiet --force main"]

    return command


BISECT = "git bisect start {new} {old} -- && git bisect run %s; git bisect reset"
BAYESECT = "git-bayesect start --old {old} --new {new} && git-bayesect run sh {trial}; git-bayesect reset"


def bisecter(name: str, place: Place) -> list[str]:
    """It is given all releases, and runs the script with one of them."""
    path, state = trial(place, WORKS[name], UV_TRIAL), shlex.quote(str(place.folder / "bisecter.state"))
    start = f"bisecter --state-file {state} start {','.join(place.releases)}"
    end = f"bisecter --state-file {state} reset"
    run = f"bisecter --state-file {state} run --template sh {shlex.quote(str(path))} '{{0}}'"
    return ["sh", "-c", f"{start} && {run}; {end}"]


FIND_FIRST_BAD = """\
import subprocess, sys
from bisect_find_first_bad import BisectFindFirstBad

class Releases(BisectFindFirstBad):
    def is_good(self, release):
        return subprocess.call(["sh", sys.argv[1], release]) == 0

Releases(sys.argv[2:])()
"""


def find_first_bad(name: str, place: Place) -> list[str]:
    """A class of it, as its documentation shows."""
    path = place.folder / "first_bad.py"
    path.write_text(FIND_FIRST_BAD)
    # `python` is that of the contender's own environment, which is first on the path.
    return ["python", str(path), str(trial(place, WORKS[name], UV_TRIAL)), *place.releases]


ASKED = """\
oldest=$(printf '%s\\n' "$1" {oldest} | sort -V | head -1)
newest=$(printf '%s\\n' "$1" {newest} | sort -V | tail -1)
[ "$oldest" = {oldest} ] || exit 0
[ "$newest" = {newest} ] || exit 1
sh {trial} "$1"
"""


def version_bisect(name: str, place: Place) -> list[str]:
    """It has no option for a range, so a script answers for older and newer releases without a run."""
    work, path = WORKS[name], place.folder / "asked.sh"
    script = shlex.quote(str(trial(place, work, UV_TRIAL)))
    path.write_text(ASKED.format(oldest=work.oldest, newest=work.newest, trial=script))
    check = f"sh {shlex.quote(str(path))} {{version}}"
    # It reports a first and a last vulnerable release. If the oldest release passes, those after the change
    # count as vulnerable, else those before it.
    vulnerable = "1" if work.old_passes else "0"
    how = ("--vuln-exit-code", vulnerable, "--delay", "0", "--check-cmd", check)
    return ["pypi-version-bisect", "range", work.package, *how]


def told(pattern: str) -> Callable[[str, Place, str], Said]:
    """Return the first new release, or its commit, from the output."""

    def read(_: str, place: Place, output: str) -> Said:
        runs = Path(place.environ["BENCH_RUNS"]).read_text().split()
        matches = re.findall(pattern, output, re.MULTILINE)
        found = matches[-1] if matches else ""
        if re.fullmatch(r"[0-9a-f]{7,40}", found):
            show = ["git", "-C", str(repository(place)), "show", f"{found}:VERSION"]
            found = subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()
        before = place.releases.index(found) - 1 if found in place.releases else -1
        return Said(place.releases[before] if before >= 0 else "", found, len(runs))

    return read
