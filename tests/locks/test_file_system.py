"""Tests of pnetkit.locks.file_system: what the system says of its mounts."""

from pathlib import Path

import pytest

from pnetkit.locks import file_system
from pnetkit.locks.file_system import file_system_of, is_shared

MOUNTS = r"""22 1 254:0 / / rw,relatime - ext4 /dev/root rw
31 22 0:28 / /data rw,relatime shared:1 - nfs4 server:/export rw,vers=4.2
32 31 8:1 / /data/local rw,relatime - xfs /dev/sda1 rw
33 22 0:30 / /with\040space rw - fuse.sshfs host:/ rw
34 22 0:31 / /auto rw,relatime - autofs systemd-1 rw
35 34 0:32 / /auto rw,relatime - lustre mgs@tcp:/work rw
"""


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/somewhere/else", "ext4"),
        ("/data", "nfs4"),
        ("/data/not/there/yet", "nfs4"),
        ("/database", "ext4"),
        ("/data/local/store", "xfs"),
        ("/with space/x", "fuse.sshfs"),
        ("/auto/x", "lustre"),
    ],
)
def test_a_path_lies_on_the_deepest_and_last_mount_above_it(tmp_path, monkeypatch, path, wanted):
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "mountinfo")
    assert file_system_of(Path(path)) == wanted


def test_a_system_that_tells_nothing_is_taken_as_having_disks(tmp_path, monkeypatch):
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "not there")
    assert file_system_of(tmp_path) == ""
    assert not is_shared("")


def test_what_networks_serve_is_shared_and_disks_are_not():
    assert all(is_shared(of) for of in ("nfs", "nfs4", "lustre", "gpfs", "cifs", "ceph", "9p", "fuse", "fuse.sshfs"))
    assert not any(is_shared(of) for of in ("ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "apfs"))
