"""The parts of `benchmarks/bench.py` that can be wrong without anybody seeing it in a table."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import sys
import zipfile
from pathlib import Path

import httpx
import pytest
from commands import Place, read_ours
from contenders import CONTENDERS, LOOP, OURS, SHOWN
from indexes import MIRROR, REAL
from loop import first_new
from mirror import Mirror, Source
from mousebender import simple
from overhead import Spent, by_package, of_a_trial
from results import AGAIN, COLD, WARM, Result, append, append_result, load, ratio, rotated, rows
from running import run
from simple_pages import as_html, as_json, key_of, metadata_of, part, read_page, served
from tables import goals, of_goals, size, text
from work import MAIN, SERVED, WORKS, is_right, numbered, turns

PAGE = """\
<html><body>
<a href="../../files/demo-1.0-py3-none-any.whl#sha256=aa" data-requires-python="&gt;=3.8"
   data-upload-time="2020-01-02T03:04:05Z">demo-1.0-py3-none-any.whl</a>
<a href="https://elsewhere.invalid/demo-1.0.tar.gz#sha256=bb" data-yanked="broken">demo-1.0.tar.gz</a>
</body></html>
"""
ADDRESS = "https://index.invalid/simple/demo/"


@pytest.mark.parametrize("change", [1, 2, 5, 8])
def test_the_plain_loop_finds_every_change(change: int) -> None:
    releases = [f"1.{number}" for number in range(9)]

    assert first_new(releases, lambda each: releases.index(each) < change) == releases[change]


def test_the_plain_loop_looks_at_both_ends_first_and_at_nothing_twice() -> None:
    seen: list[str] = []

    def is_old(release: str) -> bool:
        seen.append(release)
        return release < "5"

    first_new("123456789", is_old)

    assert seen[:2] == ["1", "9"]
    assert len(set(seen)) == len(seen) <= 2 + 3


@pytest.mark.parametrize("is_old", [True, False])
def test_the_plain_loop_refuses_ends_that_are_alike(is_old: bool) -> None:
    with pytest.raises(ValueError, match="the ends"):
        first_new("123", lambda _: is_old)


@pytest.mark.parametrize(
    ("write", "media_type"),
    [
        pytest.param(as_json, simple.ACCEPT_JSON_V1, id="json"),
        pytest.param(as_html, "text/html", id="html"),
    ],
)
def test_a_page_says_the_same_after_it_was_converted(write: object, media_type: str) -> None:
    files = read_page(PAGE, "text/html", "demo", ADDRESS)
    assert callable(write)

    again = read_page(write("demo", files).decode(), media_type, "demo", ADDRESS)

    assert again == files
    wheel, sdist = files
    assert wheel["url"] == "https://index.invalid/files/demo-1.0-py3-none-any.whl"
    assert wheel["upload-time"] == "2020-01-02T03:04:05Z"
    assert wheel["requires-python"] == ">=3.8"
    assert sdist["yanked"] == "broken"


def test_the_mirror_offers_metadata_for_wheels_alone_and_files_from_itself() -> None:
    wheel, sdist = map(served, read_page(PAGE, "text/html", "demo", ADDRESS))

    assert wheel["core-metadata"] is True
    assert "core-metadata" not in sdist
    assert {file["url"].split("/")[1] for file in (wheel, sdist)} == {"files"}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("bytes=0-3", (0, 3)),
        ("bytes=90-", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=90-200", (90, 99)),
        ("bytes=-", None),
        ("", None),
    ],
)
def test_ranges_are_read_as_http_has_them(wanted: str, expected: tuple[int, int] | None) -> None:
    assert part(wanted, 100) == expected


def wheel() -> bytes:
    """A wheel with metadata, and with a file that only looks like it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("demo/vendored-2.0.dist-info/METADATA", "not this")
        archive.writestr("demo-1.0.dist-info/METADATA", "Name: demo")
    return content.getvalue()


def test_metadata_is_that_of_the_wheel_itself() -> None:
    assert metadata_of(wheel()) == b"Name: demo"


