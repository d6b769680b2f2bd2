"""What a requirement names of the user's own, and what such a project demands."""

from __future__ import annotations

import pytest
from support.lockfiles import HERE

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import OwnProject, ProbeFile, ProjectMetadata
from bisect_asgi.core.plan.own_projects import (
    GivenProject,
    OwnReference,
    Wanted,
    based,
    demand_in,
    demands_of,
    name_in,
    reference_of,
    requirements_in,
    static_facts,
    uv_sources,
)
from bisect_asgi.core.releases.selection import Demand

# --- References


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".", OwnReference(where=".")),
        ("..", OwnReference(where="..")),
        ("./dir", OwnReference(where="./dir")),
        ("dir/app", OwnReference(where="dir/app")),
        ("/srv/my app", OwnReference(where="/srv/my app")),
        ("~/app", OwnReference(where="~/app")),
        (".[dev, all]", OwnReference(where=".", extras=("all", "dev"))),
        ("./dir[]", OwnReference(where="./dir")),
        ("./dir ; sys_platform == 'linux'", OwnReference(where="./dir", marker='sys_platform == "linux"')),
        ("./dir; no marker", OwnReference(where="./dir; no marker")),
        ("app-1.0-py3-none-any.whl", OwnReference(where="app-1.0-py3-none-any.whl")),
        ("dist/app-1.0.tar.gz[x]", OwnReference(where="dist/app-1.0.tar.gz", extras=("x",))),
        ("app-1.0.ZIP", OwnReference(where="app-1.0.ZIP")),
        ("My_App[x] @ ./dir", OwnReference(where="./dir", name="my-app", extras=("x",))),
        ("app @ ./my%20app", OwnReference(where="./my app", name="app")),
        ("app @ file:///srv/my%20app", OwnReference(where="/srv/my app", name="app")),
        ("app @ file:///srv/app-1.0.tar.gz", OwnReference(where="/srv/app-1.0.tar.gz", name="app")),
        ("file:///srv/app", OwnReference(where="/srv/app")),
        (
            "app @ ./dir ; python_version < '3.9'",
            OwnReference(where="./dir", name="app", marker='python_version < "3.9"'),
        ),
        ("git+https://h.example/o/app.git", OwnReference(where="https://h.example/o/app.git", is_git=True)),
        (
            "git+ssh://git@h.example/o/app.git@v1.0",
            OwnReference(where="ssh://git@h.example/o/app.git", is_git=True, revision="v1.0"),
        ),
        (
            "git+https://h.example/o/app@main#subdirectory=py&egg=My_App[b,a]",
            OwnReference(
                where="https://h.example/o/app",
                is_git=True,
                revision="main",
                subdirectory="py",
                name="my-app",
                extras=("a", "b"),
            ),
        ),
        (
            "app[x] @ git+file:///srv/app@feature%2Fa",
            OwnReference(where="/srv/app", is_git=True, revision="feature/a", name="app", extras=("x",)),
        ),
    ],
)
def test_a_requirement_names_a_project_of_the_users(text: str, expected: OwnReference) -> None:
    assert reference_of(text, "--with") == expected


@pytest.mark.parametrize(
    "text",
    [
        "demo",
        "demo[x]>=1",
        "demo @ https://h.example/demo-1.0.zip",
        "demo==1 ; extra == 'x'",
        "no requirement",
    ],
)
def test_a_requirement_for_an_index_is_left_to_uv(text: str) -> None:
    assert reference_of(text, "--with") is None


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "app @ hg+https://h.example/app",
            "`hg+https://h.example/app` is in a repository that is not git's (--with)",
            "pass a directory, an archive, or `git+https://…`",
        ),
        (
            "https://user:secret@h.example/app-1.0.tar.gz",
            "`https://h.example/app-1.0.tar.gz` has no name (--with)",
            "write the name in front: `NAME @ https://h.example/app-1.0.tar.gz`",
        ),
        (
            "git+https:h.example",
            "`git+https:h.example` is no address of a repository (--with)",
            "write it as `git+https://example.org/app.git@REVISION`",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_by_its_name(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        reference_of(text, "--with")

    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_a_reference_is_shown_without_credentials() -> None:
    reference = reference_of("git+https://user:secret@h.example/app", "--with")

    assert reference
    assert reference.shown == "https://h.example/app"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("demo>=1", "demo>=1"),
        (".", "./sub"),
        ("./dir[x]", "./sub/dir[x]"),
        ("app[x] @ dir ; python_version < '4'", 'app[x] @ ./sub/dir ; python_version < "4"'),
        ("app @ dir", "app @ ./sub/dir"),
        ("app @ ./my%20dir", "app @ ./sub/my%20dir"),
        ("./my dir[x]", "./sub/my dir[x]"),
        ("/srv/app", "/srv/app"),
        ("git+https://h.example/app", "git+https://h.example/app"),
        ("hg+https://h.example/app", "hg+https://h.example/app"),
    ],
)
def test_a_path_in_a_file_begins_at_the_files_folder(text: str, expected: str) -> None:
    assert based(text, "sub") == expected


def test_a_path_in_a_file_of_an_absolute_folder() -> None:
    assert based("./dir", "/srv") == "/srv/dir"


