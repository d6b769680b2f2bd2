"""Every change of an environment's files is found, and the changes that matter to nobody are set back."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.reads import Reads

from bisect_asgi.backend import interpreters
from bisect_asgi.backend.environments import manifest as manifests
from bisect_asgi.backend.environments.manifest import Findings, Manifest
from bisect_asgi.core.cancel import CancelToken

SITE = "lib/python3/site-packages"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An environment with two modules, one of which another environment shares."""
    made = tmp_path / "environment"
    (made / SITE / "demo").mkdir(parents=True)
    (made / "bin").mkdir()
    (made / "bin" / "python").symlink_to(sys.executable)
    module = made / SITE / "demo" / "core.py"
    module.write_text("x = 1\n")
    module.with_name("__init__.py").touch()
    os.link(module, tmp_path / "shared.py")
    return made


@pytest.fixture
def manifest(folder: Path) -> Manifest:
    made = manifests.of(folder)
    made.save()
    return made


def module(folder: Path) -> Path:
    return folder / SITE / "demo" / "core.py"


def written(folder: Path) -> None:
    module(folder).chmod(0o644)
    module(folder).write_text("x = 2\n")


def replaced(folder: Path) -> None:
    module(folder).unlink()
    module(folder).write_text("x = 2\n")


def made_a_fifo(folder: Path) -> None:
    module(folder).unlink()
    os.mkfifo(module(folder))


def made_a_link(folder: Path) -> None:
    module(folder).rename(folder.parent / "elsewhere.py")
    module(folder).symlink_to(folder.parent / "elsewhere.py")


def removed(folder: Path) -> None:
    module(folder).unlink()


def without_rights(folder: Path) -> None:
    module(folder).chmod(0o200)


CHANGES = [written, replaced, made_a_fifo, made_a_link, removed, without_rights]


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_found(
    folder: Path, manifest: Manifest, change: Callable[[Path], None], every: bool
) -> None:
    assert manifest.check() == Findings()

    change(folder)

    name = f"{SITE}/demo/core.py"
    is_shared = change in (written, without_rights)
    assert manifest.check(every=every) == Findings((name,), (name,) if is_shared else ())


@pytest.mark.parametrize(
    "name", ["new.py", f"{SITE}/sitecustomize.py", f"{SITE}/empty/", "bin/tool", f"{SITE}/demo/data/x.json"]
)
def test_what_is_new_is_found(folder: Path, manifest: Manifest, name: str) -> None:
    manifest.check()
    path = folder / name
    if name.endswith("/"):
        path.mkdir()
    else:
        path.parent.mkdir(exist_ok=True)
        path.touch()

    assert manifest.check() == Findings((name,))


def test_rights_and_times_without_another_content_are_set_back(folder: Path, manifest: Manifest) -> None:
    before = module(folder).stat()
    module(folder).chmod(0o755)
    os.utime(module(folder), (1, 1))

    found = manifest.check()

    after = module(folder).stat()
    assert found == Findings()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_another_hard_link_is_no_change(folder: Path, manifest: Manifest, tmp_path: Path) -> None:
    os.link(module(folder), tmp_path / "lent.py")

    assert manifest.check() == Findings()


def test_the_time_of_a_link_that_another_environment_has_made_can_be_saved(
    folder: Path, manifest: Manifest, reads: Reads, tmp_path: Path
) -> None:
    manifest.check()
    manifest.save(anew=True)
    other = tmp_path / "other"
    other.mkdir()
    os.link(module(folder), other / "core.py")
    manifests.of(other)  # this process has read the content

    reads.contents = 0
    assert manifest.check() == Findings()
    assert reads.contents == 0
    assert not manifest.are_times_saved
    manifest.save(anew=True)
    assert manifest.are_times_saved

    manifests._READ.clear()
    loaded, _ = manifests.load(folder) or pytest.fail("it was saved")
    assert loaded.check() == Findings()
    assert reads.contents == 0


