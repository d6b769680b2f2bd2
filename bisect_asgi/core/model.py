"""The words of the project as data: candidates, environments, probes, trials and what they showed.

Values only: nothing here does I/O or decides anything. All of them are frozen, picklable, and made of
types that msgspec reads back from JSON, because they travel to workers, into the store and into the log.
Paths are strings for that reason.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from bisect_asgi.core.records import Struct, field

UNTESTABLE_EXIT = 125
"""The exit code of a probe that cannot tell, as for `git bisect run`."""


class Outcome(StrEnum):
    """What one run, or one candidate's runs together, showed about the probe's question."""

    PASSED = "passed"
    FAILED = "failed"
    UNTESTABLE = "untestable"
    ERROR = "error"
    """We could not ask: nothing was learnt about the candidate. Never a verdict."""


class Verdict(StrEnum):
    """What the search is told: the candidate answers as the older end does, as the newer, or cannot tell."""

    OLD = "old"
    NEW = "new"
    SKIP = "skip"


class Phase(StrEnum):
    """How far a run got before it showed what it showed."""

    RESOLVE = "resolve"
    INSTALL = "install"
    IMPORT = "import"
    STARTUP = "startup"
    DRIVE = "drive"
    CHECK = "check"


class Step(StrEnum):
    """What a trial's time goes to, in the order in which it does."""

    RESOLVE = "resolve"
    """Which files make the environment."""
    DOWNLOAD = "download"
    """Getting and unpacking those that are not kept yet."""
    BUILD = "build"
    """Building source distributions."""
    LINK = "link"
    """Putting the environment together from what is kept, and proving it."""
    WAIT = "wait"
    """For another trial's environment, or for the measuring lane."""
    START = "start"
    """Of the processes, up to the probe's own."""
    RUN = "run"
    """The probe's."""


class FailureKind(StrEnum):
    """Where a signature comes from."""

    EXCEPTION = "exception"
    EXIT = "exit"
    SIGNAL = "signal"
    TIMEOUT = "time-out"
    METRIC = "metric"
    ENVIRONMENT = "environment"


class CulpritKind(StrEnum):
    """What carries a change."""

    PACKAGE = "package"
    """The package itself, whatever its dependencies."""
    DEPENDENCY = "dependency"
    """One other distribution, whatever the package."""
    TOGETHER = "together"
    """Several, and none of them can be left out."""
    EITHER = "either"
    """Several, each of them alone."""
    UNCLEAR = "unclear"
    """Those that remain cannot be told apart: mixes of them cannot be tested."""


class Signature(Struct, frozen=True, kw_only=True):
    """Short normal form of a failure, to tell one failure from another."""

    kind: FailureKind
    phase: Phase
    text: str
    """What is compared: the exception's type and message without numbers, addresses and paths."""
    shown: str
    """What a person reads: the same before it was normalised."""
    frame: str = ""
    """The last frame outside the standard library: `./leak.py in check` of the probe's own files,
    `jinja2/filters.py in <module>` of others; empty: there is none, or none was seen."""

    def is_same_failure(self, other: Signature) -> bool:
        """Tell whether both are one failure; what is shown of it may differ in numbers and paths.

        A frame that was not seen makes no difference.
        """
        if (self.kind, self.phase, self.text) != (other.kind, other.phase, other.text):
            return False
        return self.place == other.place or not (self.place and other.place)

    @property
    def place(self) -> str:
        """What is compared of the frame: all of the probe's own, and of any other the importable name."""
        if self.frame.startswith("./"):
            return self.frame
        return self.frame.partition(" in ")[0].partition("/")[0].partition(".")[0]


class ReleaseFile(Struct, frozen=True, kw_only=True):
    """One file of a release, as the index lists it."""

    filename: str
    uploaded: datetime | None
    requires_python: str | None
    yanked: str | None
    """The reason ("" when none is given); None when the file is not yanked."""
    url: str = ""
    """Where it is; empty: the index does not say."""


