"""`bisect-asgi cache`: show the size of the cache, or clear it."""

from __future__ import annotations

import shutil

from bisect_asgi.core.plan.options import Options


def cache(options: Options) -> None:
    """Show the size of the cache, or clear it."""
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths, limit_bytes
    from bisect_asgi.core.errors import Unavailable
    from bisect_asgi.core.text import plural, size

    places = CachePaths.configured()
    with open_trials(places) as runner:
        environments = runner.environments
        if options.clear:
            busy = [digest for digest, _ in environments.sizes() if not environments.remove(digest)]
            if busy:
                raise Unavailable(
                    f"{plural(len(busy), 'environment')} are in use", hint="let the other command end first"
                )
        sizes = environments.sizes()
        observations = runner.store.count()
    if options.clear:
        shutil.rmtree(places.root)
        print(f"cleared {places.root}")
        return
    total = sum(count for _, count in sizes)
    print(f"folder        {places.root}")
    print(
        f"environments  {len(sizes)}, {size(total)} of at most {size(limit_bytes())} "
        "(files shared with uv's cache count in full)"
    )
    print(f"store         {plural(observations, 'observation')}, {size(places.store.stat().st_size)}")
    print(f"logs          {len(list(places.logs.glob('*.jsonl')))}")
