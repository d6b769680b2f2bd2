"""`bisect-asgi cache`: show the size of the cache, or clear it."""

from __future__ import annotations

import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from bisect_asgi.core.plan.options import Options

if TYPE_CHECKING:
    from pathlib import Path


def cache(options: Options) -> None:
    """Show the size of the cache, or clear it."""
    if options.clear and options.json:
        from bisect_asgi.core.errors import UsageError

        raise UsageError("`--json` shows the size, and `--clear` removes everything", hint="drop one of them")
    if options.clear:
        _clear()
    else:
        _show(json=bool(options.json))


def _show(*, json: bool) -> None:
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths, limit_bytes
    from bisect_asgi.core.text import plural, size

    places = CachePaths.configured()
    with open_trials(places) as runner:
        sizes = runner.environments.sizes()
        observations = runner.store.count()
    total = sum(count for _, count in sizes)
    if json:
        from bisect_asgi.cli.output import show_json
        from bisect_asgi.core import codec
        from bisect_asgi.report.commands import CacheDocument

        document = CacheDocument(
            folder=str(places.root),
            environments=len(sizes),
            environments_bytes=total,
            limit_bytes=limit_bytes(),
            observations=observations,
            store_bytes=places.store.stat().st_size,
            logs=len(list(places.logs.glob("*.jsonl"))),
        )
        show_json(codec.to_json(document).decode())
        return
    print(f"directory     {places.root}")
    print(
        f"environments  {len(sizes)}, {size(total)} of at most {size(limit_bytes())} "
        "(files shared with uv's cache count in full)"
    )
    print(f"store         {plural(observations, 'observation')}, {size(places.store.stat().st_size)}")
    print(f"logs          {len(list(places.logs.glob('*.jsonl')))}")


def _clear() -> None:
    """Remove everything, without opening or writing any of it: it may be damaged, and the disk full."""
    from bisect_asgi.backend.files import is_held, remove
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.core.errors import Unavailable
    from bisect_asgi.core.text import plural

    root = CachePaths.folder()
    for folder in (root, root / "environments", root / "locks"):
        with suppress(OSError):
            folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
    busy = sum(is_held(root / "locks" / f"{path.name}.lock") for path in _inside(root / "environments"))
    if busy:
        raise Unavailable(
            f"{plural(busy, 'environment')} in use by another command",
            hint="wait for it to end, then run `bisect-asgi cache --clear` again",
        )
    left = [path for path in _inside(root) if not remove(path)]
    if left:
        raise Unavailable(
            f"`{left[0]}` cannot be removed",
            hint="remove it as the user who owns it, or set `BISECT_ASGI_CACHE_DIR` to another directory",
        )
    print(f"cleared {root}")


def _inside(folder: Path) -> list[Path]:
    """Return the entries of a directory; nothing if it does not exist."""
    return list(folder.iterdir()) if folder.is_dir() else []