class Release(Struct, frozen=True, kw_only=True):
    """One version of a project with its files; `uploaded` is when its first file appeared (UTC)."""

    project: str
    version: str
    uploaded: datetime | None
    files: tuple[ReleaseFile, ...]

    @property
    def yanked(self) -> str | None:
        """The reason why the release was yanked; None while any of its files is not (PEP 592)."""
        reasons = [file.yanked for file in self.files]
        return None if None in reasons or not reasons else reasons[0]


class Excluded(Struct, frozen=True, kw_only=True):
    """A release that is no candidate, and why."""

    version: str
    uploaded: datetime | None
    reason: str


class Interpreter(Struct, frozen=True, kw_only=True):
    """A Python on this machine: the base interpreter, never a virtual environment's."""

    path: str
    version: str
    implementation: str = "CPython"

    @property
    def minor(self) -> tuple[int, int]:
        """Major and minor version, such as (3, 8)."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def short(self) -> str:
        """Major and minor version as people write it, such as `3.8`."""
        return "{}.{}".format(*self.minor)


class Distribution(Struct, frozen=True, kw_only=True):
    """One installed distribution: its normalised name (PEP 503) and version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


class Move(Struct, frozen=True, kw_only=True):
    """A distribution that differs between two environments; None: it is not in that one."""

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
    """A commit of a repository, from which a project is built and installed."""

    repository: str
    """A folder's path or an address, as git takes them."""
    sha: str
    project: str
    """Normalised name (PEP 503) of what is built."""
    subject: str
    committed: datetime
    """In UTC."""


class ExcludeNewerPackage(Struct, frozen=True, kw_only=True):
    """A project whose files may be newer than the spec's limit: up to `exclude_newer`, or any when None."""

    name: str
    exclude_newer: datetime | None = None


class EnvironmentSpec(Struct, frozen=True, kw_only=True):
    """The recipe of an environment. An axis varies one field of it."""

    interpreter: Interpreter
    requirements: tuple[str, ...]
    """PEP 508 strings: the candidate's own and those that the user holds."""
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    exclude_newer: datetime | None = None
    """Resolve as if nothing had been uploaded after this moment; None: no limit."""
    exclude_newer_package: tuple[ExcludeNewerPackage, ...] = ()
    """Projects outside that limit: what is under test, and what the user pins."""
    held: tuple[str, ...] = ()
    """Those of `requirements` that are held; what they need may be newer when nothing else resolves."""
    held_exclude_newer: datetime | None = None
    """The limit of what held requirements need, in that case."""
    commit: Commit | None = None
    """What is built from a repository, and replaces the releases of its project."""
    must_install: Distribution | None = None
    """What must be installed at exactly this version, or the environment is not what it says."""


class Candidate(Struct, frozen=True, kw_only=True):
    """One position on an axis; its key is its place in the ordered tuple of candidates."""

    label: str
    spec: EnvironmentSpec
    uploaded: datetime | None = None
    needs_build: bool = False
    """There is no wheel of it for its interpreter."""


class ProbeFile(Struct, frozen=True, kw_only=True):
    """A file that each run finds in its working directory."""

    name: str
    """Relative, with forward slashes."""
    content: bytes
    executable: bool = False


class ReadyMadeLoad(Struct, frozen=True, kw_only=True):
    """The drive of an app file that has no probe of its own."""

    request: str = "GET /"
    requests: int = 1000
    concurrency: int = 1
    keep_alive: bool = True


class Served(Struct, frozen=True, kw_only=True):
    """An app that the environment's uvicorn serves while the probe drives it from outside."""

    file: str
    """Among the probe's files."""
    name: str = "app"
    load: ReadyMadeLoad | None = None
    """What drives it; None: the `probe(server)` of the probe's script."""
    options: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    """Of uvicorn's Config."""
    startup_s: float = 30.0


