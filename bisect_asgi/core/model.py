"""The central concepts as data: candidates, environments, probes, trials and observations.

These are values only: nothing here does I/O or decides anything. All are frozen, picklable, and of types that
msgspec reads back from JSON, because they are sent to workers and written to the store and the log. For this
reason, paths are strings.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from bisect_asgi.core.records import Struct, field

UNTESTABLE_EXIT = 125
"""The exit code by which a probe says that a candidate is untestable, as for `git bisect run`."""


class Outcome(StrEnum):
    """The result of one run, or of all runs of a candidate."""

    PASSED = "passed"
    FAILED = "failed"
    UNTESTABLE = "untestable"
    ERROR = "error"
    """This machine, an index or a worker failed, which shows nothing about the candidate."""


class Verdict(StrEnum):
    """The side of a candidate: it behaves like the older end, like the newer end, or is untestable."""

    OLD = "old"
    NEW = "new"
    SKIP = "skip"


class Phase(StrEnum):
    """The phase that a run had reached when its outcome was decided."""

    RESOLVE = "resolve"
    INSTALL = "install"
    IMPORT = "import"
    STARTUP = "startup"
    DRIVE = "drive"
    CHECK = "check"


class Step(StrEnum):
    """The parts of a trial's time, in their order."""

    RESOLVE = "resolve"
    """Determining the files of the environment."""
    DOWNLOAD = "download"
    """Downloading and unpacking the files that are not cached."""
    BUILD = "build"
    """Building source distributions."""
    LINK = "link"
    """Linking the environment from cached files, and checking it."""
    WAIT = "wait"
    """Waiting for an environment that another trial builds, or for other measurements."""
    START = "start"
    """Starting the processes, up to the probe."""
    RUN = "run"
    """Running the probe."""


class FailureKind(StrEnum):
    """The kind of failure that a signature describes."""

    EXCEPTION = "exception"
    EXIT = "exit"
    SIGNAL = "signal"
    TIMEOUT = "time-out"
    LIMIT = "limit"
    """A limit of the user's other than the time limit ended the run."""
    METRIC = "metric"
    ENVIRONMENT = "environment"


class CulpritKind(StrEnum):
    """The kind of a culprit."""

    PACKAGE = "package"
    """The package itself, whatever its dependencies."""
    DEPENDENCY = "dependency"
    """One other distribution, whatever the package."""
    TOGETHER = "together"
    """Several distributions, all of which are needed."""
    EITHER = "either"
    """Several distributions, each of which is enough."""
    UNCLEAR = "unclear"
    """Several distributions of which any may be the culprit, because combinations of them are untestable."""


class Signature(Struct, frozen=True, kw_only=True):
    """A failure in a short normal form, by which failures are compared."""

    kind: FailureKind
    phase: Phase
    text: str
    """The text that is compared: the exception's type and message without numbers, addresses and paths."""
    shown: str
    """The text that is shown, which is not normalized."""
    frame: str = ""
    """The last frame outside the standard library: `./leak.py in check` for a file of the probe,
    `jinja2/filters.py in <module>` for another file, "" if there is none or it is unknown. An assertion
    without a message in the probe has its statement: `./leak.py in check: assert found`."""

    def is_same_failure(self, other: Signature) -> bool:
        """Return whether both are the same failure. An unknown frame is the same as any."""
        if (self.kind, self.phase, self.text) != (other.kind, other.phase, other.text):
            return False
        if self.frame == other.frame:
            return True
        return self.place == other.place or not (self.place and other.place)

    @property
    def place(self) -> str:
        """The part of the frame that is compared: all of it in the probe, elsewhere the importable name."""
        if self.frame.startswith("./"):
            return self.frame
        return self.frame.partition(" in ")[0].partition("/")[0].partition(".")[0]


class ReleaseFile(Struct, frozen=True, kw_only=True):
    """One file of a release, as the index lists it."""

    filename: str
    uploaded: datetime | None
    requires_python: str | None
    yanked: str | None
    """The reason, which may be "", or None if the file is not yanked."""
    url: str = ""
    """The address, or "" if the index gives none."""