# --- What files say


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, ""),
        ({"project": {"name": "My_App"}}, "my-app"),
        ({"project": []}, ""),
        ({"tool": {"poetry": {"name": "App"}}}, "app"),
        ({"tool": {"flit": {"metadata": {"module": "app"}}}}, "app"),
    ],
)
def test_the_name_in_a_pyproject(document: dict[str, object], expected: str) -> None:
    assert name_in(document) == expected


def test_what_a_pyproject_leaves_to_the_build_is_not_known() -> None:
    project = {"name": "app", "version": "1", "dynamic": ["version"]}

    assert static_facts({"project": project}) == {"name": "app", "dynamic": ["version"]}
    assert static_facts({"project": {"dynamic": "version"}}) == {"dynamic": "version"}
    assert static_facts({"project": 1}) == {}


def test_the_requirements_in_a_pyproject_are_those_of_its_extras_as_well() -> None:
    project = {"dependencies": ["one"], "optional-dependencies": {"Big_One": ["two"], "more": ["three"]}}

    assert requirements_in({"project": project}, ["big-one"], where=".") == ("one", "two")
    assert requirements_in({}, [], where=".") == ()


@pytest.mark.parametrize(
    ("project", "hint"),
    [({"optional-dependencies": {"b": [], "a": []}}, "it has `a`, `b`"), ({}, "it has none")],
)
def test_an_extra_that_is_not_there(project: dict[str, object], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        requirements_in({"project": project}, ["dev"], where="./app")

    assert (str(caught.value), caught.value.hint) == ("`./app` has no extra `dev`", hint)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"path": "../lib", "editable": True}, "lib[x] @ ../lib"),
        ({"path": "libs/lib"}, "lib[x] @ ./libs/lib"),
        ({"path": "/srv/lib"}, "lib[x] @ /srv/lib"),
        ({"git": "https://h.example/lib"}, "lib[x] @ git+https://h.example/lib"),
        (
            {"git": "https://h.example/lib", "tag": "v1", "subdirectory": "py"},
            "lib[x] @ git+https://h.example/lib@v1#subdirectory=py",
        ),
        ({"git": "lib.git"}, None),
        ({"workspace": True}, "lib[x] @ /srv/packages/lib"),
        ({"workspace": False}, None),
        ({"index": "own"}, None),
        ([{"path": "../lib", "marker": "os_name == 'posix'"}], "lib[x] @ ../lib"),
        ([], None),
        (None, None),
    ],
)
def test_a_source_of_uv_names_where_a_requirement_comes_from(source: object, expected: str | None) -> None:
    document = {"tool": {"uv": {"sources": {"Lib": source, "unused": {"path": "."}}}}}

    found = uv_sources(document, ["Lib[x]>=1", "other"], {"lib": "/srv/packages/lib"})

    assert found == ({"Lib[x]>=1": expected} if expected else {})


@pytest.mark.parametrize("document", [{}, {"tool": 1}, {"tool": {"uv": {"sources": 1}}}])
def test_a_project_without_sources_of_uv(document: dict[str, object]) -> None:
    assert uv_sources(document, ["lib"], {}) == {}


# --- Demands


METADATA = ProjectMetadata(
    name="app",
    version="1.0",
    requires=(
        "Demo<3",
        "demo>=1; extra == 'old'",
        "demo!=2; python_version < '3'",
        "demo[all]; extra == 'old'",
        "other==1",
    ),
)


@pytest.mark.parametrize(("extras", "expected"), [((), ["<3"]), (("old",), ["<3", ">=1"])])
def test_a_built_project_demands_what_holds_with_its_extras(
    extras: tuple[str, ...], expected: list[str]
) -> None:
    found = demands_of(METADATA, extras, "demo", HERE, of="`app`")

    assert [demand.specifier for demand in found] == expected
    assert found[0].reason == "`app` requires demo<3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Demo[x]<3", "<3"), ("demo", None), ("other<3", None)],
)
def test_a_line_demands_something_of_one_package(text: str, expected: str | None) -> None:
    found = demand_in(text, "demo", of="`r.txt`")

    assert found == (expected and Demand(of="`r.txt`", name="demo", specifier=expected))


def test_a_demand_admits_pre_releases() -> None:
    demand = Demand(of="`app`", name="demo", specifier=">=1,<3")

    assert [demand.admits(version) for version in ("0.9", "2.0rc1", "3.0")] == [False, True, False]


# --- Given projects


def a_project(*, is_built: bool = True, **more: object) -> GivenProject:
    file = ProbeFile(name="main.py", content=b"")
    project = OwnProject(name="app", given=".", path="/srv/app", content="00")
    return GivenProject(project=project, given=".", is_built=is_built, files=(file,), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (a_project(), "app"),
        (a_project(extras=("a", "b")), "app[a,b]"),
        (a_project(marker='os_name == "nt"'), 'app ; os_name == "nt"'),
    ],
)
def test_a_project_is_required_by_its_name(given: GivenProject, expected: str) -> None:
    assert given.requirement == expected


def test_only_a_project_that_is_not_built_has_its_files_copied() -> None:
    built, copied = a_project(), a_project(is_built=False)

    assert Wanted(own=(built,)).files == ()
    assert Wanted(own=(built, copied)).files == copied.files
