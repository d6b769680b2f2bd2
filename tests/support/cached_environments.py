"""A cache of environments with the index that it asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bisect_asgi.backend.environments import Environment
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Distribution, EnvironmentSpec, Interpreter
from support.environments import ROOM_ENOUGH, THIS_PYTHON, Bench
from support.local_index import LocalIndex


def a_spec(version: str = "1.0", *, interpreter: Interpreter = THIS_PYTHON) -> EnvironmentSpec:
    return EnvironmentSpec(
        interpreter=interpreter,
        requirements=(f"demo=={version}",),
        must_install=Distribution(name="demo", version=version),
    )


class CacheBench(Bench):
    """A bench with the index that it asks, and its environments."""

    def __init__(self, index: LocalIndex, folder: Path, *, limit_bytes: int = ROOM_ENOUGH) -> None:
        super().__init__(folder, index.url)
        self.index = index
        self.cache = self.environments(limit_bytes)

    def publish(self, version: str = "1.0") -> None:
        self.index.add_wheel(
            "demo",
            version,
            modules={"demo.py": f"def main():\n    print('this is demo {version}')\n"},
            entry_points={"greet": "demo:main"},
        )

    def build(self, version: str = "1.0") -> str:
        """Build and let go; return the digest."""
        spec = a_spec(version)
        resolution = self.resolve(spec)
        with self.cache.holding(resolution, spec, CancelToken()):
            return resolution.digest

    @contextmanager
    def holding(self, spec: EnvironmentSpec | None = None) -> Iterator[Environment]:
        spec = spec or a_spec()
        with self.cache.holding(self.resolve(spec), spec, CancelToken()) as environment:
            yield environment

    @property
    def kept(self) -> set[str]:
        return {digest for digest, _ in self.cache.sizes()}
