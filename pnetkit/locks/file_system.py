"""On what kind of file system a folder lies: of this machine alone, or shared by machines."""

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
"""What the system says of its mounts: a Linux."""

SHARED = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "ceph", "beegfs", "fhgfs", "9p", "virtiofs", "afs"),
    *("glusterfs", "orangefs", "pvfs2", "panfs", "wekafs", "ocfs2", "gfs2", "vboxsf", "prl_fs", "fuse"),
}
"""What other machines may have too. What `fuse.NAME` reaches nobody can know, so each of them is taken as shared."""


def file_system_of(path: Path) -> str:
    """Give the type of the file system that a path lies or would lie on; empty where the system does not tell.

    A folder that is not there yet will lie where the nearest one above it does.
    """
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place, found, deepest = path.resolve(), "", -1
    for line in lines:  # 36 35 98:0 /of /mounted/at rw,noatime master:1 - ext3 /dev/root rw
        before, _, after = line.partition(" - ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), before.split()[4]))
        if place.is_relative_to(point) and len(point.parts) >= deepest:  # a later mount lies over an earlier one
            found, deepest = after.split()[0], len(point.parts)
    return found


def is_shared(file_system: str) -> bool:
    """Tell whether other machines may have a file system of this type too."""
    return file_system in SHARED or file_system.startswith("fuse.")
