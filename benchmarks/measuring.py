"""Run one contender once: in a place of its own, with caches that are empty or as they were left."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import overhead
from contenders import CONTENDERS, OURS, Contender, Place, Said
from indexes import MIRROR, Index
from results import AGAIN, COLD, STATES, WARM, Result, append
from running import clean_environment, disk_bytes, run
from work import MAIN, SERVED, WORKS, is_right, numbered

from bisect_asgi.backend.network.configured import binary


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where things are."""

    scratch: Path
    kept: Path
    """The file of results."""
    python: str
    listed: dict[str, tuple[str, ...]]
    """The releases of each work."""

    @property
    def tools(self) -> Path:
        """The environments of the other tools."""
        return self.scratch / "tools"

    @property
    def tool(self) -> Path:
        """This tool's program, in an installation like any user's."""
        return self.tools / "bisect-asgi" / "bin" / "bisect-asgi"


def folder_of(bench: Bench, contender: str) -> Path:
    """Where a contender has its caches."""
    return bench.scratch / "caches" / contender.replace(", ", "-").replace(" ", "-")


def measure(bench: Bench, index: Index, name: str, contender: str, state: str, repetition: int) -> Result:
    """Run one contender once."""
    place = _place(bench, index, name, contender, state, repetition)
    command = CONTENDERS[contender].command(name, place)
    before = index.counts()
    mark = CONTENDERS[contender].boundary
    cost = run(command, cwd=place.folder, environ=place.environ, mark=mark)
    after = index.counts()
    try:
        said = CONTENDERS[contender].read(name, place, cost.output)
    except (ValueError, LookupError):
        said = Said("", "", 0)
    if not said.first:
        print(
            f"{contender} found nothing (exit code {cost.exit_code}):\n{cost.errors[-2000:]}", file=sys.stderr
        )
    sent = {key: after[key] - before[key] for key in after} if after and before else {}
    return Result(
        index=index.name,
        work=name,
        contender=contender,
        state=state,
        repetition=repetition,
        last=said.last,
        first=said.first,
        is_right=is_right(name, (said.last, said.first)),
        runs=said.runs,
        wall_s=cost.wall_s,
        boundary_s=cost.wall_s if cost.marked_s is None else cost.marked_s,
        cpu_s=cost.cpu_s,
        fetched_bytes=sent.get("bytes", cost.received_bytes),
        requests=sent.get("requests"),
        leaked=sent.get("fetched", 0),
        disk_bytes=disk_bytes(place.folder),
        more={**said.more, "cores": os.cpu_count()},
    )


def _place(bench: Bench, index: Index, name: str, contender: str, state: str, repetition: int) -> Place:
    """Where a contender works: emptied before a cold run, with another probe for a warm one."""
    folder = folder_of(bench, contender)
    if state == COLD:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    probe = _probe(folder, name, state, repetition)
    ran = folder / "runs.txt"
    ran.write_text("")
    return Place(
        folder=folder,
        python=bench.python,
        environ=_environ(bench, index, CONTENDERS[contender], folder)
        | {
            "BENCH_TOOL": str(bench.tool),
            "BENCH_PYTHON": bench.python,
            "BENCH_PROBE": str(probe),
            "BENCH_RUNS": str(ran),
        }
        | {"BENCH_FOLDER": str(folder)},
        releases=bench.listed.get(name, ()),
        probe=probe,
    )


def _probe(folder: Path, name: str, state: str, repetition: int) -> Path:
    """Return the probe's file; when a run is repeated, the file is unchanged."""
    source = SERVED[name].read_text() if name in SERVED else WORKS[name].probe
    number = 2 * repetition + (state != COLD)
    path = folder / f"{name}_probe.py"  # a probe with the name of its package would import itself
    path.write_text(numbered(source, number))
    return path


def _environ(bench: Bench, index: Index, contender: Contender, folder: Path) -> dict[str, str]:
    programs = bench.scratch / "programs"
    programs.mkdir(exist_ok=True)
    if not (programs / "uv").exists():
        (programs / "uv").symlink_to(binary())
    tool = bench.tools / contender.folder / "bin"
    inherited = clean_environment()
    return {
        **inherited,
        **index.environ,
        "PATH": ":".join([*([str(tool)] if contender.package else []), str(programs), inherited["PATH"]]),
        "UV_CACHE_DIR": str(folder / "uv"),
        "PIP_CACHE_DIR": str(folder / "pip"),
        "BISECT_ASGI_CACHE_DIR": str(folder / "bisect-asgi"),
        "UV_PYTHON_DOWNLOADS": "never",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


def remembered(bench: Bench, indexes: Iterable[Index]) -> None:
    """Measure a remembered answer on each index, of a Python that does nothing."""
    found = {}
    for index in indexes:
        for state in (COLD, AGAIN):
            place = _place(bench, index, MAIN, OURS, state, 1)
            command = [part for part in CONTENDERS[OURS].command(MAIN, place) if part != "--json"]
            if state == COLD:
                run([*command, "--quiet"], cwd=place.folder, environ=place.environ)
        found[index.name] = overhead.times_of_nothing([*command, "--quiet"], place.environ)
        if index.name == MIRROR or len(found) == 1:
            append(bench.kept, "imports", overhead.imports([*command, "--quiet"], place.environ))
        shutil.rmtree(place.folder, ignore_errors=True)
    append(bench.kept, "remembered", found)


def own_costs(bench: Bench, index: Index, times: int) -> None:
    """Measure what the tool itself takes, and how soon it shows something."""
    counted = overhead.installation(bench.tools / "counted")
    told: dict[str, list[float]] = {COLD: [], WARM: []}
    for repetition in range(1, times + 1):
        spent = {state: _spent(bench, index, counted, state, repetition) for state in STATES}
        for state, values in told.items():
            values.append(overhead.of_a_trial(spent[state], spent[AGAIN]))
    append(bench.kept, "overhead", {state: median(values) for state, values in told.items()})
    place = _place(bench, index, MAIN, OURS, AGAIN, times)
    plain = [part for part in CONTENDERS[OURS].command(MAIN, place) if part != "--json"]
    starts = {
        "first_line": overhead.first_line_s(plain, place.environ),
        "help": overhead.first_line_s([plain[0], "--help"], place.environ),
    }
    completing = {**place.environ, "BISECT_ASGI_COMPLETE": "bash"}
    starts["completion"] = overhead.times_of_nothing([plain[0], "fastapi", "--h"], completing)
    append(bench.kept, "start", starts)
    shutil.rmtree(place.folder, ignore_errors=True)


def _spent(
    bench: Bench, index: Index, counted: overhead.Counted, state: str, repetition: int
) -> overhead.Spent:
    """Run the main work with the installation in which uv's processor time is written down."""
    place = _place(bench, index, MAIN, OURS, state, repetition)
    command = [str(counted.program), *CONTENDERS[OURS].command(MAIN, place)[1:]]
    counted.spent()  # drops what an interrupted command has left
    cost = run(command, cwd=place.folder, environ=place.environ)
    if cost.exit_code != 0:
        raise SystemExit(
            f"error: the tool failed; `--render {bench.kept}` has the rest\n{cost.errors[-2000:]}"
        )
    said = CONTENDERS[OURS].read(MAIN, place, cost.output)
    uv, counting = counted.spent()
    probes = said.more["probes_cpu_s"]
    spent = overhead.Spent(whole=cost.cpu_s, uv=uv, counting=counting, probes=probes, trials=said.runs)
    print(f"processor time, {state}: {spent}", flush=True)
    return spent
