"""Texts out of source distributions: whatever somebody uploaded, nothing is written and nothing is raised."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bisect_asgi.backend.archive_texts import texts
from bisect_asgi.core.releases import changelog

Pack = Callable[[Mapping[str, bytes]], bytes]

TOO_LARGE = 2 * 1024 * 1024 + 1
FILES = {
    "demo-1.0/PKG-INFO": b"Name: demo\n",
    "demo-1.0/CHANGES.rst": b"1.0\n---\n\nfirst\n",
    "demo-1.0/docs/changelog.md": b"## 1.0\n\nsecond\n",
    "demo-1.0/src/demo.py": b"x = 1\n",
}


def tarred(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


PACKS: dict[str, Pack] = {
    "tar.gz": lambda files: gzip.compress(tarred(files), mtime=0),
    "tar.bz2": lambda files: bz2.compress(tarred(files)),
    "tar.xz": lambda files: lzma.compress(tarred(files)),
    "tar": tarred,
    "zip": zipped,
}


@pytest.fixture(params=list(PACKS))
def pack(request: pytest.FixtureRequest) -> Pack:
    return PACKS[request.param]


def test_what_is_chosen_comes_in_the_order_of_the_choice(pack: Pack) -> None:
    found = texts(pack(FILES), lambda paths: ["docs/changelog.md", "PKG-INFO"])

    assert found == ("## 1.0\n\nsecond\n", "Name: demo\n")


def test_paths_are_those_below_the_archives_folder(pack: Pack) -> None:
    offered: list[str] = []
    texts(pack({**FILES, "stray.txt": b""}), lambda paths: offered.extend(paths) or [])

    assert sorted(offered) == ["CHANGES.rst", "PKG-INFO", "docs/changelog.md", "src/demo.py", "stray.txt"]


def test_the_changelogs_of_a_release_are_found_in_it(pack: Pack) -> None:
    assert texts(pack(FILES), changelog.candidates) == ("1.0\n---\n\nfirst\n", "## 1.0\n\nsecond\n")


def test_what_is_no_utf_8_is_read_as_far_as_it_can_be(pack: Pack) -> None:
    (text,) = texts(pack({"demo-1.0/NEWS": b"1.0: caf\xe9, na\xc3\xafve\n"}), changelog.candidates)

    assert text == "1.0: caf\N{REPLACEMENT CHARACTER}, naïve\n"


def test_a_text_that_is_too_large_is_not_even_offered(pack: Pack) -> None:
    large = b"x" * TOO_LARGE
    files = {"demo-1.0/CHANGES": large, "demo-1.0/HISTORY": large[1:]}

    assert texts(pack(files), changelog.candidates) == ("x" * (TOO_LARGE - 1),)


def test_links_and_folders_of_an_archive_are_no_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not of the archive")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind in (
            ("CHANGES", tarfile.SYMTYPE),
            ("NEWS", tarfile.LNKTYPE),
            ("docs", tarfile.DIRTYPE),
        ):
            member = tarfile.TarInfo(f"demo-1.0/{name}")
            member.type, member.linkname = kind, str(secret)
            archive.addfile(member)
    offered: list[str] = []

    assert texts(buffer.getvalue(), lambda paths: offered.extend(paths) or list(offered)) == ()
    assert offered == []


def test_nothing_is_written_wherever_an_archives_paths_lead(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    texts(pack({"demo-1.0/../../CHANGES": b"up", "/CHANGES": b"down", **FILES}), tuple)

    assert list(tmp_path.rglob("*")) == [folder]


@given(st.binary(max_size=200))
@example(b"")
@example(b"<!DOCTYPE html><title>404</title>")
@example(b"PK\x05\x06" + bytes(18))
def test_what_is_no_archive_has_no_texts(content: bytes) -> None:
    assert texts(content, changelog.candidates) == ()


WHOLE = {name: make({**FILES, "demo-1.0/CHANGES": bytes(range(256)) * 40}) for name, make in PACKS.items()}


@given(st.sampled_from(list(PACKS)), st.floats(0, 1))
def test_an_archive_that_was_cut_off_is_passed_over(name: str, share: float) -> None:
    whole = WHOLE[name]

    found = texts(whole[: int(len(whole) * share)], changelog.candidates)

    assert set(found) <= set(texts(whole, changelog.candidates))


@given(st.sampled_from(list(PACKS)), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
@example("zip", 0.5, 1)
@example("tar.xz", 0.5, 1)
def test_an_archive_with_a_wrong_byte_in_it_raises_nothing(name: str, place: float, change: int) -> None:
    content = bytearray(WHOLE[name])
    content[int(len(content) * place)] ^= change

    assert all(isinstance(text, str) for text in texts(bytes(content), changelog.candidates))


def test_a_file_under_a_password_is_passed_over() -> None:
    content = bytearray(zipped({"demo-1.0/CHANGES": b"1.0\n"}))
    content[6] |= 1  # the flag in the file's own header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory

    assert texts(bytes(content), changelog.candidates) == ()