def filled(folder: Path) -> Source:
    """A source that has a project already, and nowhere to ask."""
    files = read_page(PAGE, "text/html", "demo", ADDRESS)
    for name, content in {
        "pages/demo.json": json.dumps(files).encode(),
        f"files/{key_of(files[0]['url'])}": wheel(),
        f"metadata/{key_of(files[0]['url'])}": b"Name: demo",
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return Source((), folder)


def ask(app: Mirror, path: str, **headers: str) -> httpx.Response:
    """One request to the app, without a network."""

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=transport, base_url="http://mirror.invalid") as client:
            return await client.get(path, headers=named)

    return asyncio.run(get())


def test_the_mirror_sends_pages_and_files_as_the_public_index_does(tmp_path: Path) -> None:
    app = Mirror(filled(tmp_path), delay_s=0)

    page = ask(app, "/simple/Demo/", accept=simple.ACCEPT_JSON_V1)
    address = page.json()["files"][0]["url"]
    same = ask(app, "/simple/demo/", accept=simple.ACCEPT_JSON_V1, if_none_match=page.headers["etag"])
    first = ask(app, address, range="bytes=0-1")

    assert page.headers["cache-control"].startswith("max-age=600")
    assert page.headers["content-encoding"] == "gzip"
    assert (same.status_code, same.content) == (304, b"")
    assert (first.status_code, first.content) == (206, b"PK")
    assert "immutable" in first.headers["cache-control"]
    assert ask(app, f"{address}.metadata").content == b"Name: demo"
    assert ask(app, "/simple/other/").status_code == 404


def test_the_mirror_counts_what_it_sends_and_not_the_question_about_it(tmp_path: Path) -> None:
    app = Mirror(filled(tmp_path), delay_s=0)

    page = ask(app, "/simple/demo/", accept="text/html")
    told = ask(app, "/-/counts").json()

    assert told == {"requests": 1, "bytes": len(gzip.compress(page.content, 6, mtime=0)), "fetched": 0}


def test_counts_also_what_had_to_be_fetched(tmp_path: Path) -> None:
    app = Mirror(Source((), tmp_path), delay_s=0)

    ask(app, "/simple/demo/")

    assert app.source.fetched == 1


def result(contender: str, repetition: int, wall_s: float, **changes: object) -> Result:
    values = {"index": MIRROR, "work": MAIN, "state": COLD, "is_right": True, "wall_s": wall_s} | changes
    return Result(contender=contender, repetition=repetition, **values)  # type: ignore[arg-type]


def test_a_ratio_is_taken_within_one_repetition_of_right_answers() -> None:
    # The machine was three times as slow in the second: the ratios stay.
    results = [result(OURS, 1, 1.0), result(LOOP, 1, 2.0), result(OURS, 2, 3.0), result(LOOP, 2, 6.0)]
    results += [result(LOOP, 3, 60.0), result(OURS, 4, 1.0), result(LOOP, 4, 0.1, is_right=False)]

    assert ratio(results, MIRROR, MAIN, COLD, LOOP, OURS) == 2.0
    assert ratio(results, REAL, MAIN, COLD, LOOP, OURS) is None


def test_rows_are_medians_of_right_answers_and_count_them() -> None:
    results = [result(OURS, number, wall_s) for number, wall_s in enumerate((1.0, 2.0, 9.0))]
    results += [result(OURS, 4, 0.1, is_right=False), result(LOOP, 1, 7.0, is_right=False)]

    told = rows(results)

    ours, loop = told[MIRROR, MAIN, COLD, OURS], told[MIRROR, MAIN, COLD, LOOP]
    assert (ours.wall_s, ours.right, ours.repetitions) == (2.0, 3, 4)
    assert (loop.wall_s, loop.right, loop.repetitions) == (7.0, 0, 1)


def test_results_are_read_as_they_were_kept(tmp_path: Path) -> None:
    kept = tmp_path / "results.jsonl"
    append(kept, "machine", {"cores": 2})
    append_result(kept, result(OURS, 1, 1.5, more={"ratio": 1.1}))

    assert load(kept) == ([result(OURS, 1, 1.5, more={"ratio": 1.1})], {"machine": {"cores": 2}})


