"""What a probe says of itself in its metadata block."""

from __future__ import annotations

import pytest
from hypothesis import given
from support.mutations import attempt, mutated

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.option import Place
from bisect_asgi.core.plan.options import OPTIONS, Options
from bisect_asgi.core.plan.tables import ProbeMetadata, read_probe


def script(*lines: str) -> str:
    """A probe with `lines` of TOML in its block."""
    block = [f"# {line}" if line else "#" for line in lines]
    return "\n".join(["#!/usr/bin/env python", "# /// script", *block, "# ///", "import fastapi", ""])


def refusal(source: str) -> tuple[str, str | None]:
    """The message and the hint with which `source` is refused."""
    with pytest.raises(UsageError) as caught:
        read_probe(source, name="leak.py")
    return str(caught.value), caught.value.hint


FORM = (
    "`requires-python` is text, `dependencies` is a list of texts, `[tool.bisect-asgi]` is a table of options"
)


NAMES = [option.key for option in OPTIONS.values() if Place.PROBE in option.places]
LISTED = f"{', '.join(NAMES[:-1])} and {NAMES[-1]}"


def test_a_probe_can_carry_a_whole_bisection() -> None:
    source = script(
        'requires-python = ">=3.8"',
        'dependencies = ["uvicorn==0.17.6", "anyio"]',
        "",
        "[tool.bisect-asgi]",
        'package = "fastapi[all]"',
        'command = "pytest -x"',
        'good = "0.69.0"',
        'bad = "0.70.0"',
        'over = "commits"',
        'repo = "../fastapi"',
        "first-parent = false",
        'releases = ">=0.60"',
        "pre = true",
        "yanked = false",
        'order = "upload"',
        'with = ["h11<0.10"]',
        'with-requirements = ["requirements.txt"]',
        'override = ["anyio<4"]',
        'deps = "latest"',
        'python = "3.8"',
        'include = ["data"]',
        'env = ["DEBUG=1"]',
        "timeout = 30",
        "any-failure = true",
        'match = "exhausted"',
        "jobs = 4",
        "confirm = 2",
        "culprit = false",
        "drill = true",
        "fresh = true",
        'term-old = "fast"',
        'term-new = "slow"',
    )

    assert read_probe(source, name="leak.py") == ProbeMetadata(
        requires_python=">=3.8",
        dependencies=("uvicorn==0.17.6", "anyio"),
        options=Options(
            package="fastapi[all]",
            command="pytest -x",
            good="0.69.0",
            bad="0.70.0",
            over="commits",
            repo="../fastapi",
            first_parent=False,
            releases=">=0.60",
            pre=True,
            yanked=False,
            order="upload",
            with_=("h11<0.10",),
            with_requirements=("requirements.txt",),
            override=("anyio<4",),
            deps="latest",
            python="3.8",
            include=("data",),
            env=("DEBUG=1",),
            timeout=30.0,
            any_failure=True,
            match="exhausted",
            jobs=4,
            confirm=2,
            culprit=False,
            drill=True,
            fresh=True,
            term_old="fast",
            term_new="slow",
        ),
    )


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        pytest.param(
            ["metric = 'p95'", "bad-above = '250 ms'", "confidence = 0.95", "budget = '30 min'"],
            Options(metric="p95", bad_above="250 ms", confidence=0.95, budget="30 min"),
            id="with-units",
        ),
        pytest.param(
            ["bad-above = 8", "effect = 0.05", "budget = 200", "confidence = 1"],
            Options(bad_above=8.0, effect=0.05, budget=200, confidence=1.0),
            id="numbers",
        ),
        pytest.param(
            ["bad-below = 0.5", "effect = '5%'"], Options(bad_below=0.5, effect="5%"), id="from-below"
        ),
        pytest.param(
            ["timeout = 30", "build-timeout = '5 min'", "limit-cpu = 9.5", "history = 45"],
            Options(timeout=30.0, build_timeout="5 min", limit_cpu=9.5, history=45.0),
            id="times",
        ),
    ],
)
def test_what_is_measured_is_a_number_or_one_with_a_unit(lines: list[str], options: Options) -> None:
    assert read_probe(script("[tool.bisect-asgi]", *lines), name="leak.py").options == options


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("", id="empty"),
        pytest.param("import fastapi\n", id="no-block"),
        pytest.param("# /// script\n# dependencies = ['h11']\nimport h11\n", id="never-closed"),
        pytest.param("# /// pyproject\n# dependencies = ['h11']\n# ///\n", id="of-another-type"),
        pytest.param("    # /// script\n    # dependencies = ['h11']\n    # ///\n", id="indented"),
        pytest.param(script(), id="block-without-lines"),
        pytest.param(script("", ""), id="block-without-words"),
        pytest.param(script("[tool.ruff]", "line-length = 110"), id="of-other-tools"),
    ],
)
def test_what_a_probe_does_not_say_is_unsaid(source: str) -> None:
    assert read_probe(source, name="leak.py") == ProbeMetadata()


def test_a_block_of_another_type_beside_the_scripts_is_left_alone() -> None:
    source = "# /// other\n# not TOML at all\n# ///\n\n" + script('requires-python = ">=3.8"')

    assert read_probe(source, name="leak.py") == ProbeMetadata(requires_python=">=3.8")


def test_text_with_blanks_in_a_block_is_kept_as_it_is() -> None:
    source = script("[tool.bisect-asgi]", "match = '''  two", "", "  lines'''")

    assert read_probe(source, name="leak.py").options.match == "  two\n\n  lines"


