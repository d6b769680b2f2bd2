"""Print the installed distributions of this environment as JSON: [[name, version], …].

Runs in the candidate's Python, 3.6 and later. Python 3.6 and 3.7 have no importlib.metadata; there the
same files are read by hand.
"""

import json
import os
import sys
from email.parser import HeaderParser


def installed():
    try:
        from importlib.metadata import distributions
    except ImportError:
        return list(read_metadata_files())
    return [[found.metadata["Name"], found.version] for found in distributions()]


def read_metadata_files():
    for folder in sys.path:
        if not os.path.isdir(folder):
            continue
        for entry in sorted(os.listdir(folder)):
            if entry.endswith((".dist-info", ".egg-info")):
                headers = read_headers(os.path.join(folder, entry))
                if headers:
                    yield [headers["Name"], headers["Version"]]


def read_headers(folder):
    for name in ("METADATA", "PKG-INFO"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as stream:
                return HeaderParser().parse(stream)
    return None


if __name__ == "__main__":
    print(json.dumps(installed()))
