"""The JSON documents of the commands that are no search: check, verify, releases, doctor and cache."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.model import Excluded, Observation
from bisect_asgi.core.records import Struct
from bisect_asgi.report.suite import SuiteRow


class CheckDocument(Struct, frozen=True, kw_only=True):
    """The document of `check`."""

    schema: str = "bisect-asgi.check/1"
    exit_code: int
    """As of git bisect: 0 good, 1 bad, 125 untestable."""
    package: str
    version: str
    python: str
    verdict: str
    """The user's word for good or bad, or `skip`."""
    seen: str
    """The failure, or why there is no verdict, or ""."""
    observations: tuple[Observation, ...]
    """The runs."""


class VerifiedClaim(Struct, frozen=True, kw_only=True):
    """A claim of a probe, and what the releases showed."""

    probe: str
    package: str
    claim: str
    """`fixed in 0.15.0`, or "" if the probe could not be read."""
    source: str | None
    """Where the claim was made, or None if the probe does not say."""
    verdict: str
    """`confirmed`, `incomplete`, `refuted`, `inconclusive`, or why there is none in two words."""
    truth: str
    """The changes that the releases show."""
    problem: str
    """Why there is no verdict, or ""."""
    hint: str | None
    exit_code: int
    log: str
    """The path of its event log."""


class VerifyDocument(Struct, frozen=True, kw_only=True):
    """The document of `verify`."""

    schema: str = "bisect-asgi.verify/1"
    exit_code: int
    """The most severe of all claims."""
    claims: tuple[VerifiedClaim, ...]


def verified(row: SuiteRow, source: str | None) -> VerifiedClaim:
    """Return the claim in a row of `verify`."""
    return VerifiedClaim(
        probe=row.probe,
        package=row.package,
        claim=row.claim,
        source=source,
        verdict=row.answer,
        truth=row.why,
        problem=row.problem,
        hint=row.hint,
        exit_code=int(row.exit_code),
        log=row.log,
    )


class ListedRelease(Struct, frozen=True, kw_only=True):
    """A release on the index."""

    version: str
    uploaded: datetime | None


class ReleasesDocument(Struct, frozen=True, kw_only=True):
    """The document of `releases`."""

    schema: str = "bisect-asgi.releases/1"
    package: str
    python: str | None
    """The version of the Python that the releases are listed for, or None for any."""
    releases: tuple[ListedRelease, ...]
    """The releases that would be candidates of a search, oldest first."""
    excluded: tuple[Excluded, ...]


class Fault(Struct, frozen=True, kw_only=True):
    """Something that is wrong with a machine."""

    text: str
    hint: str | None


class Machine(Struct, frozen=True, kw_only=True):
    """A machine that runs trials. If it could not be examined, it has a fault, and nothing else."""

    name: str
    version: str = ""
    """The version of bisect-asgi."""
    python: str = ""
    """The version of the Python that bisect-asgi runs on."""
    platform: str = ""
    cores: int = 0
    uv: str = ""
    """The version, or "" if it does not run."""
    git: str = ""
    """The version, or "" if it is not installed."""
    interpreters: tuple[str, ...] = ()
    """The versions of the Pythons that probes can run on."""
    cache: str = ""
    free_bytes: int = 0
    """The free space of the cache directory."""
    sandbox: str = ""
    """The strongest level of confinement."""
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...]


class DoctorDocument(Struct, frozen=True, kw_only=True):
    """The document of `doctor`."""

    schema: str = "bisect-asgi.doctor/1"
    exit_code: int
    machines: tuple[Machine, ...]


def doctor_document(machines: Sequence[Machine]) -> DoctorDocument:
    """Return the document about machines, with the exit code that follows from their faults."""
    code = ExitCode.UNAVAILABLE if any(machine.faults for machine in machines) else ExitCode.FOUND
    return DoctorDocument(exit_code=int(code), machines=tuple(machines))


class CacheDocument(Struct, frozen=True, kw_only=True):
    """The document of `cache`."""

    schema: str = "bisect-asgi.cache/1"
    folder: str
    environments: int
    environments_bytes: int
    """The size of all of them; files that uv's cache shares count in full."""
    limit_bytes: int
    """The most that environments may take."""
    observations: int
    store_bytes: int
    logs: int
