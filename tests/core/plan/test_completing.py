"""What may stand at the end of a command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.core.plan.completing import Completion, Sources, complete
from bisect_asgi.core.plan.option import SUMMARIES
from bisect_asgi.core.plan.options import OPTIONS

VERSIONS = {"demo": (("1.1", "2021-02-01"), ("1.0", "2021-01-01")), "engine": (("2", ""),)}
SOURCES = Sources(
    packages=lambda: VERSIONS,
    versions=lambda name: VERSIONS.get(name, ()),
    named_in=lambda probe: ("engine", ("growth",)) if probe == "leak.py" else ("", ()),
)


def words(line: str) -> list[str]:
    return [value for value, _ in complete(line.split(" "), SOURCES).values]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("ch", ["check"], id="command"),
        pytest.param("d", ["doctor", "demo"], id="command-or-package"),
        pytest.param("help lo", ["locks"], id="help"),
        pytest.param("run de", ["demo"], id="package"),
        pytest.param("run demo e", [], id="one-package-only"),
        pytest.param("demo --bad-", ["--bad-above", "--bad-below"], id="options-of-a-search"),
        pytest.param("run demo --bad=1.0 --bad", ["--bad-above", "--bad-below"], id="once-joined"),
        pytest.param("run demo --bad 1.0 --bad", ["--bad-above", "--bad-below"], id="once"),
        pytest.param("run --with demo --with", ["--with", "--with-requirements"], id="repeatable"),
        pytest.param("run --no-c", ["--no-culprit"], id="opposite"),
        pytest.param("cache --", ["--json", "--clear", "--help"], id="options-of-a-command"),
        pytest.param("new p.py --kind l", ["latency"], id="choice"),
        pytest.param("new p.py --kind=l", ["--kind=latency"], id="choice-joined"),
        pytest.param("run demo --nothing=", [], id="no-such-option"),
        pytest.param("run demo --good ", ["1.1", "1.0", "latest"], id="good"),
        pytest.param("run demo[all] --bad 1.", ["1.1", "1.0"], id="bad-with-extra"),
        pytest.param("run --pre demo --bad 1.", ["1.1", "1.0"], id="package-behind-a-switch"),
        pytest.param("run --probe leak.py --bad ", ["2"], id="package-of-the-probe"),
        pytest.param("run --probe other.py --bad ", [], id="no-package"),
        pytest.param("verify demo --fixed-in 1.1", ["1.1"], id="claim"),
        pytest.param("run demo --metric ", ["wall", "cpu", "peak-memory"], id="metrics"),
        pytest.param("run demo --probe leak.py --metric g", ["growth"], id="metrics-of-the-probe"),
        pytest.param("run demo --history a", ["auto", "all"], id="history"),
        pytest.param("run demo --over d", ["date", "demo"], id="axis-or-package"),
        pytest.param("run demo --with eng", ["engine"], id="held"),
        pytest.param("run demo --with engine==", ["engine==2"], id="held-release"),
        pytest.param("run demo -j ", [], id="a-number"),
        pytest.param("check de", ["demo=="], id="release-begun"),
        pytest.param("check demo==1.", ["demo==1.1", "demo==1.0"], id="release"),
        pytest.param("completion ", ["bash", "zsh", "fish"], id="shell"),
        pytest.param("doctor x", [], id="no-argument"),
    ],
)
def test_words_follow_from_the_line(line: str, expected: list[str]) -> None:
    assert words(line) == expected


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        pytest.param("run demo --probe ", "files", id="probe"),
        pytest.param("run demo --repo ", "folders", id="repository"),
        pytest.param("suite ", "files", id="suite"),
        pytest.param("verify ", "folders", id="verify"),
        pytest.param("run demo --good ", "", id="no-path"),
    ],
)
def test_paths_are_left_to_the_shell(line: str, paths: str) -> None:
    assert complete(line.split(" "), SOURCES).paths == paths


def test_no_word_at_all_is_the_beginning() -> None:
    assert complete([], SOURCES) == Completion(values=(*SUMMARIES.items(), ("demo", ""), ("engine", "")))


WORDS = st.sampled_from([*SUMMARIES, "demo", *(each.flag for each in OPTIONS.values())]) | st.text(max_size=8)


@given(st.lists(WORDS, max_size=6))
def test_what_is_offered_begins_as_what_is_typed(line: list[str]) -> None:
    last = line[-1] if line else ""

    assert all(value.startswith(last) for value, _ in complete(line, SOURCES).values)
