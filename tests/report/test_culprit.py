"""What carries a change, in words: every sentence shown whole."""

from __future__ import annotations

import pytest

from bisect_asgi.core.events import Explained, ShownSet
from bisect_asgi.core.model import CulpritKind, Move
from bisect_asgi.report.culprit import because, is_named, sentences

PACKAGE, DEPENDENCY, TOGETHER, EITHER, UNCLEAR = CulpritKind

APP, BETA, GAMMA = (Move(name=name, old="1", new="2") for name in ("app", "beta", "gamma"))
ADDED = Move(name="delta", old=None, new="2")
GONE = Move(name="omega", old="1", new=None)


def shown(*moved: Move, **more: object) -> ShownSet:
    return ShownSet(moved=moved, **more)  # type: ignore[arg-type]


def explained(kind: CulpritKind, *sets: ShownSet, **more: object) -> Explained:
    """An explanation of what is between app 1 and app 2, where four things moved."""
    usual: dict[str, object] = {
        "package": "app",
        "old": "app 1",
        "new": "app 2",
        "moves": (APP, BETA, GAMMA, ADDED),
        "kind": kind,
        "sets": sets,
    }
    return Explained(**{**usual, **more})  # type: ignore[arg-type]


OWN = explained(PACKAGE, shown(APP))


@pytest.mark.parametrize(
    ("why", "end"),
    [
        pytest.param([], "", id="nothing-was-found-out"),
        pytest.param([explained(UNCLEAR)], "", id="no-set"),
        pytest.param([explained(UNCLEAR, shown(BETA), problem="it is flaky")], "", id="a-problem"),
        pytest.param([OWN], ", by itself", id="the-package"),
        pytest.param(
            [explained(PACKAGE, shown(APP), moves=(APP,))], ", by itself", id="nothing-else-differs"
        ),
        pytest.param(
            [explained(PACKAGE, shown(APP, pulled_in=(ADDED,)))],
            ", by itself, but not without delta 2",
            id="the-package-with-what-it-needs",
        ),
        pytest.param(
            [explained(DEPENDENCY, shown(BETA, required="==2"))],
            ", because it requires beta 2",
            id="a-dependency-that-it-pins",
        ),
        pytest.param(
            [explained(DEPENDENCY, shown(BETA, required="<3,>=2"))],
            ", because it requires beta <3,>=2 and installs 2",
            id="a-dependency-that-it-requires-in-a-range",
        ),
        pytest.param(
            [explained(DEPENDENCY, shown(ADDED, required="any version"))],
            ", because it installs delta 2",
            id="one-that-it-requires-at-any-version",
        ),
        pytest.param(
            [explained(DEPENDENCY, shown(GONE, required=""), moves=(APP, GONE))],
            ", because it drops omega",
            id="the-only-other-one-was-removed",
        ),
        pytest.param(
            [explained(DEPENDENCY, shown(BETA))], ", because it installs beta 2", id="one-that-it-admits"
        ),
        pytest.param([explained(DEPENDENCY, shown(GONE))], ", because it drops omega", id="removed"),
        pytest.param(
            [explained(DEPENDENCY, shown(BETA, required="==2"), package=None)],
            ", because of beta 2",
            id="everything-moved-at-once",
        ),
        pytest.param(
            [explained(TOGETHER, shown(APP, BETA))], ", because of app 2 and beta 2 together", id="together"
        ),
        pytest.param(
            [explained(EITHER, shown(APP), shown(BETA, GAMMA))],
            ", by itself; also because of beta 2 and gamma 2 together",
            id="the-package-or-others-together",
        ),
        pytest.param(
            [explained(EITHER, shown(BETA, GAMMA), shown(APP))],
            ", by itself; also because of beta 2 and gamma 2 together",
            id="others-together-or-the-package",
        ),
        pytest.param(
            [explained(EITHER, shown(BETA, GAMMA), shown(ADDED))],
            ", because of delta 2; also because of beta 2 and gamma 2 together",
            id="one-or-others-together",
        ),
        pytest.param(
            [explained(EITHER, shown(BETA), shown(APP))],
            ", because of beta 2 and itself, each alone",
            id="the-package-or-another",
        ),
        pytest.param(
            [explained(EITHER, shown(BETA), shown(GAMMA), shown(ADDED), package=None)],
            ", because of beta 2, gamma 2 and delta 2, each alone",
            id="any-of-three",
        ),
        pytest.param(
            [explained(UNCLEAR, shown(BETA, GAMMA, doubtful=("beta", "gamma")))],
            ", because of something among beta 2 and gamma 2",
            id="nothing-is-sure",
        ),
        pytest.param(
            [explained(UNCLEAR, shown(BETA, GAMMA, doubtful=("gamma",)))],
            ", because of beta 2 and perhaps gamma 2",
            id="one-is-sure",
        ),
        pytest.param(
            [explained(UNCLEAR, shown(APP), shown(BETA, GAMMA, doubtful=("beta", "gamma")))],
            ", because of app 2 and something among beta 2 and gamma 2",
            id="one-set-is-sure",
        ),
        pytest.param(
            [OWN, explained(DEPENDENCY, shown(BETA))], ", by itself", id="what-is-below-adds-nothing"
        ),
        pytest.param(
            [OWN, explained(DEPENDENCY, shown(BETA), is_further=True)],
            ", by itself, and then of beta 2",
            id="another-failure-below-it",
        ),
        pytest.param(
            [explained(DEPENDENCY, shown(BETA), package=None), explained(UNCLEAR, is_further=True)],
            ", because of beta 2",
            id="another-failure-that-cannot-be-explained",
        ),
    ],
)
def test_the_sentence_about_the_boundary_ends_with_the_reason(why: list[Explained], end: str) -> None:
    assert because(why) == end