def test_what_python_compiles_is_compiled_again_from_what_was_built(folder: Path, manifest: Manifest) -> None:
    cache = module(folder).parent / "__pycache__"
    cache.mkdir()
    planted = cache / f"core.{sys.implementation.cache_tag}.pyc"
    planted.write_bytes(b"planted")
    (cache / "left.pyc.123").touch()

    found = manifest.check()
    manifest.compile(found.compiled, (), CancelToken())

    assert set(found.compiled) == {f"{SITE}/demo/__pycache__/{n}" for n in (planted.name, "left.pyc.123")}
    assert found.changed == ()
    assert [path.name for path in cache.iterdir()] == [planted.name]
    assert planted.read_bytes() != b"planted"
    assert manifest.check() == Findings()
    planted.chmod(0o644)
    planted.write_bytes(b"planted")
    assert manifest.check().changed == (f"{SITE}/demo/__pycache__/{planted.name}",)


@pytest.fixture
def compiled(folder: Path, manifest: Manifest) -> Path:
    """The byte-code of a module, as it was compiled."""
    manifest.compile((), [str(module(folder))], CancelToken())
    return module(folder).with_name("__pycache__") / f"core.{sys.implementation.cache_tag}.pyc"


@pytest.mark.parametrize("is_there", [False, True])
def test_byte_code_that_was_written_anew_or_removed_is_compiled_again(
    folder: Path, manifest: Manifest, compiled: Path, is_there: bool
) -> None:
    before = compiled.read_bytes()
    if is_there:  # as Python writes it
        (folder / "half").write_bytes(b"planted")
        (folder / "half").replace(compiled)
    else:
        compiled.unlink()

    found = manifest.check()
    manifest.compile(found.compiled, (), CancelToken())

    assert found == Findings(compiled=(str(compiled.relative_to(folder)),))
    assert compiled.read_bytes() == before
    assert manifest.check() == Findings()


def test_byte_code_that_another_environment_shares_is_changed(
    folder: Path, manifest: Manifest, compiled: Path, tmp_path: Path
) -> None:
    os.link(compiled, tmp_path / "lent.pyc")
    compiled.chmod(0o644)
    compiled.write_bytes(b"planted")

    name = str(compiled.relative_to(folder))
    assert manifest.check() == Findings((name,), (name,))


def test_a_source_gives_the_same_byte_code_on_every_python(folder: Path, interpreters_cache: Path) -> None:
    names = ", ".join(f"'name_{number}'" for number in range(50))
    module(folder).write_text(f"def is_known(name):\n    return name in {{{names}}}\n")
    pythons = [usable.interpreter.path for usable in interpreters.find_all(interpreters_cache)]

    for python in pythons:
        (folder / "bin" / "python").unlink()
        (folder / "bin" / "python").symlink_to(python)
        made = set()
        for _ in range(3):
            manifests.compile_sources(folder, [f"{SITE}/demo/core.py"], CancelToken())
            (path,) = module(folder).with_name("__pycache__").iterdir()
            made.add(path.read_bytes())
            path.unlink()
        assert len(made) == 1, python


def test_nothing_is_imported_from_where_the_user_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "_codecs_jp.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    module(folder).write_text("# coding: shift_jis\n")  # Python imports this module for it
    monkeypatch.chdir(elsewhere)

    manifests.compile_sources(folder, [f"{SITE}/demo/core.py"], CancelToken())

    assert list(module(folder).with_name("__pycache__").iterdir())
    assert not (tmp_path / "ran").exists()


def test_a_source_with_an_error_keeps_no_other_from_being_compiled(folder: Path) -> None:
    site = folder / SITE / "demo"
    (site / "aaa.py").write_text("def (\n")
    names = [f"{SITE}/demo/{name}.py" for name in ("aaa", "not_there", "core")]

    manifests.compile_sources(folder, names, CancelToken())

    assert [path.name for path in (site / "__pycache__").iterdir()] == [
        f"core.{sys.implementation.cache_tag}.pyc"
    ]


def test_what_is_saved_is_loaded_and_was_written_since_the_machine_started(
    folder: Path, manifest: Manifest
) -> None:
    loaded = manifests.load(folder)

    assert loaded is not None
    assert loaded[0].files == manifest.files
    assert loaded[1]
    assert loaded[0].check() == Findings()


