"""Put together the pages of the documentation site: `python docs/site/build.py build`.

The pages are those of the repository, where they are read as well. Here they come into one folder, and links
between them, and to other files, are changed to what they are called there.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RENAMED = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""The pages outside docs/, and what they are called in the site."""
_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?P<after>\))")
_CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def pages() -> dict[str, str]:
    """Return for each page of the repository its name in the site."""
    docs = sorted((ROOT / "docs").glob("*.md"))
    return {f"docs/{path.name}": path.name for path in docs} | RENAMED


def rewritten(text: str, source: str, named: dict[str, str], files: set[str]) -> str:
    """Return a page with its links as they are in the site; other files that they lead to go into `files`."""

    def change(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match["target"]))
        if path in named:
            return f"{match['before']}{named[path]}{match['anchor'] or ''}{match['after']}"
        if (ROOT / path).is_file():
            files.add(path)
            return f"{match['before']}{_inside(path)}{match['anchor'] or ''}{match['after']}"
        if (ROOT / path).is_dir():
            files.update(f"{path}/{each.name}" for each in (ROOT / path).iterdir() if each.is_file())
            return f"{match['before']}{_inside(path)}/index.md{match['after']}"
        return match[0]

    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [_LINK.sub(change, text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(change, text[end:])])


def build(folder: Path) -> None:
    """Write the configuration into a folder; and into `pages` there, all pages and what they lead to."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).with_name("zensical.toml"), folder / "zensical.toml")
    folder /= "pages"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    named, files = pages(), set[str]()
    for source, name in named.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        (folder / name).write_text(rewritten(text, source, named, files), encoding="utf-8")
    for path in sorted(files):
        target = folder / _inside(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
    for name in {_inside(posixpath.dirname(path)) for path in files}:
        _list(folder / name)


def _inside(path: str) -> str:
    """Return where a file of the repository stands in the site."""
    return path.removeprefix("docs/")


def _list(folder: Path) -> None:
    """Write the page of a folder, to which a link may lead, unless it has one."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    if not any(name.startswith("index.") for name in names):
        lines = "\n".join(f"- [{name}]({name})" for name in names)
        (folder / "index.md").write_text(f"# {folder.name}\n\n{lines}\n", encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
