"""What a probe says of itself in its metadata block."""

from __future__ import annotations

import pytest

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.options import Options, ProbeMetadata, merge, read


def script(*lines: str) -> str:
    """A probe with `lines` of TOML in its block."""
    block = [f"# {line}" if line else "#" for line in lines]
    return "\n".join(["#!/usr/bin/env python", "# /// script", *block, "# ///", "import fastapi", ""])


def refusal(source: str) -> tuple[str, str | None]:
    """The message and the hint with which `source` is refused."""
    with pytest.raises(UsageError) as caught:
        read(source, name="leak.py")
    return str(caught.value), caught.value.hint


FORM = (
    "`requires-python` is a string, `dependencies` a list of strings, `[tool.bisect-asgi]` a table of options"
)


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

    assert read(source, name="leak.py") == ProbeMetadata(
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
    ],
)
def test_what_is_measured_is_a_number_or_one_with_a_unit(lines: list[str], options: Options) -> None:
    assert read(script("[tool.bisect-asgi]", *lines), name="leak.py").options == options


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
    assert read(source, name="leak.py") == ProbeMetadata()


def test_a_block_of_another_type_beside_the_scripts_is_left_alone() -> None:
    source = "# /// other\n# not TOML at all\n# ///\n\n" + script('requires-python = ">=3.8"')

    assert read(source, name="leak.py") == ProbeMetadata(requires_python=">=3.8")