class Release(Struct, frozen=True, kw_only=True):
    """One version of a project with its files."""

    project: str
    version: str
    uploaded: datetime | None
    """When the first file was uploaded, in UTC."""
    files: tuple[ReleaseFile, ...]

    @property
    def yanked(self) -> str | None:
        """The reason why the release was yanked, or None if any of its files is not (PEP 592)."""
        reasons = [file.yanked for file in self.files]
        return None if None in reasons or not reasons else reasons[0]


class Excluded(Struct, frozen=True, kw_only=True):
    """A release that is not a candidate, with the reason."""

    version: str
    uploaded: datetime | None
    reason: str


class Interpreter(Struct, frozen=True, kw_only=True):
    """A Python on this machine: the base interpreter, never that of a virtual environment."""

    path: str
    version: str
    implementation: str = "CPython"

    @property
    def minor(self) -> tuple[int, int]:
        """The major and minor version, such as (3, 8)."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def short(self) -> str:
        """The major and minor version as text, such as `3.8`."""
        return "{}.{}".format(*self.minor)

    @property
    def for_uv(self) -> str:
        """The argument that uv takes for it: the minor version, or the path if only a version manager has it.

        Version managers keep each version in a directory of that name, which is not on PATH: pyenv's shims
        refuse a version that the current directory does not ask for.
        """
        return self.path if f"/{self.version}/" in self.path else self.short


class Distribution(Struct, frozen=True, kw_only=True):
    """An installed distribution with its normalized name (PEP 503)."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


class Move(Struct, frozen=True, kw_only=True):
    """A distribution that differs between two environments. The version is None where it is missing."""

    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.name} {self.new} (added)"
        if self.new is None:
            return f"{self.name} {self.old} (removed)"
        return f"{self.name} {self.old} → {self.new}"


class Commit(Struct, frozen=True, kw_only=True):
    """A commit that a project is built from."""

    repository: str
    """The path or the address of the repository, as git takes it."""
    sha: str
    project: str
    """The normalized name (PEP 503) of the distribution that is built."""
    subject: str
    committed: datetime
    """The time of the commit, in UTC."""

    @property
    def requirement(self) -> str:
        """The requirement (PEP 508) by which it is built again."""
        address = self.repository if "://" in self.repository else f"file://{self.repository}"
        return f"{self.project} @ git+{address}@{self.sha}"


class OwnProject(Struct, frozen=True, kw_only=True):
    """A project of the user's that is built once, and installed as a wheel in each environment."""

    name: str
    """Its normalized name (PEP 503)."""
    given: str
    """The directory, the file or the address as the user named it, without extras."""
    path: str = ""
    """The copy of the directory, source distribution or wheel; empty for a commit."""
    content: str = ""
    """The digest of its files: a changed directory is another project."""
    commit: Commit | None = None


class ProjectMetadata(Struct, frozen=True, kw_only=True):
    """The metadata of a project's wheel."""

    name: str
    """Its normalized name (PEP 503)."""
    version: str
    requires: tuple[str, ...] = ()
    """Its requirements (PEP 508), with markers for its extras."""


class Declared(Struct, frozen=True, kw_only=True):
    """The requirements and extras in the metadata of an installed distribution."""

    requires: tuple[str, ...] = ()
    """Its requirements (PEP 508), with markers for its extras."""
    extras: tuple[str, ...] = ()
    """The normalized names of its extras (PEP 685)."""


class ExcludeNewerPackage(Struct, frozen=True, kw_only=True):
    """A project with a date limit of its own, or with no limit if that is None."""

    name: str
    exclude_newer: datetime | None = None


class EnvironmentSpec(Struct, frozen=True, kw_only=True):
    """Everything that determines an environment. An axis varies one field of it."""

    interpreter: Interpreter
    requirements: tuple[str, ...]
    """PEP 508 strings: that of the candidate, and those that the user holds."""
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    exclude_newer: datetime | None = None
    """The moment after which uploads are ignored, or None for no limit."""
    is_date_binding: bool = False
    """Whether the limit is never dropped: on an axis of dates, newer uploads would falsify the result."""
    exclude_newer_package: tuple[ExcludeNewerPackage, ...] = ()
    """The projects without this limit: the package under test, and those that the user pins."""
    held: tuple[str, ...] = ()
    """The held ones of `requirements`. If nothing else resolves, their dependencies may be newer."""
    held_exclude_newer: datetime | None = None
    """The date limit of those dependencies in that case."""
    commit: Commit | None = None
    """The commit to build and install in place of a release of its project."""
    projects: tuple[OwnProject, ...] = ()
    """The projects to build and install in place of releases of the same names."""
    hashes: tuple[str, ...] = ()
    """`name==version sha256:…`: the only files that may be installed of these releases."""
    must_install: Distribution | None = None
    """The distribution that the finished environment is checked to have."""