def test_each_contender_is_first_once() -> None:
    assert {rotated("abc", by)[0] for by in range(3)} == set("abc")
    assert sorted(rotated("abc", 5)) == list("abc")


def test_goals_say_what_is_met_and_what_is_missed() -> None:
    own = {"probes_cpu_s": 1.0, "cores": 2}
    results = [result(OURS, 1, 2.0, boundary_s=1.0, more=own, runs=4), result(LOOP, 1, 2.0)]
    results += [result(OURS, 1, 1.0, state=WARM, boundary_s=0.6), result(LOOP, 1, 1.0, state=WARM)]
    results.append(result(OURS, 1, 0.25, state=AGAIN))
    others = {
        "overhead": {"cold": 0.04},
        "remembered": {MIRROR: 15.25, REAL: 19.5},
        "start": {"first_line": 0.1, "help": 0.2, "completion": 9.5},
    }

    told = {goal.promise: goal for goal in goals(results, others)}

    end, boundary = (
        told[f"cold, the mirror, trivial: to the {what} of the uv loop's time"]
        for what in ("end at most 0.75", "boundary at most 0.6")
    )
    assert (boundary.measured, boundary.missed) == ("0.50 of it", "")
    assert end.measured == "1.00 of it"
    assert end.missed == (
        "missed by 0.25; a command that makes no trial takes 0.25 s, and the 4 runs of the probe "
        "alone take 1.0 s of processor time; with nothing else, on 2 cores, it would be 0.38 of it to the end"
    )
    assert not told["warm, the mirror, trivial: to the boundary at most 0.7 of the uv loop's time"].missed
    by_word = {promise.partition(" ")[0]: goal for promise, goal in told.items()}
    fresh, asked = (
        next(goal for promise, goal in told.items() if f"its page {how}" in promise)
        for how in ("fresh", "asked for")
    )
    assert by_word["never"].measured.startswith("2 of 2 comparisons, the worst 1.67")
    assert by_word["below"].missed == "missed by 10 ms"
    assert (fresh.measured, fresh.missed) == ("15.2 times", "missed by 1.2")
    assert (asked.measured, asked.missed) == ("19.5 times", "")
    word = told["a word completed in at most 9 times `python -I -c pass`"]
    assert (word.measured, word.missed) == ("9.5 times", "missed by 0.5")
    assert (told["`--help` within that"].missed, by_word["the"].missed) == ("missed by 50 ms", "")


def test_the_table_of_the_goals_alone_says_how_often_each_was_measured() -> None:
    results = [result(OURS, number, 2.0) for number in (1, 2, 3)]
    results += [result(LOOP, number, 2.0) for number in (1, 2)]

    told = of_goals(results, {"machine": {"load": 12.34, "cores": 2}}).splitlines()

    assert "and a load of 12.3 before it was begun" in told[0]
    assert told[1] == "Pairs of runs: trivial (the mirror): 3."
    assert any(line.startswith("| cold, the mirror, trivial: to the end") for line in told)


def test_what_is_slower_is_named_unless_its_answer_is_wrong() -> None:
    results = [result(OURS, 1, 2.0), result("git", 1, 1.0), result(LOOP, 1, 0.1, is_right=False)]

    told = [goal for goal in goals(results, {}) if goal.promise.startswith("never")]

    assert [goal.missed for goal in told] == ["missed: `git bisect run`, trivial, cold, mirror: 0.50"]


def test_a_table_has_a_row_for_each_contender_that_was_measured() -> None:
    told = text([result(OURS, 1, 1.0, boundary_s=0.5), result(LOOP, 1, 2.0, leaked=3)], {}).splitlines()

    row = f"| {CONTENDERS[LOOP].title} | cold | 4.00 | 2.00 | 2.00 s | 1 of 1 "
    assert sum(line.startswith(row) for line in told) == 1
    assert told[-1].endswith("had to fetch first: loop around `uv run --isolated` (trivial, cold).")