def test_two_blocks_are_refused() -> None:
    source = script('requires-python = ">=3.8"') + "\n" + script('requires-python = ">=3.9"')

    assert refusal(source) == (
        "`leak.py` has 2 `# /// script` blocks",
        "keep one of them (PEP 723 allows one)",
    )


def test_a_block_that_is_no_toml_is_refused() -> None:
    message, hint = refusal(script('requires-python = ">=3.8"', "dependencies = h11"))

    assert message.startswith("the metadata of `leak.py` is no valid TOML: ")
    assert message.endswith("(at line 2, column 16)")
    assert hint == "the lines between `# /// script` and `# ///` are TOML behind `# `"


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        pytest.param(
            "any_failure = true",
            "`[tool.bisect-asgi]` in `leak.py` has an unknown option: `any_failure`",
            "write `any-failure`",
            id="underscore",
        ),
        pytest.param(
            "with_ = []",
            "`[tool.bisect-asgi]` in `leak.py` has an unknown option: `with_`",
            "write `with`",
            id="name-of-the-field",
        ),
        pytest.param(
            "relaeses = '>=1'",
            "`[tool.bisect-asgi]` in `leak.py` has an unknown option: `relaeses`",
            "write `releases`",
            id="letters-exchanged",
        ),
        pytest.param(
            "zzzz = 1",
            "`[tool.bisect-asgi]` in `leak.py` has an unknown option: `zzzz`",
            "write one of " + LISTED,
            id="like-nothing",
        ),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_one(line: str, message: str, hint: str) -> None:
    assert refusal(script("[tool.bisect-asgi]", line)) == (message, hint)


@pytest.mark.parametrize(
    ("line", "value", "key"),
    [
        pytest.param("requires-python = 3.8", "3.8", "requires-python", id="requires-python"),
        pytest.param("dependencies = 'h11'", '"h11"', "dependencies", id="dependencies"),
        pytest.param("dependencies = ['h11', 9]", '["h11", 9]', "dependencies", id="a-dependency"),
        pytest.param("tool = 5", "5", "tool", id="a-tool-that-is-no-table"),
        pytest.param("tool.bisect-asgi = ['good']", '["good"]', "bisect-asgi", id="a-list-of-options"),
        pytest.param("tool.bisect-asgi = ''", '""', "bisect-asgi", id="text-for-a-table"),
        pytest.param("tool.bisect-asgi = true", "true", "bisect-asgi", id="true-for-a-table"),
    ],
)
def test_a_key_of_the_wrong_type_is_refused_with_its_form(line: str, value: str, key: str) -> None:
    assert refusal(script(line)) == (
        f"invalid value `{value}` for `{key}` in the metadata of `leak.py`",
        FORM,
    )


@pytest.mark.parametrize(
    ("line", "value", "key", "form"),
    [
        pytest.param("pre = 1", "1", "pre", "`pre = true` or `pre = false`", id="a-switch"),
        pytest.param("jobs = '4'", '"4"', "jobs", "a whole number: `jobs = N`", id="a-whole-number"),
        pytest.param("jobs = 1.5", "1.5", "jobs", "a whole number: `jobs = N`", id="half-a-number"),
        pytest.param(
            "timeout = true",
            "true",
            "timeout",
            'a number or text in quotes: `timeout = "TIME"`',
            id="a-number-or-text",
        ),
        pytest.param(
            "order = 'date'",
            '"date"',
            "order",
            '`order = "version"` or `order = "upload"`',
            id="a-choice",
        ),
        pytest.param("deps = 5", "5", "deps", 'text in quotes: `deps = "POLICY"`', id="text"),
        pytest.param(
            "good = 2022-01-10",
            '"2022-01-10"',
            "good",
            'text in quotes: `good = "VERSION"`',
            id="a-date-without-quotes",
        ),
        pytest.param(
            "bad-above = true",
            "true",
            "bad-above",
            'a number or text in quotes: `bad-above = "X"`',
            id="a-quantity",
        ),
        pytest.param(
            "budget = 1.5",
            "1.5",
            "budget",
            'a whole number or text in quotes: `budget = "N|TIME"`',
            id="a-number-or-a-time",
        ),
        pytest.param("with = 'h11'", '"h11"', "with", 'a list: `with = ["REQ"]`', id="a-list"),
        pytest.param("env = ['A', 1]", '["A", 1]', "env", 'a list: `env = ["NAME"]`', id="an-element"),
        pytest.param(
            "uvicorn = ['http=h11']",
            '["http=h11"]',
            "uvicorn",
            'a table: `uvicorn = { KEY = "VALUE" }`',
            id="a-table",
        ),
        pytest.param(
            f"pre = '{'x' * 80}'",
            f'"{"x" * 59}…',
            "pre",
            "`pre = true` or `pre = false`",
            id="a-long-value-is-cut",
        ),
    ],
)
def test_an_option_of_the_wrong_type_is_refused_with_how_to_write_it(
    line: str, value: str, key: str, form: str
) -> None:
    assert refusal(script("[tool.bisect-asgi]", line)) == (
        f"invalid value `{value}` for `{key}` in `[tool.bisect-asgi]` in `leak.py`",
        f"write {form}",
    )


PROBE = b"""
# /// script
# requires-python = ">=3.8"
# dependencies = ["fastapi", "uvicorn==0.17.6"]
# [tool.bisect-asgi]
# package = "fastapi"
# timeout = 60
# uvicorn = { http = "h11" }
# ///
"""


@given(content=mutated(PROBE))
def test_a_damaged_table_is_read_or_refused_with_a_hint(content: bytes) -> None:
    read = attempt(lambda: read_probe(content.decode("utf-8", "replace"), name="probe.py"))

    assert read.hint if isinstance(read, UsageError) else isinstance(read, ProbeMetadata)