class Candidate(Struct, frozen=True, kw_only=True):
    """One position on an axis. Its key is its index among the candidates, oldest first."""

    label: str
    spec: EnvironmentSpec
    uploaded: datetime | None = None
    needs_build: bool = False
    """Whether it has no wheel for its interpreter."""
    yanked: str | None = None
    """Why it was yanked, which may be "", or None if it was not, or is a candidate all the same."""


class ProbeFile(Struct, frozen=True, kw_only=True):
    """A file that each run finds in its working directory."""

    name: str
    """The relative path, with forward slashes."""
    content: bytes
    executable: bool = False


class ReadyMadeLoad(Struct, frozen=True, kw_only=True):
    """The load for an app that has no `probe(server)`."""

    request: str = "GET /"
    requests: int = 1000
    concurrency: int = 1
    keep_alive: bool = True


class Served(Struct, frozen=True, kw_only=True):
    """An app that uvicorn serves in the environment, while the probe sends requests from outside."""

    file: str
    """The file of the app, one of the files of the probe."""
    name: str = "app"
    load: ReadyMadeLoad | None = None
    """The requests to send, or None if the script has a `probe(server)`."""
    options: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    """The options of uvicorn's `Config`."""
    startup_s: float = 30.0


class SandboxLevel(StrEnum):
    """The level at which a run is confined; `backend/process/sandbox_calls.py` lists what each refuses."""

    AUTO = "auto"
    """The strongest level that the machine has."""
    STRONG = "strong"
    BASIC = "basic"
    NONE = "none"


class Confinement(Struct, frozen=True, kw_only=True):
    """The confinement that the user asks for."""

    level: SandboxLevel = SandboxLevel.AUTO
    network: bool = True


class Limits(Struct, frozen=True, kw_only=True):
    """The most that one run may use, with all of its processes; None: no limit."""

    memory_bytes: int | None = None
    processes: int | None = None
    disk_bytes: int | None = None
    """The most bytes that it may have on the disk at one time."""
    cpu_s: float | None = None


class Probe(Struct, frozen=True, kw_only=True):
    """The reproduction, with its files as bytes instead of paths, so that it can run on another machine."""

    name: str
    """The file name of the script, or the command line."""
    script: str | None
    """The one of `files` that the Python of the environment runs, or None if `command` is run."""
    command: str | None
    files: tuple[ProbeFile, ...]
    served: Served | None = None
    """The app to serve, or None for a script or command that runs in the environment."""
    environ: tuple[tuple[str, str], ...] = ()
    timeout_s: float = 120.0
    confinement: Confinement = Confinement()
    limits: Limits | None = None
    decided_by: str = ""
    """The function or person that decides the outcome of a run in place of its exit code; "" for none.

    Observations with equal names count as the same, so the name has to identify the function."""


class Observation(Struct, frozen=True, kw_only=True):
    """The observation of one run: times in seconds, memory in bytes, None if not measured."""

    outcome: Outcome
    phase: Phase
    signature: Signature | None = None
    """The failure, or None if the run passed."""
    complaint: str = ""
    """Why a metric of a run that passed cannot be read, or "" if all can."""
    exit_code: int | None = None
    """The exit code, negative for a signal, or None if the probe did not start."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int | None = None
    output_tail: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    """The metrics that the probe reported, in base units."""
    frames: tuple[tuple[str, int, str], ...] = ()
    """The traceback of an uncaught exception: file, line and function, outermost first."""
    stacks: str = ""
    """The stacks of all threads at a time-out."""
    units: dict[str, str] = field(default_factory=dict)
    """The known base units of `metrics`: `s`, `B`, `1/s`, `%` (the metric is a fraction)."""
    other_load: float | None = None
    """The number of processor cores that other programs used meanwhile, or None if not measured."""
    is_warm_up: bool = False
    """Whether the run only filled caches and is not a sample."""
    cut_s: float | None = None
    """The seconds after which it was ended, if that is less than the probe's limit; see `judge.hangs`."""
    reference_metrics: dict[str, float] = field(default_factory=dict)
    """The metrics of the run on the reference that was made right before or after this run."""
    sandbox: SandboxLevel | None = None
    """The level at which the run was confined, or None if the probe did not run."""


