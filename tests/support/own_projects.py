"""Projects of a user's, laid out in a directory; what builds them lies in the directory itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

# It has to run on Python 3.6 and later. If the project has no version, it takes one from git.
BACKEND = '''\
"""Packs the modules of the folder; name, version and requirements are those of metadata.json."""
import json, os, subprocess, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    with open("metadata.json") as stream:
        said = json.load(stream)
    if said.get("fails"):
        raise RuntimeError(said["fails"])
    version = said["version"]
    if version is None:
        asked = subprocess.run(["git", "describe", "--tags"], stdout=subprocess.PIPE, check=True)
        version = asked.stdout.decode().strip().lstrip("v").replace("-", "+", 1).replace("-", ".")
    stem = said["name"].replace("-", "_") + "-" + version
    lines = ["Metadata-Version: 2.1", "Name: " + said["name"], "Version: " + version]
    lines += ["Provides-Extra: " + extra for extra in said.get("extras", [])]
    lines += ["Requires-Dist: " + line for line in said["requires"]]
    info = stem + ".dist-info/"
    with zipfile.ZipFile(os.path.join(folder, stem + "-py3-none-any.whl"), "w") as archive:
        for name in sorted(os.listdir(".")):
            if name.endswith(".py") and name != "backend.py":
                archive.write(name)
        archive.writestr(info + "METADATA", "\\n".join(lines) + "\\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "RECORD", "")
    return stem + "-py3-none-any.whl"
'''


def lay_out(
    folder: Path,
    name: str = "shop",
    *,
    version: str | None = "1.0",
    requires: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    modules: Mapping[str, str] | None = None,
    python: str = ">=3.6",
    fails: str = "",
    more: str = "",
) -> Path:
    """Write a project that builds a wheel of its modules; `fails` is what its build says instead."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {extra: list(lines) for extra, lines in (extras or {}).items()}
    lines = [*requires, *(f'{text}; extra == "{extra}"' for extra, texts in own.items() for text in texts)]
    said = {"name": name, "version": version, "requires": lines, "extras": list(own), "fails": fails}
    (folder / "metadata.json").write_text(json.dumps(said))
    (folder / "backend.py").write_text(BACKEND)
    stated = 'dynamic = ["version"]' if version is None else f'version = "{version}"'
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\n{stated}\nrequires-python = "{python}"\n'
        f"dependencies = {json.dumps(list(requires))}\n"
        f"[project.optional-dependencies]\n"
        + "".join(f"{extra} = {json.dumps(texts)}\n" for extra, texts in own.items())
        + more
    )
    for path, text in (modules or {f"{name}.py": "import demo\nis_ = demo.is_\n"}).items():
        (folder / path).write_text(text)
    return folder
