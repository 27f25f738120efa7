"""How many processors this process may use: those that it is bound to, and no more than a container's share."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def usable_processors(cgroups: Path = CGROUPS) -> int:
    """Give how many processors are worth a worker: at least one, a part of one counts as one."""
    there = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        there = len(os.sched_getaffinity(0))
    share = container_share(cgroups)
    return max(1, there if share is None else min(there, math.ceil(share)))


def container_share(cgroups: Path) -> float | None:
    """Give the processors that a container may use on average; None where it has no limit, or none is told."""
    try:
        quota, period = (cgroups / "cpu.max").read_text(encoding="ascii").split()  # version 2
    except (OSError, ValueError):
        try:
            quota = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()  # version 1
            period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:  # "max", or -1: no limit
        return None
    return int(quota) / int(period)
