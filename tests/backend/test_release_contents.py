"""Releases are installed by real uv from a local index, and read: metadata, files, and what these hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import tenacity
from hypothesis import given, settings
from hypothesis import strategies as st
from support.environments import THIS_PYTHON
from support.local_index import LocalIndex, publish_build_backend
from support.mutations import mutated

from bisect_asgi.backend.network.configured import configured_indexes
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.release_contents import ContentsCache, is_generated, is_whole, read_fields, read_file
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Cancelled, Unavailable, Unresolvable
from bisect_asgi.core.model import Distribution
from bisect_asgi.core.release_diff import Contents, FileKind
from bisect_asgi.core.releases.diff import compare

reproducible = settings(derandomize=True, deadline=None, max_examples=100)

DEMO = Distribution(name="demo", version="1.0")

Get = Callable[..., Contents]


@pytest.fixture
def cache(
    local_index: LocalIndex, tmp_path: Path, uv_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> ContentsCache:
    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_none())
    uv = Uv(tmp_path / "uv", Indexes(urls=(local_index.url,)))
    uv._environ["UV_HTTP_RETRIES"] = "0"
    return ContentsCache(tmp_path / "contents", uv)


@pytest.fixture
def get(cache: ContentsCache) -> Get:
    def contents(version: str = "1.0", *, name: str = "demo", token: CancelToken | None = None) -> Contents:
        return cache.contents(Distribution(name=name, version=version), THIS_PYTHON, token or CancelToken())

    return contents


def paths(contents: Contents) -> list[str]:
    return [file.path for file in contents.files]


# --- Getting them


def test_a_wheel_is_read_with_its_requirements_and_without_what_it_requires(
    local_index: LocalIndex, get: Get
) -> None:
    local_index.add_wheel(
        "demo",
        "1.0",
        requires=["missing>=3"],
        requires_python=">=3.6",
        modules={"demo/__init__.py": "", "demo/app.py": "x = 1\n", "demo/data.txt": "data"},
    )

    found = get()

    assert paths(found) == ["demo/__init__.py", "demo/app.py", "demo/data.txt"]
    assert [file.text for file in found.files] == ["", "x = 1\n", "data"]
    assert (found.metadata.name, found.metadata.version) == ("demo", "1.0")
    assert found.metadata.requires == ("missing>=3",)
    assert found.metadata.requires_python == ">=3.6"


def test_metadata_scripts_and_bytecode_are_no_content(local_index: LocalIndex, get: Get) -> None:
    local_index.add_wheel(
        "demo",
        "1.0",
        modules={
            "demo.py": "def main(): ...\n",
            "demo.pyc": "x",
            "package/__pycache__/a.txt": "x",
            "package/bin/tool.py": "",
            "package/vendored-1.0.dist-info/METADATA": "Name: vendored\n",
            "package/vendored-1.0.dist-info/RECORD": "",
        },
        entry_points={"demo": "demo:main"},
    )

    assert paths(get()) == ["demo.py", "package/bin/tool.py", "package/vendored-1.0.dist-info/METADATA"]


def test_a_source_distribution_is_built_and_read_as_it_is_installed(
    local_index: LocalIndex, get: Get
) -> None:
    publish_build_backend(local_index, "1.0")
    local_index.add_sdist("demo", "1.0", requires=["dep"], modules={"demo/__init__.py": "x = 1\n"})

    found = get()

    assert paths(found) == ["demo/__init__.py"]
    assert found.metadata.requires == ("dep",)


def test_two_releases_are_compared_as_they_are_installed(local_index: LocalIndex, get: Get) -> None:
    local_index.add_wheel("demo", "1.0", requires=["dep==1"], modules={"demo.py": "x = 1\n"})
    local_index.add_wheel("demo", "1.1rc1", requires=["dep==2"], modules={"demo.py": "x = 2\n"})

    found = compare(get("1.0"), get("1.1rc1"))

    assert [str(change) for change in found.requirements] == ["dep ==1 → ==2"]
    assert [(file.path, file.added, file.removed) for file in found.files] == [("demo.py", 1, 1)]


def test_a_release_is_got_once(local_index: LocalIndex, get: Get) -> None:
    local_index.add_wheel("demo", "1.0")
    first = get()
    local_index.down = True

    assert get() == first


def test_a_folder_that_a_killed_run_left_is_no_obstacle(
    local_index: LocalIndex, get: Get, tmp_path: Path
) -> None:
    local_index.add_wheel("demo", "1.0", modules={"demo.py": "x = 1\n"})
    get()
    (home,) = (path for path in (tmp_path / "contents").iterdir() if path.is_dir())
    part = home.rename(home.with_suffix(".part"))
    (part / "half.py").write_text("")

    assert paths(get()) == ["demo.py"]
    assert not part.exists()


def test_nothing_is_left_of_a_release_that_could_not_be_had(
    local_index: LocalIndex, get: Get, tmp_path: Path
) -> None:
    local_index.add_wheel("demo", "1.0")
    local_index.down = True
    with pytest.raises(Unavailable):
        get()
    left = [path.name for path in (tmp_path / "contents").iterdir() if path.is_dir()]
    local_index.down = False

    assert left == []
    assert paths(get()) == ["demo.py"]


@pytest.mark.parametrize("size", [0, 3])
def test_a_tree_that_a_power_cut_has_damaged_is_got_anew(
    local_index: LocalIndex, get: Get, tmp_path: Path, size: int
) -> None:
    local_index.add_wheel("demo", "1.0")
    whole = get()
    (damaged,) = (tmp_path / "contents").glob("*/demo.py")
    os.truncate(damaged, size)

    assert get() == whole


def test_a_release_that_is_not_there_is_said_so(local_index: LocalIndex, get: Get) -> None:
    local_index.add_wheel("demo", "1.0")

    with pytest.raises(Unresolvable, match="demo==9"):
        get("9.0")


def test_a_release_that_cannot_be_built_is_said_so(local_index: LocalIndex, get: Get) -> None:
    publish_build_backend(local_index, "1.0", works=False)
    local_index.add_sdist("demo", "1.0")

    with pytest.raises(BuildFailed, match="minibuild is too old"):
        get()


def test_what_was_cancelled_is_not_got(local_index: LocalIndex, get: Get) -> None:
    local_index.add_wheel("demo", "1.0")
    token = CancelToken()
    token.cancel()

    with pytest.raises(Cancelled):
        get(token=token)


def test_a_folder_that_cannot_be_written_is_said_with_its_path(cache: ContentsCache, tmp_path: Path) -> None:
    (tmp_path / "contents").write_text("in the way")

    with pytest.raises(Unavailable) as caught:
        cache.contents(DEMO, THIS_PYTHON, CancelToken())

    assert str(caught.value) == (f"a lock cannot be written: `{tmp_path / 'contents'}` (File exists)")
    assert (
        caught.value.hint
        == "free some disk space, make the directory writable, or set `BISECT_ASGI_CACHE_DIR` to another one"
    )


# --- What a file holds


@pytest.mark.parametrize(
    ("path", "content", "kind", "text"),
    [
        pytest.param("a.py", b"x = 1\n", FileKind.TEXT, "x = 1\n", id="text"),
        pytest.param("a.py", b"", FileKind.TEXT, "", id="empty"),
        pytest.param("a.py", "é\r\n".encode(), FileKind.TEXT, "é\r\n", id="utf-8"),
        pytest.param("a.py", b"\xef\xbb\xbfx", FileKind.TEXT, "x", id="with-a-mark-of-its-encoding"),
        pytest.param("a.py", "é".encode("latin-1"), FileKind.BINARY, None, id="latin-1"),
        pytest.param("a.so", b"\x7fELF\0", FileKind.BINARY, None, id="binary"),
        pytest.param("a.txt", b"x" * 1024 * 1024, FileKind.TEXT, "x" * 1024 * 1024, id="as-large-as-may-be"),
        pytest.param("a.txt", b"x" * (1024 * 1024 + 1), FileKind.LARGE, None, id="large"),
        pytest.param("a.c", b"/* Generated by Cython 0.29 */\n", FileKind.GENERATED, None, id="generated"),
        pytest.param("a.map", b"x" * (1024 * 1024 + 1), FileKind.GENERATED, None, id="generated-and-large"),
    ],
)
def test_a_file_keeps_its_text_where_it_has_one(
    path: str, content: bytes, kind: FileKind, text: str | None
) -> None:
    found = read_file(path, content)

    assert (found.kind, found.text, found.size_bytes) == (kind, text, len(content))
    assert found.digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("a.c", "/* Generated by Cython 0.29.24 */\nx\n", id="cython"),
        pytest.param(
            "a_pb2.py",
            "# -*- coding: utf-8 -*-\n# Generated by the protocol buffer compiler.\n",
            id="protobuf",
        ),
        pytest.param("a.py", "# DO NOT EDIT\n", id="do-not-edit"),
        pytest.param("a.py", "#!/usr/bin/python\n# @generated\n", id="at-generated"),
        pytest.param(
            "_version.py", "# coding: utf-8\n# file generated by setuptools_scm\n", id="version-file"
        ),
        pytest.param("a.py", '"""This file is automatically generated."""\n', id="docstring"),
        pytest.param("a.html", "<!-- Auto-generated, sorry -->\n", id="mark-up"),
        pytest.param("a.go", "// Code autogenerated\n", id="slashes"),
        pytest.param("static/app.min.js", "x\n", id="minified-by-name"),
        pytest.param("static/app.js", "x" * 600, id="minified-by-its-lines"),
        pytest.param("static/app.css.map", "{}\n", id="source-map"),
        pytest.param("poetry.lock", "\n", id="lock-file"),
        pytest.param("web/package-lock.json", "{}\n", id="lock-file-of-another-name"),
    ],
)
def test_a_generated_file_is_known(path: str, text: str) -> None:
    assert is_generated(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("a.py", "x = 1\n", id="code"),
        pytest.param("a.py", "HEADER = 'DO NOT EDIT'\n", id="no-comment"),
        pytest.param("a.py", "# The schema is generated by the app\n", id="of-something-else"),
        pytest.param("a.py", "\n" * 10 + "# DO NOT EDIT\n", id="too-far-down"),
        pytest.param("a.js", "function f() {\n}\n", id="script"),
        pytest.param("a.txt", "x" * 600, id="long-lines-of-text"),
        pytest.param("locks.py", "import fcntl\n", id="locks"),
        pytest.param("map.py", "\n", id="map"),
    ],
)
def test_a_file_that_somebody_wrote_is_not_taken_for_generated(path: str, text: str) -> None:
    assert not is_generated(path, text)


# --- Metadata of any age


def test_metadata_is_read_as_it_was_written() -> None:
    found = read_fields(
        b"Metadata-Version: 2.1\nName: Demo\nVersion: 1.0.0\nSummary: A demo.\nHome-page: https://example.org\n"
        b"Download-URL: UNKNOWN\nRequires-Python: >=3.6\n"
        b"Requires-Dist: a (>=1)\nProvides-Extra: x\nRequires-Dist: b ; extra == 'x'\nProvides-Extra: y\n"
        b"Project-URL: Changes, https://example.org/changes?a,b\nProject-URL: https://example.org/no-label\n"
        b"\n# Demo\n\nWhat it is.\n",
        DEMO,
    )

    assert (found.name, found.version, found.summary) == ("demo", "1.0", "A demo.")
    assert found.requires == ("a (>=1)", "b ; extra == 'x'")
    assert found.extras == ("x", "y")
    assert found.requires_python == ">=3.6"
    assert found.urls == (
        ("Changes", "https://example.org/changes?a,b"),
        ("", "https://example.org/no-label"),
    )
    assert (found.home_page, found.download_url) == ("https://example.org", None)
    assert found.description == "# Demo\n\nWhat it is.\n"


def test_an_old_description_in_the_header_is_put_back_to_the_left() -> None:
    description = b"Description: Demo\n        ====\n        \n            code\n        1.0\n"

    found = read_fields(b"Name: demo\n" + description + b"Platform: any\n", DEMO)

    assert found.description == "Demo\n====\n\n    code\n1.0"


def test_a_description_in_the_header_may_have_bars() -> None:
    found = read_fields(b"Name: demo\nDescription: Demo\n       |====\n", DEMO)

    assert found.description == "Demo\n===="


def test_what_is_no_utf_8_and_what_is_missing_does_no_harm() -> None:
    found = read_fields("Summary: caf\xe9\n".encode("latin-1"), DEMO)

    assert (found.summary, found.requires, found.requires_python) == ("caf\ufffd", (), None)
    assert found.description == ""


@reproducible
@given(
    st.binary(max_size=100)
    | st.lists(
        st.sampled_from(
            [
                b"Description: x",
                b"Project-URL: ,",
                b"Requires-Dist:",
                b"",
                b" x",
                b":",
                b"Content-Type: multipart/x",
            ]
        )
    ).map(b"\n".join)
)
def test_malformed_metadata_is_read_all_the_same(content: bytes) -> None:
    found = read_fields(content, DEMO)

    assert (found.name, found.version) == ("demo", "1.0")
    assert all(isinstance(text, str) for text in (found.summary, found.description, *found.requires))


# --- The real index


@pytest.mark.network
def test_what_made_fastapi_0_69_0_bring_anyio(tmp_path: Path) -> None:
    cache = ContentsCache(tmp_path / "contents", Uv(tmp_path / "uv", configured_indexes()))
    old, new = (
        cache.contents(Distribution(name="fastapi", version=version), THIS_PYTHON, CancelToken())
        for version in ("0.68.2", "0.69.0")
    )

    # Its release notes of 0.69.0: "Upgrade Starlette to 0.15.0".
    assert "starlette ==0.14.2 → ==0.15.0" in [str(change) for change in compare(old, new).requirements]


METADATA = b"""Metadata-Version: 2.1
Name: demo
Version: 1.0
Summary: a demonstration
Home-page: https://example.org
Project-URL: Changelog, https://example.org/changes
Requires-Dist: dep>=1; python_version < "3.9"
Provides-Extra: all
Description: one
        two
Content-Type: multipart/mixed; boundary=x

--x
The description.
"""


@given(mutated(METADATA) | st.binary(max_size=200))
def test_damaged_metadata_is_taken_as_it_is(content: bytes) -> None:
    found = read_fields(content, Distribution(name="demo", version="1.0"))

    assert (found.name, found.version) == ("demo", "1.0")
    assert all(isinstance(text, str) for text in (*found.requires, *found.extras, found.description))
    assert codec.from_json(codec.to_json(found), type(found)) == found


RECORD = b"""demo.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
"demo/a, b.py",sha256=1xWHlbd0qOA4vvnIn9cRWpbRfbbRq1pm5WOTbXuqJ4c,12
demo-1.0.dist-info/RECORD,,
"""


@given(mutated(RECORD))
def test_a_tree_with_a_damaged_record_is_whole_or_not(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    home = tmp_path_factory.mktemp("tree")
    (home / "demo-1.0.dist-info").mkdir()
    (home / "demo-1.0.dist-info/RECORD").write_bytes(content)
    (home / "demo.py").write_bytes(b"")

    assert is_whole(home) in (True, False)
