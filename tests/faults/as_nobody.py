"""Run the fault table as a user without rights, where root runs it: from a copy that this user can read.

python tests/faults/as_nobody.py [ARGUMENTS OF PYTEST]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.other_user import NOBODY, open_folder

ROOT = Path(__file__).parents[2]
_COPIED = ("bisect_asgi", "tests", "docs", "probes", "pyproject.toml")


def main() -> int:
    """Return pytest's exit code; 0 where there is nobody to become, or no Python that everybody may run."""
    python = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin:/opt/bin")
    if os.geteuid() != 0 or python is None:
        lacks = "that needs root, and a Python of this version that everybody may run"
        sys.stderr.write(f"the fault table is not run as nobody: {lacks}\n")
        return 0
    with open_folder() as home:
        copy = home / "copy"
        for name in _COPIED:
            source = ROOT / name
            copying = shutil.copytree if source.is_dir() else shutil.copy
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            copying(source, copy / name)
        paths = [str(copy), str(copy / "tests"), *(path for path in sys.path if "site-packages" in path)]
        environ = {
            "PATH": os.defpath,
            "HOME": str(home),
            "TMPDIR": str(home),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(paths),
        }
        how = ("-p", "no:cacheprovider", "-n", "auto", "--dist", "worksteal", "tests/faults", *sys.argv[1:])
        return subprocess.run(
            [python, "-m", "pytest", *how],
            cwd=copy,
            env=environ,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