class Probe(Struct, frozen=True, kw_only=True):
    """The reproduction: bytes, not paths, so that a trial can run on another machine."""

    name: str
    """The script's file name, or the command line."""
    script: str | None
    """The file among `files` that the environment's Python runs; None when `command` is run."""
    command: str | None
    files: tuple[ProbeFile, ...]
    served: Served | None = None
    """How its app is served; None: a script or command that runs wholly inside."""
    environ: tuple[tuple[str, str], ...] = ()
    timeout_s: float = 120.0


class Observation(Struct, frozen=True, kw_only=True):
    """What one run showed. Durations in seconds, memory in bytes (None: not measured)."""

    outcome: Outcome
    phase: Phase
    signature: Signature | None = None
    """None if the run passed."""
    complaint: str = ""
    """Why a metric of a run that passed cannot be read; empty if there is no such metric."""
    exit_code: int | None = None
    """Negative: killed by that signal. None: the probe never started."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int | None = None
    output_tail: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    """What the probe reported, in base units."""
    frames: tuple[tuple[str, int, str], ...] = ()
    """The traceback of an exception that nobody caught: file, line and function, outermost first."""
    stacks: str = ""
    """Stacks of all threads at the moment of a time-out."""
    units: dict[str, str] = field(default_factory=dict)
    """The base units of `metrics`, where they are known: `s`, `B`, `1/s`, `%` (the metric is a share)."""
    other_load: float | None = None
    """How many processor cores other programs kept busy meanwhile; None: not measured."""
    is_warm_up: bool = False
    """It was made to warm caches and is no sample."""
    reference_metrics: dict[str, float] = field(default_factory=dict)
    """Metrics of the run on the reference next to this one."""


class BuiltEnvironment(Struct, frozen=True, kw_only=True):
    """What a trial ran in: the exact set, and which step of the fall-back made it."""

    digest: str
    distributions: tuple[Distribution, ...]
    step: str
    """How the set was resolved, such as `as of the date, wheels only`."""


class SamplingMode(Struct, frozen=True, kw_only=True):
    """How the runs of a measured probe are made: one at a time on each machine, next to a reference's."""

    needs_warm_up: bool = True
    """The first run in an environment finds cold caches and no byte-code: it is no sample."""
    reference: EnvironmentSpec | None = None
    """What each sample has a run of beside it; None: samples stand for themselves."""


class TrialRequest(Struct, frozen=True, kw_only=True):
    """Everything that a trial needs; made of plain data, so that it can travel."""

    key: int
    label: str
    spec: EnvironmentSpec
    probe: Probe
    known_runs: int = 0
    """How many observations the asker has; they are not asked for again."""
    runs: int = 1
    """How many more are wanted; recorded ones count."""
    parallel: int = 1
    """So many of them may run side by side; samples are taken one by one."""
    fresh: bool = False
    """Ignore what the store remembers of earlier runs."""
    stage: int = 0
    """Which search of the run it is for; 0: the first."""
    sampling: SamplingMode | None = None
    """How samples are taken; None: the probe passes or fails."""

    @property
    def reference(self) -> EnvironmentSpec | None:
        """What is run next to each sample; None: nothing is."""
        return self.sampling.reference if self.sampling else None


class Trial(Struct, frozen=True, kw_only=True):
    """One candidate's build and runs: what was asked, built and seen."""

    key: int
    label: str
    observations: tuple[Observation, ...]
    environment: BuiltEnvironment | None = None
    """None when none could be resolved or built."""
    remembered: int = 0
    """How many of the observations came from the store."""
    build_s: float = 0.0
    run_s: float = 0.0
    steps: dict[Step, float] = field(default_factory=dict)
    """Seconds that each took; what was there already took none."""
    host: str = ""
    """The machine that ran it; empty: this one."""


class Ruling(Struct, frozen=True, kw_only=True):
    """What one candidate is worth to the search, and why."""

    verdict: Verdict
    outcome: Outcome
    signature: Signature | None = None
    fails_differently: bool = False
    """It fails, but not as the bad end does."""
    passed: int = 0
    failed: int = 0

    @property
    def is_flaky(self) -> bool:
        """The candidate both passed and failed."""
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