def test_text_with_blanks_in_a_block_is_kept_as_it_is() -> None:
    source = script("[tool.bisect-asgi]", "match = '''  two", "", "  lines'''")

    assert read(source, name="leak.py").options.match == "  two\n\n  lines"


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
            "did you mean `any-failure`?",
            id="underscore",
        ),
        pytest.param(
            "with_ = []",
            "`[tool.bisect-asgi]` in `leak.py` has an unknown option: `with_`",
            "did you mean `with`?",
            id="name-of-the-field",
        ),
        pytest.param(
            "relaeses = '>=1'",
            "`[tool.bisect-asgi]` in `leak.py` has an unknown option: `relaeses`",
            "did you mean `releases`?",
            id="letters-exchanged",
        ),
        pytest.param(
            "zzzz = 1",
            "`[tool.bisect-asgi]` in `leak.py` has an unknown option: `zzzz`",
            "it can have package, command, app, load, requests, concurrency, keep-alive, uvicorn, metric, "
            "bad-above, bad-below, effect, over, repo, first-parent, good, bad, releases, pre, yanked, "
            "order, with, with-requirements, override, deps, python, include, env, timeout, any-failure, "
            "match, jobs, confirm, confidence, budget, spot-checks, all, shortest, culprit, drill, "
            "fixed-in, broken-in, source, fresh, term-old and term-new",
            id="like-nothing",
        ),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_one(line: str, message: str, hint: str) -> None:
    assert refusal(script("[tool.bisect-asgi]", line)) == (message, hint)


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        pytest.param(
            ["requires-python = 3.8"],
            "Expected `str | null`, got `float` - at `requires-python`",
            id="requires-python",
        ),
        pytest.param(
            ["dependencies = 'h11'"], "Expected `array`, got `str` - at `dependencies`", id="dependencies"
        ),
        pytest.param(
            ["dependencies = ['h11', 9]"],
            "Expected `str`, got `int` - at `dependencies[1]`",
            id="a-dependency",
        ),
        pytest.param(
            ["[tool.bisect-asgi]", "pre = 1"], "Expected `bool | null`, got `int` - at `pre`", id="flag"
        ),
        pytest.param(
            ["[tool.bisect-asgi]", "jobs = '4'"],
            "Expected `int | null`, got `str` - at `jobs`",
            id="number",
        ),
        pytest.param(
            ["[tool.bisect-asgi]", "order = 'date'"], "Invalid enum value 'date' - at `order`", id="choice"
        ),
        pytest.param(
            ["[tool.bisect-asgi]", "bad-above = true"],
            "Expected `float | str | null`, got `bool` - at `bad-above`",
            id="quantity",
        ),
        pytest.param(
            ["[tool.bisect-asgi]", "confidence = true"],
            "Expected `float | str | null`, got `bool` - at `confidence`",
            id="confidence",
        ),
        pytest.param(
            ["[tool.bisect-asgi]", "budget = 1.5"],
            "Expected `int | str | null`, got `float` - at `budget`",
            id="budget",
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(lines: list[str], place: str) -> None:
    assert refusal(script(*lines)) == (f"the metadata of `leak.py` is not as expected: {place}", FORM)


@pytest.mark.parametrize("value", ["5", "''", "'fast'", "[]", "['good']", "true"])
def test_a_table_of_options_that_is_no_table_is_refused(value: str) -> None:
    message, hint = refusal(script("[tool]", f"bisect-asgi = {value}"))

    assert message.startswith("the metadata of `leak.py` is not as expected: ")
    assert hint == FORM


def test_a_tool_that_is_no_table_is_refused() -> None:
    assert refusal(script("tool = 5")) == (
        "the metadata of `leak.py` is not as expected: Expected `object`, got `int`",
        FORM,
    )


@pytest.mark.parametrize(
    ("command_line", "table", "merged"),
    [
        pytest.param(Options(), Options(), Options(), id="nothing-said"),
        pytest.param(Options(), Options(good="1", jobs=2), Options(good="1", jobs=2), id="table-alone"),
        pytest.param(Options(good="1"), Options(), Options(good="1"), id="command-line-alone"),
        pytest.param(Options(good="2"), Options(good="1"), Options(good="2"), id="command-line-wins"),
        pytest.param(Options(pre=False), Options(pre=True), Options(pre=False), id="a-no-wins-too"),
        pytest.param(Options(confirm=0), Options(confirm=2), Options(confirm=0), id="a-zero-wins-too"),
        pytest.param(
            Options(bad_above="10%", budget="1 h"),
            Options(bad_above=8.0, budget=200, effect="5%"),
            Options(bad_above="10%", budget="1 h", effect="5%"),
            id="quantities-whether-with-units-or-not",
        ),
        pytest.param(
            Options(culprit=True, drill=False),
            Options(culprit=False, drill=True, first_parent=False),
            Options(culprit=True, drill=False, first_parent=False),
            id="each-switch-by-itself",
        ),
        pytest.param(
            Options(fixed_in="2"),
            Options(broken_in="1", source="notes", jobs=2),
            Options(fixed_in="2", jobs=2),
            id="a-fix-stands-for-the-tables-break",
        ),
        pytest.param(
            Options(broken_in="2"),
            Options(fixed_in="1", source="notes"),
            Options(broken_in="2"),
            id="a-break-stands-for-the-tables-fix",
        ),
        pytest.param(
            Options(fixed_in="2"),
            Options(fixed_in="1", source="notes"),
            Options(fixed_in="2", source="notes"),
            id="a-claim-of-the-same-kind-wins",
        ),
        pytest.param(
            Options(confidence="95%"),
            Options(confidence=0.9),
            Options(confidence="95%"),
            id="a-probability-however-it-is-written",
        ),
        pytest.param(
            Options(override=("h11<1",)),
            Options(override=("anyio<4",), over="anyio"),
            Options(override=("anyio<4", "h11<1"), over="anyio"),
            id="overrides-are-joined",
        ),
        pytest.param(
            Options(with_=("h11",), env=("A=2",)),
            Options(with_=("anyio",), env=("A=1",), include=("data",)),
            Options(with_=("anyio", "h11"), env=("A=1", "A=2"), include=("data",)),
            id="lists-are-joined-the-command-line-last",
        ),
    ],
)
def test_the_command_line_wins_over_the_probes_table(
    command_line: Options, table: Options, merged: Options
) -> None:
    assert merge(command_line, table) == merged
