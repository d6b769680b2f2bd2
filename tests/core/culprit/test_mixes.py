"""Mixes of two environments: what is asked of uv for each, what comes in beside it, and its name."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from support.builders import day, target

from bisect_asgi.core.culprit.ddmin import Mix
from bisect_asgi.core.culprit.mixes import BoundarySide, label, mixed, moves, pulled_in, varied
from bisect_asgi.core.model import Distribution, EnvironmentSpec, ExcludeNewerPackage, Move, OwnProject
from bisect_asgi.core.records import replace

PYTHON_37, PYTHON_38 = target("3.7.17").interpreter, target("3.8.20").interpreter

reproducible = settings(derandomize=True, deadline=None, max_examples=150)


def installed(text: str) -> tuple[Distribution, ...]:
    """`installed("alpha==1 beta==2")`."""
    pins = (pin.split("==") for pin in text.split())
    return tuple(Distribution(name=name, version=version) for name, version in pins)


def side(label: str, pins: str, *, exclude_newer: str | None = None) -> BoundarySide:
    """An environment that was resolved from its label, as of a day."""
    spec = EnvironmentSpec(
        interpreter=PYTHON_38,
        requirements=(label,),
        exclude_newer=day(exclude_newer) if exclude_newer else None,
    )
    return BoundarySide(label=label, spec=spec, distributions=installed(pins))


OLD_SIDE = side("app 1", "app==1 beta==1 gamma==1 same==5")
NEW_SIDE = side("app 2", "app==2 beta==2 delta==2 same==5")
"""beta moved, gamma was removed, delta was added."""


def mix(text: str) -> Mix:
    return frozenset(text.split())


def test_the_versions_of_a_side_are_known_by_name() -> None:
    assert OLD_SIDE.versions == {"app": "1", "beta": "1", "gamma": "1", "same": "5"}


@pytest.mark.parametrize(
    ("old", "new", "differing"),
    [
        pytest.param("", "", (), id="nothing"),
        pytest.param("beta==1", "beta==1", (), id="the-same"),
        pytest.param("beta==1", "beta==2", (Move(name="beta", old="1", new="2"),), id="moved"),
        pytest.param("", "beta==2", (Move(name="beta", old=None, new="2"),), id="added"),
        pytest.param("beta==1", "", (Move(name="beta", old="1", new=None),), id="removed"),
        pytest.param(
            "gamma==2 alpha==1",
            "alpha==2 gamma==1",
            (Move(name="alpha", old="1", new="2"), Move(name="gamma", old="2", new="1")),
            id="ordered-by-name",
        ),
    ],
)
def test_what_differs_between_two_sets_is_told_by_name(old: str, new: str, differing: tuple[Move]) -> None:
    assert moves(installed(old), installed(new)) == differing


@pytest.mark.parametrize(
    ("taken", "pins", "absent"),
    [
        pytest.param("", "app==1 beta==1 gamma==1 same==5", "delta==2", id="nothing"),
        pytest.param("app", "app==2 beta==1 gamma==1 same==5", "delta==2", id="the-package"),
        pytest.param("app delta", "app==2 beta==1 delta==2 gamma==1 same==5", "", id="with-what-was-added"),
        pytest.param("gamma", "app==1 beta==1 same==5", "delta==2 gamma==1", id="without-what-was-removed"),
        pytest.param("app beta gamma delta", "app==2 beta==2 delta==2 same==5", "gamma==1", id="everything"),
    ],
)
def test_a_mix_is_exact_pins_each_of_them_an_override(taken: str, pins: str, absent: str) -> None:
    spec = mixed(OLD_SIDE, NEW_SIDE, mix(taken))

    assert spec.requirements == tuple(pins.split())
    # What is absent has an override as well: where something requires it, it comes at a known version.
    assert spec.overrides == (*pins.split(), *absent.split())
    assert {exclude_newer_package.name for exclude_newer_package in spec.exclude_newer_package} == {
        "app",
        "beta",
        "gamma",
        "delta",
        "same",
    }


def test_a_strict_mix_is_without_what_was_not_taken_whatever_requires_it() -> None:
    spec = mixed(OLD_SIDE, NEW_SIDE, mix("app gamma"), strict=True)

    assert spec.requirements == ("app==2", "beta==1", "same==5")
    assert spec.overrides == (
        *spec.requirements,
        "delta==2 ; python_version < '0'",
        "gamma==1 ; python_version < '0'",
    )


@pytest.mark.parametrize("python", ["2.7", "3.6", "3.8", "3.14", "10.0"])
def test_what_a_strict_mix_is_without_has_a_marker_that_holds_on_no_python(python: str) -> None:
    *_, absent = mixed(OLD_SIDE, NEW_SIDE, frozenset(), strict=True).overrides

    marker = Requirement(absent).marker
    assert marker is not None
    assert not marker.evaluate({"python_version": python})


def test_a_mix_runs_on_the_python_of_the_new_side_and_proves_nothing_of_its_own() -> None:
    old = replace(OLD_SIDE, spec=replace(OLD_SIDE.spec, interpreter=PYTHON_37))

    spec = mixed(old, NEW_SIDE, mix("beta"))

    assert spec == EnvironmentSpec(
        interpreter=PYTHON_38,
        requirements=("app==1", "beta==2", "gamma==1", "same==5"),
        overrides=("app==1", "beta==2", "gamma==1", "same==5", "delta==2"),
        exclude_newer_package=tuple(
            ExcludeNewerPackage(name=name) for name in ("app", "beta", "delta", "gamma", "same")
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "exclude_newer"),
    [
        pytest.param("2021-10-07", "2021-11-01", "2021-11-01", id="the-later"),
        pytest.param("2021-11-01", "2021-10-07", "2021-11-01", id="the-later-whichever-side"),
        pytest.param(None, "2021-10-07", None, id="the-old-side-has-none"),
        pytest.param("2021-10-07", None, None, id="the-new-side-has-none"),
        pytest.param(None, None, None, id="neither-has"),
    ],
)
def test_what_builds_source_distributions_is_as_new_as_the_later_side(
    old: str | None, new: str | None, exclude_newer: str | None
) -> None:
    spec = mixed(side("a", "a==1", exclude_newer=old), side("b", "a==2", exclude_newer=new), mix("a"))

    assert spec.exclude_newer == (day(exclude_newer) if exclude_newer else None)


def test_one_distribution_of_a_mix_can_be_at_a_version_of_neither_side() -> None:
    moving = Distribution(name="beta", version="1.5")

    spec = varied(OLD_SIDE, NEW_SIDE, mix("app"), moving)

    assert spec.requirements == ("app==2", "beta==1.5", "gamma==1", "same==5")
    # Nothing is said of what is absent: the release in between may require it at another version.
    assert spec.overrides == spec.requirements
    assert spec.must_install == moving
    assert ExcludeNewerPackage(name="beta") in spec.exclude_newer_package


def test_what_moves_along_its_releases_may_be_in_the_new_side_alone() -> None:
    spec = varied(OLD_SIDE, NEW_SIDE, frozenset(), Distribution(name="delta", version="1.9"))

    assert spec.requirements == ("app==1", "beta==1", "delta==1.9", "gamma==1", "same==5")
    assert {exclude_newer_package.name for exclude_newer_package in spec.exclude_newer_package} == {
        "app",
        "beta",
        "gamma",
        "delta",
        "same",
    }


@pytest.mark.parametrize(
    ("taken", "found", "names"),
    [
        pytest.param("app", "app==2 beta==1 gamma==1 same==5", "", id="what-was-asked-for"),
        pytest.param("app", "app==2 beta==1 delta==2 gamma==1 same==5", "delta", id="what-was-added"),
        pytest.param("gamma", "app==1 beta==1 gamma==1 same==5", "gamma", id="what-was-to-be-taken-out"),
        pytest.param("app delta", "app==2 beta==1 delta==2 gamma==1 same==5", "", id="it-was-taken"),
        pytest.param("app", "app==2 same==5", "", id="less-than-was-asked-for"),
    ],
)
def test_what_came_in_although_it_was_not_taken_is_known_by_name(taken: str, found: str, names: str) -> None:
    assert pulled_in(OLD_SIDE, NEW_SIDE, mix(taken), installed(found)) == mix(names)


MANY_OLD = side("Monday", "a==1 b==1 c==1 d==1 e==1 f==1 g==1 h==1 i==1 j==1 k==1 l==1 m==1")
MANY_NEW = side("Friday", "a==2 b==2 c==2 d==2 e==2 f==2 g==2 h==2 i==2 j==2 k==2 l==2 m==2")


@pytest.mark.parametrize(
    ("sides", "taken", "package", "name"),
    [
        pytest.param((OLD_SIDE, NEW_SIDE), "app", "app", "app 2 with the dependencies of app 1", id="new"),
        pytest.param(
            (OLD_SIDE, NEW_SIDE),
            "beta gamma delta",
            "app",
            "app 1 with the dependencies of app 2",
            id="old",
        ),
        pytest.param((OLD_SIDE, NEW_SIDE), "beta", "app", "app 1 with beta 2", id="old-with-one"),
        pytest.param(
            (OLD_SIDE, NEW_SIDE), "gamma delta", "app", "app 1 with delta 2 and no gamma", id="old-with-some"
        ),
        pytest.param(
            (OLD_SIDE, NEW_SIDE), "app beta", "app", "app 2 with no delta and gamma 1", id="new-with-some"
        ),
        pytest.param((OLD_SIDE, NEW_SIDE), "", None, "app 1", id="the-old-side"),
        pytest.param((OLD_SIDE, NEW_SIDE), "app beta gamma delta", "app", "app 2", id="the-new-side"),
        pytest.param((MANY_OLD, MANY_NEW), "b", None, "Monday with b 2", id="mostly-old"),
        pytest.param((MANY_OLD, MANY_NEW), "a b c d e f g h i j k l", None, "Friday with m 1", id="most-new"),
        pytest.param(
            (MANY_OLD, MANY_NEW),
            "a b c d e f",
            None,
            "Monday with a 2, b 2, c 2, d 2 and 2 more",
            id="of-many-the-first",
        ),
        pytest.param(
            (OLD_SIDE, NEW_SIDE), "app beta", None, "app 1 with app 2 and beta 2", id="half-each-is-old"
        ),
    ],
)
def test_a_mix_is_named_by_what_it_is_nearest_to(
    sides: tuple[BoundarySide, BoundarySide], taken: str, package: str | None, name: str
) -> None:
    assert label(*sides, mix(taken), package=package) == name


@pytest.mark.parametrize(
    ("taken", "without", "name"),
    [
        pytest.param("app", ["delta"], "app 2 with the dependencies of app 1, without delta", id="package"),
        pytest.param("beta", ["delta", "gamma"], "app 1 with beta 2, without delta and gamma", id="two"),
        pytest.param(
            "app beta gamma delta", list("uvwxyz"), "app 2, without u, v, w, x and 2 more", id="six"
        ),
    ],
)
def test_a_strict_mix_is_named_with_what_it_is_without(taken: str, without: list[str], name: str) -> None:
    assert label(OLD_SIDE, NEW_SIDE, mix(taken), package="app", without=without) == name


def test_two_of_many_distributions_that_begin_alike_have_two_names() -> None:
    first = label(MANY_OLD, MANY_NEW, mix("a b c d e f"))
    second = label(MANY_OLD, MANY_NEW, mix("a b c d e g"), known={first})

    assert (
        first == label(MANY_OLD, MANY_NEW, mix("a b c d e g")) == "Monday with a 2, b 2, c 2, d 2 and 2 more"
    )
    assert second == "Monday with a 2, b 2, c 2, d 2, e 2 and g 2"


some_versions = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2", "3"]))


@st.composite
def made_up(draw: st.DrawFn) -> tuple[BoundarySide, BoundarySide]:
    """Two environments."""
    pins = (" ".join(f"{n}=={v}" for n, v in sorted(draw(some_versions).items())) for _ in range(2))
    return side("old", next(pins)), side("new", next(pins))


def all_of(old: BoundarySide, new: BoundarySide) -> Mix:
    return frozenset(move.name for move in moves(old.distributions, new.distributions))


def pins(own: BoundarySide) -> tuple[str, ...]:
    return tuple(map(str, own.distributions))


@reproducible
@given(made_up(), st.booleans())
def test_the_mix_of_nothing_is_the_old_side_and_that_of_everything_the_new(
    sides: tuple[BoundarySide, BoundarySide], strict: bool
) -> None:
    old, new = sides

    assert mixed(old, new, frozenset(), strict=strict).requirements == pins(old)
    assert mixed(old, new, all_of(old, new), strict=strict).requirements == pins(new)


@reproducible
@given(made_up(), st.sets(st.sampled_from("abcdef")).map(frozenset), st.booleans())
def test_each_distribution_of_a_mix_is_as_in_the_side_that_it_is_taken_from(
    sides: tuple[BoundarySide, BoundarySide], taken: Mix, strict: bool
) -> None:
    old, new = sides

    spec = mixed(old, new, taken, strict=strict)

    asked = dict(pin.split("==") for pin in spec.requirements)
    for name in "abcdef":
        assert asked.get(name) == (new if name in taken else old).versions.get(name)
    overridden = [Requirement(text).name for text in spec.overrides]
    assert sorted(overridden) == sorted(old.versions.keys() | new.versions.keys())


@reproducible
@given(made_up(), st.sets(st.sampled_from("abcdef")).map(frozenset))
def test_nothing_is_pulled_into_a_mix_that_has_what_was_asked_for(
    sides: tuple[BoundarySide, BoundarySide], taken: Mix
) -> None:
    old, new = sides
    asked = installed(" ".join(mixed(old, new, taken).requirements))

    assert pulled_in(old, new, taken, asked) == frozenset()
    assert pulled_in(old, new, taken, installed("zeta==1")) == {"zeta"}


@reproducible
@given(made_up())
def test_mixes_of_what_differs_have_names_of_their_own(sides: tuple[BoundarySide, BoundarySide]) -> None:
    old, new = sides
    differing = sorted(all_of(old, new))[:4]
    taken = [
        frozenset(n for i, n in enumerate(differing) if bits >> i & 1) for bits in range(2 ** len(differing))
    ]

    assert len({label(old, new, each) for each in taken}) == len(taken)


def own(name: str, content: str) -> OwnProject:
    return OwnProject(name=name, given=".", path=f"/srv/{name}", content=content)


@pytest.mark.parametrize(
    ("taken", "contents"),
    [
        pytest.param("", {"app": "old", "beta": "old", "same": "old"}, id="as-on-the-older-side"),
        pytest.param("app", {"app": "new", "beta": "old", "same": "old"}, id="each-as-on-its-versions-side"),
        pytest.param(
            "app beta delta", {"app": "new", "beta": "new", "delta": "new", "same": "old"}, id="newer"
        ),
    ],
)
def test_a_mix_has_the_users_projects(taken: str, contents: dict[str, str]) -> None:
    names = {"old": ("app", "beta", "same"), "new": ("app", "beta", "delta", "same")}
    old, new = (
        replace(
            each,
            spec=replace(each.spec, projects=tuple(own(name, age) for name in names[age]), hashes=(age,)),
        )
        for each, age in ((OLD_SIDE, "old"), (NEW_SIDE, "new"))
    )

    found = mixed(old, new, mix(taken))

    assert {each.name: each.content for each in found.projects if each.name in contents} == contents
    assert found.hashes == ("old", "new")
