"""Make an empty environment once for each interpreter, prove it, and copy it for each build.

A copy takes a few milliseconds and is a whole environment, because no file in it contains its own path.
Importing virtualenv takes as long as a short trial: it happens only if the interpreter has no template yet.

The distributions in an environment are read from its files. Asking its Python would take as long as running
many a probe. It is not needed, because a copy looks into its own directory, as was proved of its template.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.backend.environments import manifest as manifests
from bisect_asgi.backend.files import locked, remove, temporary_folder
from bisect_asgi.backend.process.helper import run_helper
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import NoResult, Unavailable
from bisect_asgi.core.model import Distribution, Interpreter

if TYPE_CHECKING:
    from importlib import metadata

_HOOK = Path(__file__).parent.parent / "in_candidate" / "bisect_asgi_inside.py"
_ASK = "import json, sys; print(json.dumps(sys.path))"
# virtualenv keeps its facts about interpreters in a dictionary of the process, which is not safe for threads.
_VIRTUALENV = threading.Lock()


class NotProved(NoResult):
    """The environment was built and is not what it says; nothing can be learnt from it."""


def site_packages(environment: Path) -> Path:
    """Return the directory where an environment's Python looks for what is installed."""
    return next(environment.glob("lib/python*/site-packages"))


class Templates:
    """Keeps one empty environment for each interpreter of this machine; safe for threads and processes.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound: set[str] = set()

    def import_ahead(self) -> None:
        """Start importing virtualenv in a thread if no template is kept, because a build will need one."""
        if not any(self._folder.glob("*/pyvenv.cfg")):
            threading.Thread(target=_import_virtualenv, name="virtualenv", daemon=True).start()

    def copy(self, interpreter: Interpreter, target: Path, token: CancelToken) -> None:
        """Make an empty environment in `target`, which does not exist yet.

        Raises:
            NotProved: the interpreter does not run in an environment.
            Unavailable: virtualenv cannot make one with it.
            Cancelled: the token was cancelled.
        """
        kept = self.make(interpreter, token)
        shutil.copytree(kept, target, symlinks=True, ignore=shutil.ignore_patterns(manifests.NAME))

    def make(self, interpreter: Interpreter, token: CancelToken) -> Path:
        """Return the template of an interpreter, which is made if there is no sound one; raises as `copy`."""
        kept = self._kept(interpreter)
        if not self._is_sound(kept):
            with locked(self._folder / f"{kept.name}.lock", waiting=token.check):
                if not self._is_sound(kept):
                    remove(kept)
                    self._make(kept, interpreter, token)
        return kept

    def has_any(self, interpreter: Interpreter) -> bool:
        """Return whether an interpreter has a template, sound or not."""
        return self._kept(interpreter).exists()

    def _kept(self, interpreter: Interpreter) -> Path:
        status = os.stat(interpreter.path)
        # The file's time and size are included, because another interpreter may be installed at the same
        # path.
        name = codec.digest(interpreter, status.st_mtime_ns, status.st_size, _HOOK.read_text())
        return self._folder / name

    def _is_sound(self, kept: Path) -> bool:
        """Return whether a template is what was made, which is checked once a command."""
        if kept.name not in self._sound and (loaded := manifests.load(kept)):
            manifest, is_recent = loaded
            if not manifest.check(every=not is_recent).changed:
                self._sound.add(kept.name)
        return kept.name in self._sound

    def _make(self, kept: Path, interpreter: Interpreter, token: CancelToken) -> None:
        aside = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            make_template(aside / "new", interpreter)
            _prove(aside / "new", token)
            manifests.compile_sources(aside / "new", [str(place_hook(aside / "new"))], token)
            manifests.of(aside / "new").save()
            (aside / "new").rename(kept)
        finally:
            remove(aside)


def make_template(folder: Path, interpreter: Interpreter) -> None:
    """Make an environment with nothing installed and no scripts for shells, which may be moved.

    Raises:
        Unavailable: virtualenv cannot make one with this interpreter.
    """
    try:
        _run_virtualenv(folder, interpreter)
    except OSError:  # a fault of the disk, not of the interpreter
        raise
    except (Exception, SystemExit) as error:  # which ones it raises is not documented
        raise Unavailable(
            f"virtualenv cannot make an environment with `{interpreter.path}`: {error}",
            hint="pass another `--python`",
        ) from error
    # virtualenv's patch of distutils is for installing from inside, which nobody does here. Environments of
    # Pythons older than 3.10 have it, and on those older than 3.8 it does not compile.
    for patch in folder.glob("lib/python*/site-packages/_virtualenv.*"):
        patch.unlink()


def place_hook(folder: Path) -> Path:
    """Place what reports from inside a run into an environment; return its path below the directory."""
    site = site_packages(folder)
    shutil.copy(_HOOK, site)
    # `.pth` files are read in the order of their names: this one is first, before other modules are imported.
    line = f'import os; "BISECT_ASGI_REPORT" in os.environ and __import__("{_HOOK.stem}")\n'
    (site / f"__{_HOOK.stem}.pth").write_text(line)
    return (site / _HOOK.name).relative_to(folder)


def _run_virtualenv(folder: Path, interpreter: Interpreter) -> None:
    with _VIRTUALENV, temporary_folder() as data:
        import virtualenv

        session = virtualenv.session_via_cli(
            [
                *(str(folder), "--python", interpreter.path, "--no-seed", "--activators", ""),
                *("--no-vcs-ignore", "--app-data", str(data)),
            ],
            setup_logging=False,
            # The user's variables and configuration of virtualenv may ask for more, such as system packages.
            env={"PATH": os.defpath, "VIRTUALENV_CONFIG_FILE": os.devnull},
        )
        with session:
            session.run()
            # With this, uv writes scripts that find their interpreter next to them instead of by its path.
            session.creator.pyenv_cfg["relocatable"] = "true"
            session.creator.pyenv_cfg.write()


def _import_virtualenv() -> None:
    with _VIRTUALENV:
        import virtualenv  # noqa: F401


def _prove(folder: Path, token: CancelToken) -> None:
    """Check that the environment's Python imports from its own directory.

    Raises:
        NotProved: it imports from elsewhere, or does not run.
        Cancelled: the token was cancelled.
    """
    asked = run_helper(
        [str(folder / "bin" / "python"), "-I", "-c", _ASK], environ={"PATH": os.defpath}, token=token
    )
    if asked.exit_code != 0:
        raise NotProved(f"its Python does not run: {asked.stderr.strip().rpartition(chr(10))[2]}")
    looks = [os.path.realpath(entry) for entry in json.loads(asked.stdout)]
    if os.path.realpath(site_packages(folder)) not in looks:
        raise NotProved("its Python does not look into it")


def installed(environment: Path) -> tuple[Distribution, ...]:
    """Return the environment's distributions in the order of their names.

    Raises:
        NotProved: the metadata of one of them has no name or no version.
    """
    from importlib import metadata

    found = map(_read, metadata.distributions(path=[str(site_packages(environment))]))
    return tuple(sorted(found, key=lambda distribution: distribution.name))


def _read(distribution: metadata.Distribution) -> Distribution:
    from email.parser import HeaderParser

    text = _metadata(distribution)
    headers = HeaderParser().parsestr(text.partition("\n\n")[0])  # without the description, which may be long
    name, version = headers["Name"], headers["Version"]
    if not name or not version:
        raise NotProved(f"`{getattr(distribution, '_path', distribution)}` does not say what it is")
    return Distribution(name=canonicalize_name(name), version=version)


def _metadata(distribution: metadata.Distribution) -> str:
    try:
        return distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except UnicodeDecodeError:  # an old release may have its authors in Latin-1
        folder = Path(str(getattr(distribution, "_path", "")))
        found = (path for name in ("METADATA", "PKG-INFO") if (path := folder / name).is_file())
        return next(found).read_bytes().decode("utf-8", "replace")


def prove(distributions: tuple[Distribution, ...], wanted: Distribution | None) -> None:
    """Check that the wanted distribution is installed; None stands for no check.

    Raises:
        NotProved: it is missing, or has another version.
    """
    if wanted is None:
        return
    found = next((d.version for d in distributions if d.name == wanted.name), None)
    if found is None:
        raise NotProved(f"`{wanted}` was installed, and its Python does not see it")
    try:
        same = Version(found) == Version(wanted.version)
    except InvalidVersion:
        same = found == wanted.version
    if not same:
        raise NotProved(f"`{wanted}` was installed, and its metadata says {found}")
