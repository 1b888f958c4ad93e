"""Reads that the system gives in several pieces, as Linux does above 2^31 - 4096 bytes."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from premir.scanner.genome.letters import read_letters, read_whole


@pytest.mark.parametrize("sent, whole", [(300_000, True), (299_999, False), (0, False)])
def test_a_read_goes_on_until_it_is_whole(sent, whole):
    """A pipe holds 64 kB and gives what it has."""
    content = np.random.default_rng(0).integers(0, 256, sent).astype(np.uint8).tobytes()
    source, sink = os.pipe()

    def send():
        with os.fdopen(sink, "wb") as handle:
            handle.write(content)

    sender = threading.Thread(target=send)
    sender.start()
    into = np.zeros(300_000, np.uint8)
    with os.fdopen(source, "rb", buffering=0) as handle:
        assert read_whole(handle, into) == whole
    sender.join()
    assert into[:sent].tobytes() == content


@pytest.mark.faults
def test_more_than_two_gigabytes_are_read_at_once(tmp_path):
    size = 2**31 + 5000
    with (tmp_path / "genome.seq").open("wb") as handle:
        handle.seek(size - 3)  # of what lies before, the disk holds nothing
        handle.write(b"ACG")
    letters = read_letters(tmp_path / "genome.seq", 0, size)
    assert letters.size == size
    assert letters[-4:].tobytes() == b"\0ACG"