def test_after_a_restart_what_the_disk_has_lost_is_found(folder: Path, manifest: Manifest) -> None:
    """Its size and times are those of before: the names were on the disk, and the content was not."""
    written(folder)
    name = f"{SITE}/demo/core.py"
    status = os.lstat(module(folder))
    lost = manifests.File(manifest.files[name].digest, status.st_size, status.st_mode, 0, status.st_ctime_ns)
    Manifest(folder, {**manifest.files, name: lost}).save(anew=True)
    os.utime(folder / manifests.NAME, (1, 1))

    loaded = manifests.load(folder)

    assert loaded is not None
    found, is_recent = loaded
    assert not is_recent
    assert found.check() == Findings()
    assert found.check(every=not is_recent).changed == (name,)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"a": 1}', None])
def test_a_damaged_manifest_is_none(folder: Path, content: bytes | None) -> None:
    path = folder / manifests.NAME
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    assert manifests.load(folder) is None


def test_only_what_is_as_it_was_built_is_lent(folder: Path, manifest: Manifest, tmp_path: Path) -> None:
    name = f"{SITE}/demo/core.py"
    target = tmp_path / "other"
    target.mkdir()

    lent = manifest.link(name, target)
    (target / name).unlink()
    written(folder)

    assert lent is not None
    assert lent.digest == manifest.files[name].digest
    assert manifest.link(name, target) is None
    assert manifest.link("no such file", target) is None
    assert not (target / name).exists()


# --- Contents that are read once


def another(folder: Path, name: str) -> Manifest:
    """The manifest of another environment that shares all files."""
    shutil.copytree(folder, folder.with_name(name), symlinks=True, copy_function=os.link)
    return manifests.of(folder.with_name(name))


def test_a_file_that_environments_share_is_read_once_for_all_of_them(
    folder: Path, manifest: Manifest, reads: Reads, tmp_path: Path
) -> None:
    others = [another(folder, name) for name in ("one", "two")]
    os.link(module(folder), tmp_path / "lent.py")
    reads.contents = 0

    found = [each.check() for each in (manifest, *others)]

    assert found == [Findings()] * 3
    assert reads.contents <= 2  # both modules of one environment


def test_an_edit_in_place_is_found_in_each_environment_that_shares_the_file(
    folder: Path, manifest: Manifest, reads: Reads
) -> None:
    other = another(folder, "one")
    checked = [manifest.check(), other.check()]

    written(folder)

    name = f"{SITE}/demo/core.py"
    assert checked == [Findings()] * 2
    assert [manifest.check(), other.check()] == [Findings((name,), (name,))] * 2


def test_an_edit_that_sets_size_and_time_back_is_found_too(
    folder: Path, manifest: Manifest, reads: Reads
) -> None:
    manifest.check()
    before = module(folder).stat()
    written(folder)
    module(folder).chmod(before.st_mode & 0o777)
    os.utime(module(folder), ns=(before.st_atime_ns, before.st_mtime_ns))

    assert manifest.check().changed == (f"{SITE}/demo/core.py",)


def test_who_wants_every_content_read_gets_it_read(folder: Path, manifest: Manifest, reads: Reads) -> None:
    manifest.check(every=True)
    first = reads.contents
    manifest.check(every=True)

    assert first == 2
    assert reads.contents == 4