def test_what_is_imported_is_told_by_package_and_held_against_its_budget() -> None:
    profile = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:      1500 |       1500 |   json.decoder\n"
        "import time:      2500 |       4000 | json\n"
        "import time:      9000 |       9000 | httpx._client\n"
        "import time:      2000 |       2000 |     bisect_asgi.core.model\n"
        "import time:       500 |       2500 | bisect_asgi.core\n"
        "note: nothing of that kind\n"
    )

    taken = by_package(profile)
    told = text([], {"imports": taken}).splitlines()

    assert taken == {"Python's own": 4.0, "httpx": 9.0, "bisect_asgi.core": 2.5}
    assert "| httpx | 9.0 ms | 0 ms | 9.0 ms too much |" in told
    assert "| Python's own | 4.0 ms | 65 ms |  |" in told


def test_the_moment_of_a_line_on_the_standard_error_is_noted(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for line in ('first', 'note: the change is in app 3; confirming it', 'last'):\n"
        "    print(line, file=sys.stderr, flush=True)\n"
        "print('answer')\n"
    )

    cost = run([sys.executable, "-c", code], cwd=tmp_path, environ={}, mark=SHOWN)
    without = run([sys.executable, "-c", "print('answer')"], cwd=tmp_path, environ={}, mark=SHOWN)

    assert cost.marked_s is not None
    assert 0 < cost.marked_s <= cost.wall_s
    assert cost.errors.splitlines()[::2] == ["first", "last"]
    assert (without.marked_s, without.output) == (None, "answer\n")


@pytest.mark.parametrize(
    ("count", "shown"), [(900, "1 kB"), (99_000, "99 kB"), (250_000, "0.2 MB"), (4e8, "400 MB")]
)
def test_sizes(count: float, shown: str) -> None:
    assert size(count) == shown


def test_a_turn_is_where_the_verdict_differs_from_the_one_before() -> None:
    assert turns({"1": "failed", "2": "passed", "3": "passed", "4": "failed"}) == {("1", "2"), ("3", "4")}


def test_every_served_probe_has_an_answer_and_every_work_its_own() -> None:
    assert all(any(is_right(name, turn) for turn in [("0.14.2", "0.15.0"), *ANSWERS]) for name in SERVED)
    assert all(is_right(name, work.answer) for name, work in WORKS.items())
    assert not is_right(MAIN, ("", ""))


ANSWERS = [("0.28.0", "0.29.0"), ("0.12.2", "0.12.3"), ("0.84.0", "0.85.0")]


def test_a_repetition_changes_the_probe_and_not_what_it_does() -> None:
    assert numbered("x = 1\n", 3) != numbered("x = 1\n", 4)
    names: dict[str, int] = {}
    exec(numbered("x = 1\n", 3), names)
    assert names["x"] == 1


def test_what_a_trial_costs_is_without_uv_the_probes_and_the_start() -> None:
    cold = Spent(whole=10.0, uv=3.0, counting=1.0, probes=2.0, trials=10)
    remembering = Spent(whole=1.5, uv=0.5, counting=0.0, probes=0.0, trials=0)

    assert of_a_trial(cold, remembering) == pytest.approx((10 - 3 - 1 - 2 - (1.5 - 0.5)) / 10)
    assert of_a_trial(remembering, remembering) == 0


def test_what_was_remembered_is_no_run_and_took_no_time(tmp_path: Path) -> None:
    rows = [
        {
            "passed": 3,
            "failed": 0,
            "remembered": 1,
            "observations": [{"cpu_s": 9.0}, {"cpu_s": 1.0}, {"cpu_s": 2.0}],
        },
        {"passed": 0, "failed": 0, "remembered": 0, "observations": []},
    ]
    report = {
        "rows": rows,
        "last": "1.0",
        "first": "1.1",
        "timings": {"ratio": 1.2, "lower_bound": {"seconds": 3.0}},
    }
    place = Place(folder=tmp_path, python="", environ={}, releases=(), probe=tmp_path)

    said = read_ours(MAIN, place, json.dumps(report))

    assert (said.last, said.first, said.runs) == ("1.0", "1.1", 2)
    assert said.more == {"ratio": 1.2, "lower_bound_s": 3.0, "probes_cpu_s": 3.0}