NOT_TESTED = "could not test whether the other differences also cause it"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        pytest.param(
            explained(UNCLEAR, problem="the probe is flaky"),
            ("the cause could not be determined: the probe is flaky",),
            id="a-problem",
        ),
        pytest.param(
            explained(PACKAGE, shown(APP), moves=(APP,)),
            ("nothing else differs between app 1 and app 2",),
            id="nothing-else-moved",
        ),
        pytest.param(OWN, ("app 2 is bad even with the dependencies of app 1",), id="the-package"),
        pytest.param(
            explained(PACKAGE, shown(APP, pulled_in=(ADDED,))),
            ("app 2 does not run without delta 2; with that alone, app 1 is not bad",),
            id="the-package-with-what-it-needs",
        ),
        pytest.param(
            explained(DEPENDENCY, shown(BETA)),
            ("app 1 is bad with beta 2; with beta reverted to 1, app 2 is not",),
            id="a-dependency",
        ),
        pytest.param(
            explained(DEPENDENCY, shown(GONE)),
            ("app 1 is bad without omega; with omega reverted to 1, app 2 is not",),
            id="a-dependency-that-it-dropped",
        ),
        pytest.param(
            explained(DEPENDENCY, shown(ADDED)),
            ("app 1 is bad with delta 2; with delta removed, app 2 is not",),
            id="a-dependency-that-it-added",
        ),
        pytest.param(
            explained(DEPENDENCY, shown(BETA, pulled_in=(ADDED,))),
            (
                "app 1 is bad with beta 2; with beta reverted to 1, app 2 is not",
                "beta 2 does not run without delta 2; with that alone, app 1 is not bad",
            ),
            id="a-dependency-with-what-it-needs",
        ),
        pytest.param(
            explained(TOGETHER, shown(APP, BETA)),
            ("it takes app 2 and beta 2 together; with any of them reverted it is not bad",),
            id="together",
        ),
        pytest.param(
            explained(EITHER, shown(APP), shown(BETA, GONE)),
            ("each of these is bad without the others: app 2; beta 2 and the absence of omega together",),
            id="either",
        ),
        pytest.param(
            explained(UNCLEAR, shown(BETA, GAMMA, doubtful=("gamma",))),
            ("it takes beta 2; whether gamma 2 matters as well could not be tested",),
            id="one-is-sure",
        ),
        pytest.param(
            explained(UNCLEAR, shown(BETA, GAMMA, doubtful=("beta", "gamma")), shown(APP)),
            ("it is among beta 2 and gamma 2, and combinations of those are untestable; app 2 causes it",),
            id="one-set-is-sure",
        ),
        pytest.param(
            explained(EITHER, shown(APP), shown(BETA, GAMMA, doubtful=("gamma",))),
            (
                "each of these is bad without the others: app 2; beta 2 and gamma 2 together",
                "whether gamma matters there could not be tested",
            ),
            id="a-doubt-in-one-of-several",
        ),
        pytest.param(
            explained(PACKAGE, shown(APP), is_all=False),
            ("app 2 is bad even with the dependencies of app 1", NOT_TESTED),
            id="the-rest-could-not-be-tested",
        ),
        pytest.param(
            explained(DEPENDENCY, shown(BETA), is_further=True),
            (
                "with that reverted, it fails differently:",
                "app 1 is bad with beta 2; with beta reverted to 1, app 2 is not",
            ),
            id="another-failure",
        ),
        pytest.param(
            explained(TOGETHER, shown(*(Move(name=n, old="1", new="2") for n in "abcdefgh"))),
            (
                (
                    "it takes a 2, b 2, c 2, d 2, e 2 and 3 more together; "
                    "with any of them reverted it is not bad"
                ),
            ),
            id="many",
        ),
    ],
)
def test_each_thing_that_was_shown_is_a_sentence(told: Explained, said: tuple[str, ...]) -> None:
    assert sentences(told, word="bad") == said


def test_the_sentences_have_the_users_word_for_the_newer_side() -> None:
    assert sentences(OWN, word="slow") == ("app 2 is slow even with the dependencies of app 1",)


CUT_SHORT = explained(UNCLEAR, shown(BETA, GAMMA, doubtful=("beta", "gamma"), is_cut_short=True))


def test_a_set_that_may_be_made_smaller_is_told_as_one() -> None:
    *_, last = sentences(CUT_SHORT, word="bad")

    assert last == (
        "beta 2 and gamma 2 may not be the smallest set: "
        "bisect-asgi stops after 80 combinations, or 20 untestable ones"
    )


def test_what_was_not_tried_is_not_said_to_be_untestable() -> None:
    assert not any(
        "could not be tested" in sentence or "are untestable" in sentence
        for sentence in sentences(CUT_SHORT, word="bad")
    )


@pytest.mark.parametrize("package", ["app", None])
def test_where_the_rest_could_not_be_tested_nothing_is_said_of_it_without_the_culprit(
    package: str | None,
) -> None:
    told = explained(DEPENDENCY, shown(BETA), is_all=False, package=package)

    said = sentences(told, word="bad")

    assert NOT_TESTED in said
    assert not any("app 2 is not" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("moves", "label", "is_said"),
    [
        pytest.param((BETA,), "beta 2", True, id="the-one-that-moved"),
        pytest.param((BETA,), "2022-01-10 beta 2", True, id="behind-a-day"),
        pytest.param((BETA,), "beta 1", False, id="another-version"),
        pytest.param((BETA, GAMMA), "beta 2", False, id="one-of-two"),
    ],
)
def test_a_label_can_say_already_what_carries_the_change(
    moves: tuple[Move, ...], label: str, is_said: bool
) -> None:
    assert is_named(explained(DEPENDENCY, shown(BETA), moves=moves), label) is is_said