class BuiltEnvironment(Struct, frozen=True, kw_only=True):
    """The environment of a trial."""

    digest: str
    distributions: tuple[Distribution, ...]
    step: str
    """The way in which it was resolved, such as `as of the date, wheels only`: stricter ways come first."""


class SamplingMode(Struct, frozen=True, kw_only=True):
    """The way to take samples of a metric: one at a time on each machine, each with a run on a reference."""

    needs_warm_up: bool = True
    """Whether the first run in an environment is not a sample, because caches and byte code are missing."""
    reference: EnvironmentSpec | None = None
    """The environment of the reference, or None if samples are not compared with one."""


class TrialRequest(Struct, frozen=True, kw_only=True):
    """Everything that a trial needs, as plain data that can be sent to a worker."""

    key: int
    label: str
    spec: EnvironmentSpec
    probe: Probe
    known_runs: int = 0
    """The number of observations that are known already and not needed again."""
    runs: int = 1
    """The number of further observations. Those in the store count."""
    limit_s: float | None = None
    """The seconds after which runs are cut off, or None for the probe's own limit."""
    parallel: int = 1
    """The number of runs that may be made in parallel. Samples are taken one by one."""
    apart: bool = False
    """Whether its runs are made whatever is stored, because others make further ones at the same time."""
    fresh: bool = False
    """Whether earlier runs in the store are ignored."""
    stage: int = 0
    """The number of the search that the trial is for, from 0."""
    sampling: SamplingMode | None = None
    """The way to take samples, or None if the probe passes or fails."""

    @property
    def reference(self) -> EnvironmentSpec | None:
        """The environment of the reference, or None."""
        return self.sampling.reference if self.sampling else None


class Trial(Struct, frozen=True, kw_only=True):
    """The build and the runs of one candidate."""

    key: int
    label: str
    observations: tuple[Observation, ...]
    environment: BuiltEnvironment | None = None
    """The environment, or None if it could not be resolved or built."""
    remembered: int = 0
    """The number of observations that came from the store."""
    build_s: float = 0.0
    run_s: float = 0.0
    steps: dict[Step, float] = field(default_factory=dict)
    """The seconds of each step. Cached results take none."""
    host: str = ""
    """The name of the machine that ran it, or "" for this one."""


class Ruling(Struct, frozen=True, kw_only=True):
    """The verdict on one candidate with its reasons."""

    verdict: Verdict
    outcome: Outcome
    signature: Signature | None = None
    fails_differently: bool = False
    """Whether it fails, but differently from the bad end."""
    passed: int = 0
    failed: int = 0

    @property
    def is_flaky(self) -> bool:
        """Whether the candidate both passed and failed."""
        return self.passed > 0 and self.failed > 0


class Boundary(Struct, frozen=True, kw_only=True):
    """A place where the verdict changes, by the keys of its two sides."""

    low: int
    """The last candidate with the older verdict."""
    high: int
    """The first candidate with the newer verdict."""
    skipped: tuple[int, ...] = ()
    """Untestable candidates between the two; the change is in one of them or in `high`."""
    contradictions: tuple[int, ...] = ()
    """Candidates below `low` that have the newer verdict: there is more than one change."""


class FailureStretch(Struct, frozen=True, kw_only=True):
    """Neighboring bad candidates that were run and fail in the same way, by the keys of the outer two."""

    first: int
    last: int
    signature: Signature | None


class NamedBoundary(Struct, frozen=True, kw_only=True):
    """The same place by labels, as reports and claims have it."""

    last: str
    """The last candidate before the change."""
    first: str
    """The first candidate after it."""
    verdict: str
    """The verdict of `first`: `good` or `bad`, or the user's word."""
    gap: tuple[str, ...] = ()
    """Untestable candidates between the two."""
    excluded: tuple[str, ...] = ()
    """Releases between the two that are no candidates."""
    probability: float | None = None
    """Of several changes of a metric: that the medians of both are on these sides of the threshold, or that
    the level begins at `first`. None if there is one change, whose belief or error bound is the report's."""