def test_a_content_that_was_read_in_the_moment_of_its_change_is_read_again(
    folder: Path, manifest: Manifest, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within that moment it may change once more, and nothing shows it."""
    monkeypatch.setattr(manifests, "_MOMENT_NS", 10**15)
    os.link(module(folder), folder.with_name("lent.py"))
    other = another(folder, "one")
    reads.contents = 0

    manifest.check()
    other.check()

    assert manifests._READ == {}


def test_a_link_to_a_file_makes_no_folder_be_listed_again(
    folder: Path, manifest: Manifest, reads: Reads, tmp_path: Path
) -> None:
    other = another(folder, "one")
    (tmp_path / "target").mkdir()
    manifest.check()
    other.check()
    reads.contents = reads.folders = 0

    lent = manifest.link(f"{SITE}/demo/core.py", tmp_path / "target")

    assert lent is not None
    assert [manifest.check(), other.check()] == [Findings()] * 2
    assert (reads.contents, reads.folders) == (0, 0)


def compared_again(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest that the next command reads, after this one has compared and saved it."""
    assert manifest.check() == Findings()
    manifest.save()
    loaded = manifests.load(folder)
    assert loaded is not None
    return loaded[0]


def test_the_next_command_lists_only_what_has_changed_since(
    folder: Path, manifest: Manifest, reads: Reads
) -> None:
    other = compared_again(folder, compared_again(folder, manifest))
    reads.contents = reads.folders = 0

    assert other.check() == Findings()
    assert (reads.contents, reads.folders) == (0, 1)  # of the environment itself, where the manifest is
    assert other.is_saved


@pytest.mark.parametrize("name", ["new.py", "bin/tool", f"{SITE}/demo/other.py", f"{SITE}/empty/"])
def test_what_is_new_since_the_last_command_is_found(
    folder: Path, manifest: Manifest, reads: Reads, name: str
) -> None:
    other = compared_again(folder, manifest)
    (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()

    assert other.check() == Findings((name,))


def test_a_folder_that_was_compared_in_the_moment_of_its_change_is_listed_again(
    folder: Path, manifest: Manifest, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "_MOMENT_NS", 10**15)
    other = compared_again(folder, manifest)
    monkeypatch.setattr(manifests, "_MOMENT_NS", -1)
    reads.folders = 0

    assert other.check() == Findings()
    assert reads.folders == len({path.parent for path in folder.rglob("*")})


def test_other_rights_are_set_back_in_a_file_that_was_read_elsewhere(
    folder: Path, manifest: Manifest, reads: Reads
) -> None:
    other = another(folder, "one")
    manifest.check()
    mode = module(folder).stat().st_mode
    module(folder).chmod(0o755)

    found = [other.check(), manifest.check()]

    assert found == [Findings()] * 2
    assert module(folder).stat().st_mode == mode


def test_memory_of_contents_has_an_end(
    folder: Path, manifest: Manifest, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "_MOST_READ", 1)

    manifest.check(every=True)

    assert len(manifests._READ) == 1


def test_what_the_tool_writes_into_an_environment_makes_only_that_folder_be_listed(
    folder: Path, manifest: Manifest, reads: Reads
) -> None:
    manifest.check()
    manifest.save(anew=True)
    reads.folders = 0

    found = [manifest.check(), manifest.check()]

    assert found == [Findings()] * 2
    assert reads.folders == 1


@pytest.mark.parametrize("kind", ["file", "folder", "link-to-a-folder", "swapped"])
def test_what_is_new_beside_what_the_tool_writes_is_found(
    folder: Path, manifest: Manifest, reads: Reads, kind: str
) -> None:
    manifest.check()
    manifest.save(anew=True)
    if kind == "file":
        (folder / "new.py").touch()
    elif kind == "folder":
        (folder / "new").mkdir()
    elif kind == "link-to-a-folder":
        (folder / "new").symlink_to(folder.parent)
    else:  # another folder in the place of one, with the same names and contents in its files
        shutil.copytree(folder / "lib", folder.parent / "copy", symlinks=True)
        (folder / "lib").rename(folder.parent / "old")
        (folder.parent / "copy").rename(folder / "lib")
        (folder / SITE / "demo" / "new.py").touch()

    new = {"file": "new.py", "folder": "new/", "link-to-a-folder": "new", "swapped": f"{SITE}/demo/new.py"}
    assert new[kind] in manifest.check().changed


def test_an_empty_folder_that_was_built_may_stay_empty(folder: Path, reads: Reads) -> None:
    (folder / "empty" / "inside").mkdir(parents=True)
    manifest = manifests.of(folder)
    manifest.save()
    checked = manifest.check()
    os.utime(folder / "empty")
    os.utime(folder / "empty" / "inside")

    assert [checked, manifest.check()] == [Findings()] * 2
