"""How many trials to run side by side.

More at once make a search shorter, but ever less: k places that cut evenly divide what is left by k + 1, so
the second saves 37 % and the sixteenth 2 %. Where trials compute, more of them than there are cores only
slow each other down, and most of that is spent on trials that are then cancelled.

A trial that waits for a share w of its time leaves its core to others for so long: cores / (1 - w) trials
keep all cores busy. Some more pay, because they do not wait in step: 1 + w times as many are near the best
in simulation, for any number of candidates and seconds that vary (`make simulate` holds it against the
best). Where next to everything waits there is no best number; what ends it is memory, and what the others
on the network have to bear, so there are at most `MOST` for each core.
"""

from __future__ import annotations

MOST = 8


def width(cores: float, waiting: float) -> int:
    """Say how many trials to run side by side, at least 1.

    `waiting` is the share of a trial's seconds, from 0 to 1, in which none of its processes computes: of what
    finished trials took, with the machine to themselves, less their CPU seconds. Seconds that a trial spent
    waiting for a core are not meant; where they count in, the share is too high.
    """
    share = min(max(waiting, 0.0), 1.0)
    wanted = cores * (1 + share) / (1 - share) if share < 1 else cores * MOST
    return max(1, round(min(wanted, cores * MOST)))
