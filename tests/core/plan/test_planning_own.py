"""The plan with what files and projects of the user's ask for."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet
from support.builders import probe

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import OwnProject
from bisect_asgi.core.plan import LockedProject, LockText, Plan
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.own_projects import GivenProject, StatedLine, Wanted
from bisect_asgi.core.plan.planning import make_plan
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.session.axes import AXES


def given(
    name: str,
    *,
    text: str = ".",
    extras: tuple[str, ...] = (),
    python: str = "",
    is_built: bool = True,
    requires: tuple[str, ...] = (),
) -> GivenProject:
    return GivenProject(
        project=OwnProject(name=name, given=text, path=f"/srv/{name}", content="00"),
        extras=extras,
        given=text,
        requires_python=python,
        is_built=is_built,
        requires=requires,
    )


def planned(
    wanted: Wanted, *, locks: tuple[LockText, ...] = (), python: str | None = None, **options: object
) -> Plan:
    return make_plan(
        Options(package=None if locks else "demo", **options),  # type: ignore[arg-type]
        probe(),
        ProbeMetadata(requires_python=python),
        axes=AXES,
        locks=locks,
        wanted=wanted,
    )


def line(text: str, of: str = "`r.txt`", *, is_file: bool = True) -> StatedLine:
    return StatedLine(text=text, of=of, is_file=is_file)


def test_a_project_is_held_by_its_name_and_named_as_it_was_given() -> None:
    own = given("app", text="./app[web]", extras=("web",))

    plan = planned(Wanted(stated=("h11==0.9",), own=(own,)))

    assert plan.held == ("h11==0.9", "app[web]")
    assert plan.indexed == ("h11==0.9",)
    assert plan.projects == (own.project,)
    assert plan.check_options()[-4:] == ("--with", "h11==0.9", "--with", "'./app[web]'")


def test_what_is_not_built_is_held_by_its_requirements() -> None:
    own = given("app", is_built=False, requires=("h11<1", "demo<3"))
    lines = tuple(line(text, "`app`", is_file=False) for text in own.requires)

    plan = planned(Wanted(lines=lines, own=(own,)))

    assert plan.held == ("h11<1",)
    assert (plan.own, plan.copied) == ((), (own,))
    assert [demand.reason for demand in plan.demands] == ["`app` requires demo<3"]
    assert plan.check_options()[-2:] == ("--with", ".")


def test_a_project_that_moves_cannot_be_held() -> None:
    with pytest.raises(UsageError, match="`demo` is searched"):
        planned(Wanted(own=(given("demo"),)))


def test_a_pin_in_a_file_is_what_moves_and_a_range_is_a_demand() -> None:
    wanted = Wanted(
        lines=(
            line("demo==1.0"),
            line("demo<3"),
            line("h11"),
            line("demo==2.0", "the group `dev`", is_file=False),
        ),
        constraints=(line("demo!=2", "`c.txt`"), line("demo==4"), line("h11<1")),
        hashes=("demo==1.0 sha256:00", "h11==0.9 sha256:11"),
    )

    plan = planned(wanted, constraint=("c.txt",))

    assert plan.held == ("h11",)
    assert [demand.reason for demand in plan.demands] == [
        "`r.txt` requires demo<3",
        "the group `dev` requires demo==2.0",
        "`c.txt` requires demo!=2",
    ]
    assert plan.constraints == ("h11<1",)
    assert plan.hashes == ("h11==0.9 sha256:11",)
    assert "--constraint" in plan.check_options()


def test_what_a_built_project_requires_without_a_marker_is_known_before_it_is_built() -> None:
    own = given("app", requires=("demo<3", "demo>1 ; python_version < '3.8'", "h11"))

    (demand,) = planned(Wanted(own=(own,))).demands

    assert demand.reason == "`app` requires demo<3"


def test_a_demand_keeps_its_marker() -> None:
    (demand,) = planned(Wanted(lines=(line("demo<3 ; python_version < '3.8'"),))).demands

    assert demand.marker == 'python_version < "3.8"'


@pytest.mark.parametrize(
    ("of_probe", "projects", "wanted", "of"),
    [
        (None, ("",), "", "the probe"),
        (">=3.8", ("",), ">=3.8", "the probe"),
        (None, (">=3.9",), ">=3.9", "`app0`"),
        (">=3.8", (">=3.9", "<4"), "<4,>=3.8,>=3.9", "the probe, `app0` and `app1`"),
    ],
)
def test_the_python_suits_the_probe_and_the_projects(
    of_probe: str | None, projects: tuple[str, ...], wanted: str, of: str
) -> None:
    own = tuple(given(f"app{number}", python=python) for number, python in enumerate(projects))

    plan = planned(Wanted(own=own), python=of_probe)

    assert (plan.requires_python, plan.python_of) == (SpecifierSet(wanted), of)


@pytest.mark.parametrize(("said", "releases"), [("demo", ""), ("Demo[x]>=2", ">=2")])
def test_an_override_of_the_package_frees_it_of_what_requires_it(said: str, releases: str) -> None:
    plan = planned(Wanted(), override=("h11==0.9", said))

    assert plan.is_free
    assert (plan.releases, plan.overrides) == (SpecifierSet(releases), ("h11==0.9",))
    assert plan.check_options() == ("--override", "demo", "--override", "h11==0.9")


def test_locks_have_projects_too() -> None:
    texts = (LockText(name="a", text=""), LockText(name="b", text=""))

    plan = planned(Wanted(own=(given("app"),), lines=(line("h11"),)), locks=texts)

    assert (plan.held, plan.projects[0].name) == (("h11", "app"), "app")


def test_the_projects_of_the_locks_count_where_none_is_named() -> None:
    old, new, said = given("lib", text="./old"), given("lib", text="./new"), given("app")
    texts = tuple(
        LockText(
            name=each.given, text="", own=(LockedProject(entry="lib", given=each), LockedProject(entry="x"))
        )
        for each in (old, new)
    )

    plan = planned(Wanted(own=(said,)), locks=texts)

    assert [each.given for each in plan.every_own] == ["./new", "."]
