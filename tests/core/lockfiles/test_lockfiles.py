"""What a lock file installs on one interpreter, whichever tool wrote it.

The files in `data/locks` were written by the tools themselves (uv 0.13.8, Poetry 1.8.5 and 2.5.1, pip-tools,
Pipenv) and shortened: hashes, descriptions and all but one file of each release are left out, and addresses
are other ones. What `uv export` and `poetry export` wrote for the same lock is the expected value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lockfiles import (
    DATA,
    LINUX,
    PYLOCK,
    pins,
    poetry_lock,
    poetry_package,
    read,
    refusal,
    standard_package,
    uv_lock,
    uv_package,
)

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles import Lock, decode, marker_environment
from bisect_asgi.core.model import Distribution

# The environment


def test_the_environment_has_the_interpreters_values_and_the_platforms() -> None:
    environment = marker_environment("3.9.18", platform={**LINUX, "python_version": "3.11", "other": "1"})

    assert environment == {
        **LINUX,
        "python_version": "3.9",
        "python_full_version": "3.9.18",
        "implementation_name": "cpython",
        "implementation_version": "3.9.18",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def test_the_environment_of_another_implementation_has_its_name() -> None:
    environment = marker_environment("3.10.14", implementation="PyPy", platform=LINUX)

    assert environment["implementation_name"] == "pypy"
    assert environment["platform_python_implementation"] == "PyPy"


def test_a_platform_without_a_variable_is_refused() -> None:
    with pytest.raises(KeyError, match="os_name"):
        marker_environment("3.11.7", platform={})


# Bytes


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be-with-mark", "latin-1"]
)
def test_text_in_any_encoding_that_is_met_is_read(encoding: str) -> None:
    text = "# für später\r\na==1.0\r\n"
    content = b"\xfe\xff" + text.encode("utf-16-be") if encoding.endswith("mark") else text.encode(encoding)

    assert decode(content, name="requirements.txt") == text


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^`a\.whl` is no text$"):
        decode(b"PK\x03\x04\x00\x00\xff", name="a.whl")


def test_a_byte_order_mark_that_is_left_in_the_text_is_passed_over() -> None:
    assert pins(read("\ufeffa==1.0\n")) == ["a==1.0"]


# Strangers


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param(
            "pyproject.toml",
            '[project]\nname = "a"\n',
            "`pyproject.toml` says which versions a project allows, not which are installed",
            id="pyproject",
        ),
        pytest.param(
            "pdm.lock", '[metadata]\nlock_version = "4.5"\n', "`pdm.lock` is PDM's lock file", id="pdm"
        ),
        pytest.param(
            "package-lock.json",
            '{"lockfileVersion": 3, "packages": {}}',
            "`package-lock.json` is no lock file of Python packages",
            id="npm",
        ),
        pytest.param(
            "Cargo.lock",
            'version = 4\n[[package]]\nname = "a"\nversion = "1.0.0"\n',
            "`Cargo.lock` is no lock file of Python packages",
            id="cargo",
        ),
        pytest.param(
            "uv.lock",
            "version = ",
            "`uv.lock` is no valid TOML: Invalid value (at end of document)",
            id="toml",
        ),
        pytest.param(
            "Pipfile.lock",
            '{"_meta"',
            "`Pipfile.lock` is no valid JSON: Input data was truncated",
            id="json",
        ),
    ],
)
def test_a_stranger_is_told_what_it_is(name: str, text: str, message: str) -> None:
    assert refusal(text, name) == message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("spec-file.txt", "# $ conda create --name x --file x\n@EXPLICIT\n", id="explicit"),
        pytest.param("list.txt", "# platform: linux-64\nnumpy=1.22.2=py310_0\n", id="list"),
        pytest.param("environment.yml", "name: x\nchannels:\n  - main\n", id="environment"),
        pytest.param("pixi.yaml", "a: b\n", id="other-yaml"),
    ],
)
def test_condas_files_are_refused(name: str, text: str) -> None:
    assert refusal(text, name).startswith(f"`{name}` is conda's or another tool's list; understood are ")


# Properties

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,3}(-[a-z0-9]{1,3}){0,2}", fullmatch=True)


VERSIONS = st.from_regex(
    r"(0|[1-9][0-9]?)(\.(0|[1-9][0-9]?)){0,2}(rc[1-9]|\.post[1-9]|\+cpu)?", fullmatch=True
)


PINS = st.dictionaries(NAMES, VERSIONS, min_size=1, max_size=8)


@st.composite
def requirement_lines(draw: st.DrawFn, name: str, version: str) -> str:
    """One pin, in one of the ways in which tools and people write it."""
    spelling = name.replace("-", draw(st.sampled_from(["-", "_", ".", "-_"])))
    extras = draw(st.sampled_from(["", "[x]", "[x,y-z]"]))
    operator = draw(st.sampled_from(["==", " == ", "===", "== "]))
    marker = draw(
        st.sampled_from(["", " ; python_version >= '3.8'", ";sys_platform=='linux' or os_name=='nt'"])
    )
    hashes = draw(
        st.sampled_from(["", " --hash=sha256:00", " \\\n    --hash=sha256:00 \\\n    --hash=sha256:11"])
    )
    comment = draw(st.sampled_from(["", "  # via -r in.txt", "\n    # via\n    #   other==1"]))
    return f"{spelling}{extras}{operator}{version}{marker}{hashes}{comment}"


@given(data=st.data(), versions=PINS, newline=st.sampled_from(["\n", "\r\n"]))
def test_any_pins_are_read_back_from_requirements(
    data: st.DataObject, versions: dict[str, str], newline: str
) -> None:
    names = data.draw(st.permutations(list(versions)))
    lines = [data.draw(requirement_lines(name, versions[name])) for name in names]

    lock = read("\n".join(lines).replace("\n", newline))

    assert {d.name: d.version for d in lock.distributions} == versions
    assert [d.name for d in lock.distributions] == sorted(versions)


@given(versions=PINS)
def test_the_same_pins_are_read_from_every_form(versions: dict[str, str]) -> None:
    standard = PYLOCK + "".join(standard_package(name, version) for name, version in versions.items())
    of_pipenv = json.dumps({"_meta": {}, "default": {n: {"version": f"=={v}"} for n, v in versions.items()}})
    of_poetry = poetry_lock(*(poetry_package(n, v) for n, v in versions.items()))
    first, *others = versions
    chain = [f'dependencies = [{{ name = "{name}" }}]' for name in others]
    of_uv = uv_lock(
        f'name = "the-app"\nsource = {{ virtual = "." }}\ndependencies = [{{ name = "{first}" }}]',
        *(uv_package(n, v, needs) for (n, v), needs in zip(versions.items(), [*chain, ""], strict=True)),
    )

    expected = tuple(Distribution(name=name, version=versions[name]) for name in sorted(versions))
    assert read(standard, "pylock.toml").distributions == expected
    assert read(of_pipenv, "Pipfile.lock").distributions == expected
    assert read(of_poetry, "poetry.lock").distributions == expected
    assert read(of_uv, "uv.lock").distributions == expected


def attempt(content: str | bytes, name: str) -> Lock | UsageError:
    """The lock, or its refusal."""
    try:
        return read(content if isinstance(content, str) else decode(content, name=name), name)
    except UsageError as error:
        return error


@given(data=st.data(), name=st.sampled_from(sorted(path.name for path in DATA.iterdir())))
def test_a_lock_without_some_of_its_lines_is_read_or_refused_with_a_hint(
    data: st.DataObject, name: str
) -> None:
    lines = (DATA / name).read_text("utf-8").splitlines()
    first = data.draw(st.integers(0, len(lines)))
    last = data.draw(st.integers(first, min(first + 12, len(lines))))

    outcome = attempt("\n".join(lines[:first] + lines[last:]), name)

    assert outcome.distributions if isinstance(outcome, Lock) else outcome.hint


@given(
    content=st.one_of(st.binary(), st.text().map(str.encode)),
    name=st.sampled_from(["a.txt", "uv.lock", "x.toml"]),
)
def test_any_content_is_read_or_refused_with_a_hint(content: bytes, name: str) -> None:
    outcome = attempt(content, name)

    assert outcome.distributions if isinstance(outcome, Lock) else outcome.hint
