"""Read pages of an index: the files of a project on its own page, or in one list of many projects' files.

Pages come as JSON (PEP 691, 700) or HTML (PEP 503, 592, 658); mousebender reads both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from mousebender import simple
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from bisect_asgi.backend.index.cached import Page
from bisect_asgi.core import codec
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import Release, ReleaseFile
from bisect_asgi.core.releases.installable import SDIST_SUFFIXES
from bisect_asgi.core.text import without_credentials

# AssertionError, because html.parser asserts that a page is well-formed.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, AssertionError)
_YEARS = range(1990, 2200)


def read_page(page: Page, project: str, *, url: str) -> tuple[Release, ...]:
    """Return the releases on a page.

    Raises:
        Unavailable: the page is no index page.
    """
    try:
        releases = group(project, _files(page, project, url=url))
        if page.media_type == "text/html" and not releases:
            raise ValueError("it links to no files of the project")
    except (simple.UnsupportedMIMEType, simple.UnsupportedAPIVersion, *_MALFORMED) as error:
        raise Unavailable(
            f"this is no page of a package index: `{without_credentials(url)}` ({error or page.media_type})",
            hint="check the index in uv's configuration",
        ) from error
    return releases


def read_list(page: Page, project: str, *, url: str) -> tuple[Release, ...]:
    """Return the releases of a project in a list of files of any projects, which may be none.

    Raises:
        Unavailable: the page is no list of files.
    """
    try:
        return group(project, _files(page, project, url=url))
    except (simple.UnsupportedMIMEType, simple.UnsupportedAPIVersion, *_MALFORMED) as error:
        raise Unavailable(
            f"this is no list of files: `{without_credentials(url)}` ({error or page.media_type})",
            hint="check `find-links`, or the index that is `flat`, in uv's configuration",
        ) from error


def _files(page: Page, project: str, *, url: str) -> Iterator[ReleaseFile]:
    details: Any = simple.parse_project_details(page.text, page.media_type, project)
    times = upload_times(page.text) if page.media_type != simple.ACCEPT_JSON_V1 else {}
    for file in details["files"]:
        yield _read_file({"upload-time": times.get(file["filename"]), **file}, page_url=url)


def read_folder(folder: Path, project: str) -> tuple[Release, ...]:
    """Return the releases of a project whose files are in a directory.

    Raises:
        OSError: the directory cannot be read.
    """
    paths = sorted(folder.iterdir())
    files = (
        ReleaseFile(filename=path.name, uploaded=None, requires_python=None, yanked=None, url=path.as_uri())
        for path in paths
    )
    return group(project, files)


def merged(project: str, found: Sequence[tuple[Release, ...]]) -> tuple[Release, ...]:
    """Return the releases of several places as one; of files with the same name, the first counts."""
    if len(found) == 1:
        return found[0]
    files: dict[str, ReleaseFile] = {}
    for file in (file for releases in found for release in releases for file in release.files):
        files.setdefault(file.filename, file)
    return group(project, files.values())


def upload_times(page: str) -> dict[str, str]:
    """Return the upload times in an HTML page by file name.

    No PEP specifies upload times in HTML. Some indexes have them as `data-upload-time`, which uv reads as
    well.
    """
    links = _Links()
    links.feed(page)
    return links.times


class _Links(HTMLParser):
    """Collects the upload times of links; the text of a link is the file's name (PEP 503)."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, str] = {}
        self._time: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._time = dict(attrs).get("data-upload-time")

    def handle_data(self, data: str) -> None:
        if self._time and data.strip():
            self.times[data.strip()] = self._time
            self._time = None


def group(project: str, files: Iterable[ReleaseFile]) -> tuple[Release, ...]:
    """Group the files of a project by version, oldest version first.

    Files whose names have no valid version are left out.
    """
    by_version: dict[Version, list[ReleaseFile]] = defaultdict(list)
    for file in files:
        version = version_of(project, file.filename)
        if version is not None:
            by_version[version].append(file)
    return tuple(
        Release(
            project=project,
            version=str(version),
            uploaded=min((file.uploaded for file in by_version[version] if file.uploaded), default=None),
            files=tuple(by_version[version]),
        )
        for version in sorted(by_version)
    )


def version_of(project: str, filename: str) -> Version | None:
    """Return the version that a file of `project` belongs to, or None if its name has none."""
    if filename.endswith(".whl"):
        try:
            name, version, *_ = parse_wheel_filename(filename)
            return version if name == project else None
        except ValueError:  # an invalid name or version, or a number with thousands of digits
            return None
    suffix = next((suffix for suffix in SDIST_SUFFIXES if filename.endswith(suffix)), "")
    rest = _after_name(project, filename.removesuffix(suffix))
    # Old formats have the platform and the Python after the version: `demo-1.0.win32-py2.7.exe`.
    parts = rest.split("-")[0].split(".")
    for text in [*([rest] if suffix else []), *(".".join(parts[:end]) for end in range(len(parts), 0, -1))]:
        try:
            return Version(text)
        except ValueError:
            continue
    return None


def _after_name(project: str, stem: str) -> str:
    """Return the rest behind the project's name; both the name and the version may contain dashes."""
    ends = (end for end, letter in enumerate(stem) if letter == "-")
    return next((stem[end + 1 :] for end in ends if canonicalize_name(stem[:end]) == project), "")


def _read_file(file: Any, *, page_url: str) -> ReleaseFile:
    """Return a file of a page.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, OverflowError: it does not conform to the standards.
    """
    yanked = file.get("yanked", False)
    found = {
        "filename": file["filename"],
        "uploaded": _moment(file.get("upload-time")),
        "requires_python": file.get("requires-python"),
        "yanked": None if yanked is False else "" if yanked is True else " ".join(str(yanked).split()),
        "url": urljoin(page_url, file.get("url", "")).partition("#")[0],
    }
    for text in found.values():
        if isinstance(text, str):
            text.encode()  # a lone surrogate cannot be encoded, and so could not be stored later
    return codec.convert(found, ReleaseFile)


def _moment(text: str | None) -> datetime | None:
    """Return a moment in UTC, whatever its offset.

    Raises:
        ValueError: the text is no moment, or its year is impossible for a package.
    """
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.year not in _YEARS:
        raise ValueError(f"a file is of the year {moment.year}")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
