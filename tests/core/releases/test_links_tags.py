"""A release's tag is found in whatever spelling, and never another project's."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.core.releases.links import tag_of


@pytest.mark.parametrize(
    "tag",
    [
        "1.2.0",
        "v1.2.0",
        "V1.2",
        "v.1.2.0",
        "version-1.2.0",
        "release-1.2.0",
        "release/1.2.0",
        "release/v1.2",
        "Release_1.2.0",
        "rel_1_2_0",
        "REL-1.2.0",
        "1_2_0",
        "1-2-0",
        "my-demo-1.2.0",
        "my_demo_1.2.0",
        "My.Demo/1.2.0",
        "my-demo@1.2.0",
        "my-demo==1.2.0",
        "my-demo-v1.2.0",
        "my-demo/release-1.2",
        "release-my-demo-1.2.0",
        "my_demo-1_2_0",
    ],
)
def test_a_tag_is_found_in_its_usual_spellings(tag: str) -> None:
    assert tag_of("1.2.0", "my-demo", ["0.9", tag, "2.0"]) == tag


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        pytest.param("1.2.0", "1.2.1", id="another-version"),
        pytest.param("1.2.0", "1.2.0rc1", id="its-candidate"),
        pytest.param("1.2.0", "11.2.0", id="a-digit-more"),
        pytest.param("1.2.0", "other-1.2.0", id="another-project"),
        pytest.param("1.2.0", "demo-extra-1.2.0", id="a-project-whose-name-goes-on"),
        pytest.param("1.2.0", "extra-demo-1.2.0", id="a-project-whose-name-ends-so"),
        pytest.param("2.1.0", "demo-2-1-0", id="a-project-whose-name-has-a-number"),
        pytest.param("1.2.0", "demo1.2.0", id="a-name-without-an-end"),
        pytest.param("1.2.0", "1.2.0-docs-fixed", id="more-behind-it"),
        pytest.param("1.2.0", "latest", id="no-version"),
        pytest.param("1.2.0", "", id="nothing"),
    ],
)
def test_a_tag_that_says_something_else_is_not_taken(version: str, tag: str) -> None:
    assert tag_of(version, "demo", [tag]) is None


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        pytest.param("1.2", "v1.2.0", id="zeros"),
        pytest.param("1.0rc1", "1.0-rc1", id="dash-before-candidate"),
        pytest.param("1.0rc1", "v1.0.0-rc.1", id="dots"),
        pytest.param("1.0rc1", "rel_1_0rc1", id="underscores"),
        pytest.param("1.0.post1", "1.0-1", id="post"),
        pytest.param("1.0b2", "1.0beta2", id="long-words"),
    ],
)
def test_versions_are_compared_by_their_meaning(version: str, tag: str) -> None:
    assert tag_of(version, "demo", [tag]) == tag


@pytest.mark.parametrize(
    ("tags", "best"),
    [
        pytest.param(["1.2.0", "v1.2"], "v1.2", id="as-spelled-over-equal"),
        pytest.param(["v1.2", "1.2"], "1.2", id="short-over-long"),
        pytest.param(["1.2", "demo-1.2"], "demo-1.2", id="with-the-projects-name"),
        pytest.param(["1.2", "demo-1.2.0"], "demo-1.2.0", id="the-name-counts-more-than-the-spelling"),
        pytest.param(["other-1.2", "1.2.0"], "1.2.0", id="anothers-does-not-count"),
        pytest.param(["v1.2", "V1.2"], "V1.2", id="the-first-in-order-of-equals"),
    ],
)
def test_the_best_of_several_tags_is_taken(tags: list[str], best: str) -> None:
    assert tag_of("1.2", "demo", tags) == best


@pytest.mark.parametrize("project", ["My_Demo", "my.demo", "my--demo"])
def test_the_project_may_be_spelled_as_one_likes(project: str) -> None:
    assert tag_of("1.0", project, ["MY-demo-1.0"]) == "MY-demo-1.0"


def test_a_version_that_is_none_is_found_by_its_spelling_alone() -> None:
    assert tag_of("2004d", "demo", ["2004a", "v2004d"]) == "v2004d"
    assert tag_of("2004d", "demo", ["2004a", "2004e"]) is None


VERSIONS = st.lists(st.integers(0, 12), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
SPELLINGS = st.sampled_from(
    ["{}", "v{}", "release-{}", "demo-{}", "demo/v{}", "other-{}", "demo-x-{}", "{}-x"]
)
TAGS = st.lists(st.builds(str.format, SPELLINGS, VERSIONS), unique=True, max_size=8)


@given(VERSIONS, TAGS, st.randoms())
def test_the_order_of_the_tags_does_not_matter(version: str, tags: list[str], random: Random) -> None:
    shuffled = sorted(tags, key=lambda _: random.random())

    assert tag_of(version, "demo", tags) == tag_of(version, "demo", shuffled)


@given(VERSIONS, TAGS)
def test_what_is_found_is_one_of_the_tags_and_of_no_other_project(version: str, tags: list[str]) -> None:
    found = tag_of(version, "demo", tags)

    assert found is None or (found in tags and not found.startswith(("other", "demo-x")))


@given(VERSIONS, TAGS)
def test_a_tag_that_is_the_version_itself_is_always_enough(version: str, tags: list[str]) -> None:
    assert tag_of(version, "demo", [*tags, version]) is not None
