"""What to require so that the probe passes: each requirement rests on a run, and selects it."""

from __future__ import annotations

from itertools import product

import pytest
from packaging.requirements import Requirement
from support.answer_reports import REPORTS, history
from support.documents import LISTED, REGRESSION, STARTED, VERSIONS, answered
from support.explained_runs import APP, DEP, IDLE, WHY, explained

from bisect_asgi.core.events import ShownSet
from bisect_asgi.core.model import CulpritKind, Excluded, Move, Outcome
from bisect_asgi.core.records import replace
from bisect_asgi.report.document import Report
from bisect_asgi.report.fix import fixes
from bisect_asgi.report.folding import fold


def told(report: Report) -> list[tuple[str, tuple[str, ...]]]:
    return [(fix.requirement, fix.tried) for fix in report.fix]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        pytest.param("++---", [("<0.12.0", ("0.11.0",))], id="broken"),
        pytest.param("---++", [(">=0.12.1", ("0.12.1", "0.13.0"))], id="fixed"),
        pytest.param("----+", [(">=0.13.0", ("0.13.0",))], id="fixed-at-last"),
        pytest.param(
            "+--++", [(">=0.12.1", ("0.12.1", "0.13.0")), ("<0.11.0", ("0.10.0",))], id="broken-and-fixed"
        ),
        pytest.param("-++--", [(">=0.11.0,<0.12.1", ("0.11.0", "0.12.0"))], id="fixed-and-broken"),
        pytest.param(
            "-+-++", [(">=0.12.1", ("0.12.1", "0.13.0")), (">=0.11.0,<0.12.0", ("0.11.0",))], id="three"
        ),
        pytest.param("++?--", [("<=0.11.0", ("0.11.0",))], id="untestable-between"),
        pytest.param("+++ -", [("<=0.12.0", ("0.12.0",))], id="not-run-between"),
        pytest.param("--?++", [(">=0.12.1", ("0.12.1", "0.13.0"))], id="untestable-before-the-fix"),
        pytest.param("+++++", [], id="good"),
        pytest.param("-----", [], id="bad"),
    ],
)
def test_releases_that_work_can_be_required(
    verdicts: str, expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert told(history(verdicts)) == [(f"starlette{spec}", tried) for spec, tried in expected]


def test_whatever_the_history_a_requirement_selects_no_release_that_was_run_and_is_bad_at_its_end() -> None:
    """What an installer takes, the newest release that is selected, was run and is good."""
    for verdicts in map("".join, product("+-? ", repeat=5)):
        if not {"+", "-"} <= {*verdicts}:
            continue
        report = history(verdicts)
        for fix in report.fix:
            specifier = Requirement(fix.requirement).specifier
            selected = [place for place, version in enumerate(VERSIONS) if specifier.contains(version)]
            run = [place for place in selected if verdicts[place] in "+-"]
            assert {verdicts[place] for place in run} == {"+"}, (verdicts, fix)
            assert {VERSIONS[place] for place in run} >= {*fix.tried}
            assert VERSIONS[run[-1]] == fix.tried[-1]
            if ">=" not in fix.requirement or "<" in fix.requirement:
                assert selected[-1] == run[-1], (verdicts, fix)


@pytest.mark.parametrize(
    ("version", "bound"),
    [("0.12.0.post1", "<=0.12.0"), ("0.12.1rc1", "<0.12.1"), ("0.13.1", "<0.12.1"), ("of-2019", "<0.12.1")],
)
def test_an_excluded_release_inside_the_boundary_is_not_selected(version: str, bound: str) -> None:
    out = Excluded(version=version, uploaded=None, reason="no file for this Python")
    listed = replace(LISTED, excluded=(out,))

    report = fold([listed if event is LISTED else event for event in REGRESSION])

    assert told(report) == [(f"starlette{bound}", ("0.12.0",))]


def test_where_releases_are_in_the_order_of_uploads_one_is_named() -> None:
    assert told(history("++---", started=replace(STARTED, order="upload"))) == [
        ("starlette==0.11.0", ("0.11.0",))
    ]
    assert told(history("---++", started=replace(STARTED, order="upload"))) == [
        ("starlette==0.12.1", ("0.12.1",))
    ]


def test_of_a_label_that_is_no_version_the_release_is_named() -> None:
    candidates = (replace(LISTED.candidates[0], version="of-2019"), *LISTED.candidates[1:])
    listed = replace(LISTED, candidates=candidates, excluded=())

    report = fold([listed if event is LISTED else event for event in [*REGRESSION[:-1], answered()]])

    assert told(report) == [("starlette==0.12.0", ("0.12.0",))]


def sets(*moved: tuple[Move, ...], required: str = "") -> tuple[ShownSet, ...]:
    return tuple(ShownSet(moved=each, required=required) for each in moved)


OLD = Move(name="old", old="1", new="2")


@pytest.mark.parametrize(
    ("why", "fix"),
    [
        pytest.param(replace(WHY, sets=sets((DEP,))), ("dep<=1", ("dep 1",)), id="installed"),
        pytest.param(WHY, None, id="required"),
        pytest.param(replace(WHY, sets=sets((DEP,)), is_all=False), None, id="not-run"),
        pytest.param(replace(WHY, sets=sets((IDLE,))), None, id="added"),
        pytest.param(replace(WHY, kind=CulpritKind.PACKAGE, sets=sets((APP,))), None, id="itself"),
        pytest.param(replace(WHY, kind=CulpritKind.TOGETHER, sets=sets((DEP, OLD))), None, id="together"),
        pytest.param(
            replace(WHY, kind=CulpritKind.EITHER, sets=sets((DEP,), (OLD,))),
            ("dep<=1 old<=1", ("dep 1", "old 1")),
            id="either",
        ),
        pytest.param(replace(WHY, sets=sets((DEP,)), new_is=Outcome.PASSED), None, id="fixed"),
        pytest.param(replace(WHY, sets=(), problem="the index is down"), None, id="problem"),
    ],
)
def test_a_dependency_is_held_only_beside_what_was_run_with_it(
    why: object, fix: tuple[str, tuple[str, ...]] | None
) -> None:
    report = explained(why)  # type: ignore[arg-type]

    beside = [each for each in report.fix if each.beside]
    assert [(each.requirement, each.tried) for each in beside] == ([fix] if fix else [])
    assert all(each.beside == "app 2.0" for each in beside)
    assert told(report)[0] == ("app<2.0", ("1.0",))


def test_a_dependencys_own_boundary_is_its_bound_if_its_last_good_release_was_run_beside() -> None:
    moved = replace(DEP, old="2")

    report = explained(replace(WHY, sets=sets((moved,))))
    stages = tuple(replace(stage, excluded=()) for stage in report.stages)

    assert [each.requirement for each in report.fix if each.beside] == ["dep<=2"]  # 2.1 is excluded
    assert [each.requirement for each in fixes(replace(report, stages=stages)) if each.beside] == ["dep<3"]


def test_a_further_culprit_is_held_as_well() -> None:
    report = explained(replace(WHY, sets=sets((DEP,))), replace(WHY, is_further=True, sets=sets((OLD,))))

    assert [each.requirement for each in report.fix if each.beside] == ["dep<=1 old<=1"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("over-python", [("python<3.9", ("3.8.18",))]),
        ("over-date", []),
        ("over-commits", []),
        ("locks", []),
        ("over-dependency", [("dep<2", ("1",))]),
        ("levels", []),
        ("outage", []),
        ("interrupted-early", []),
    ],
)
def test_other_axes_say_what_makes_sense_for_them(
    name: str, expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert told(REPORTS[name]) == expected


@pytest.mark.parametrize(
    ("new_is", "fix"),
    [(Outcome.FAILED, ("dep<=1", ("dep 1",))), (Outcome.PASSED, ("dep>=4", ("dep 4",)))],
)
def test_where_everything_may_differ_the_culprits_are_required_as_they_were(
    new_is: Outcome, fix: tuple[str, tuple[str, ...]]
) -> None:
    report = REPORTS["locks"]
    why = replace(WHY, package=None, new_is=new_is, sets=sets((DEP,), required=""))

    assert [(each.requirement, each.tried) for each in fixes(replace(report, why=(why,)))] == [fix]


@pytest.mark.parametrize(
    ("old", "bound"),
    [
        pytest.param("2", "<3", id="run-beside"),
        pytest.param("1", "<=1", id="older-than-the-last-good-one"),
    ],
)
def test_where_everything_may_differ_a_culprits_own_boundary_is_its_bound(old: str, bound: str) -> None:
    moved = Move(name="dep", old=old, new="4")
    stages = tuple(replace(stage, excluded=()) for stage in explained(WHY).stages)
    why = replace(WHY, package=None, sets=sets((moved,)))

    (found,) = fixes(replace(REPORTS["locks"], why=(why,), stages=stages))

    assert (found.requirement, found.tried) == (f"dep{bound}", (f"dep {old}",))


@pytest.mark.parametrize(
    ("versions", "is_break", "requirement"),
    [
        (("3.8.18", "3.9.18"), True, "python<3.9"),
        (("3.8.18", "3.9.18"), False, "python>=3.9"),
        (("3.12.1", "3.12.4"), True, "python<3.12.4"),
        (("3.12.1", "3.12.4"), False, "python>=3.12.4"),
    ],
)
def test_a_python_is_named_by_its_minor_version_if_that_is_enough(
    versions: tuple[str, str], is_break: bool, requirement: str
) -> None:
    report = REPORTS["over-python"]
    words = ("good", "bad") if is_break else ("bad", "good")
    rows = tuple(
        replace(row, version=version, verdict=word)
        for row, version, word in zip(report.rows, versions, words, strict=False)
    )

    found = fixes(replace(report, rows=rows, last=versions[0], first=versions[1]))

    assert [each.requirement for each in found] == [requirement]
