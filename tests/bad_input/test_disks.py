"""Disks that are full or write-protected, and files that may not be read."""

import shlex
import shutil
import subprocess

import pytest
from bad_files import UNREADABLE
from bad_outputs import FULL, READ_ONLY
from case import make, one_line, snapshot

ROOM = "24k"


@pytest.fixture
def mount(tmp_path):
    """Mounts a disk of little room in the folder `small`, as the options given say."""
    folder = tmp_path / "small"

    def mounted(options):
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            folder.rmdir()
            pytest.skip("needs the right to mount a tmpfs")

    yield mounted
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)


def refused(lyra, folder, case):
    make(case.files, folder)
    before = snapshot(folder)
    status, out, err = lyra(*shlex.split(case.command))
    assert status == 2, err
    assert one_line(err, case).startswith("lyra-hf: ")
    after = snapshot(folder)
    if case.leaves is not None:
        left = [name.removeprefix(case.leaves) for name in after.keys() - before.keys()]
        assert all(name in ("", "/checkpoints") or name.startswith("/checkpoints/") for name in left), left
        after = {name: what for name, what in after.items() if not name.startswith(case.leaves)}
    assert after == before
    return out


@pytest.mark.parametrize("case", FULL, ids=[case.name for case in FULL])
def test_a_full_disk_is_left_empty(lyra, tmp_path, mount, case):
    mount(f"size={ROOM}")
    refused(lyra, tmp_path, case)


@pytest.mark.parametrize("case", READ_ONLY, ids=[case.name for case in READ_ONLY])
def test_a_read_only_disk_is_told_of(lyra, tmp_path, mount, case):
    mount("ro")
    refused(lyra, tmp_path, case)


@pytest.mark.parametrize("case", UNREADABLE, ids=[case.name for case in UNREADABLE])
def test_a_file_without_permission_is_told_of(lyra, tmp_path, case):
    probe = tmp_path / "probe"
    probe.touch(mode=0)
    try:
        probe.read_bytes()
        pytest.skip("needs a user whom permissions concern")
    except PermissionError:
        probe.unlink()
    assert refused(lyra, tmp_path, case) == ""
