"""Folders for the time being: gone with their owner, at the latest when the next one comes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from premir.scanner.scratch import scratch_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from premir.scanner.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_is_private_and_goes_also_when_something_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch_folder(tmp_path) as folder:
            assert folder.parent == tmp_path
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            (folder / "file").touch()
            (folder / "link").symlink_to(tmp_path)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_owner_left_goes_and_all_else_stays(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -9
    (dead,) = tmp_path.iterdir()
    foreign = tmp_path / "premir-of-somebody-else"
    foreign.mkdir()
    (foreign / "lock").touch()
    with scratch_folder(tmp_path) as living:
        assert not dead.exists()
        with scratch_folder(tmp_path) as another:
            assert living.exists()
            assert another != living
    assert list(tmp_path.iterdir()) == [foreign]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_folders_of_other_users_stay(tmp_path: Path) -> None:
    theirs = tmp_path / "premir-theirs"
    theirs.mkdir()
    (theirs / "premir.lock").touch()
    os.chown(theirs / "premir.lock", 12345, 12345)
    with scratch_folder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == [theirs]
