"""Outputs: what they may be, what they must not be, and the one way in which they are written.

A regular file appears whole, under its name, or does not change at all; a symbolic link stays, and
the file that it leads to is written. stdout (``-``), pipes and character devices get the text as
it is made, and are never replaced by files. ``.gz`` and ``.bgz`` are compressed as bgzip does it.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TextIO, TypeAlias

from premir.scanner.errors import InputError
from premir.scanner.files import naming, sweep, temporary_name, whole_file
from premir.scanner.scratch import scratch_folder
from premir.scanner.streams import STDIN, STDOUT, descriptor_of, is_stream, status_of

Named: TypeAlias = tuple[str, Path]
"""A file or folder, and the option that asks for it, for messages."""


@dataclass(frozen=True, slots=True)
class Tabix:
    """How a sorted file is indexed where it is compressed.

    Attributes:
        preset: of tabix, which says where places stand in a line.
        longest_contig: its length, which decides whether the index is a TBI or a CSI.
    """

    preset: Literal["bed", "gff"]
    longest_contig: int

    @property
    def csi(self) -> bool:
        """Whether contigs are too long for a TBI index."""
        return self.longest_contig >= _CSI_LENGTH


_COMPRESSED = frozenset({".gz", ".bgz"})
_NOT_WRITTEN = frozenset({".bgzf", ".bz2", ".lz4", ".xz", ".zip", ".zst", ".z"})
_FORM: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n"}
_CSI_LENGTH = 1 << 29
"""Contigs of this length and more do not fit a TBI index (SAM specification)."""


def is_compressed(path: Path) -> bool:
    """Tell whether what is written there is compressed."""
    return path.suffix.lower() in _COMPRESSED


def beside(path: Path, suffix: str) -> Path | None:
    """Return the name with a suffix added, None beside a stream, where nothing can be put."""
    return None if is_stream(path) else path.parent / (path.name + suffix)


def indices(path: Path) -> list[Path]:
    """Return what the index of a file may be called: none if it is not compressed."""
    if not is_compressed(path) or is_stream(path):
        return []
    return [path.with_name(path.name + suffix) for suffix in (".tbi", ".csi")]


def check_apart(
    inputs: Iterable[Named], outputs: Iterable[Named], places: Iterable[Named] = ()
) -> None:
    """Refuse outputs that would overwrite an input or one another, before anything is opened.

    Files are compared by where their names lead and by inode, so that links and detours do not hide
    what they are. Pipes and devices may repeat; stdout may not.

    Args:
        inputs: files that are read; ``-`` is stdin.
        outputs: files that are written; ``-`` is stdout.
        places: run directories, which may be, hold and lie in none of these files.

    Raises:
        InputError: names both options.
    """
    folders = {_real(path): (option, path) for option, path in places}
    taken: dict[object, Named] = {}
    for option, path in inputs:
        _refuse_inside(option, path, folders)
        taken.update(dict.fromkeys(_identities(path, stream=STDIN), (option, path)))
    for option, path in outputs:
        _refuse_inside(option, path, folders)
        keys = _identities(path, stream=STDOUT)
        for key in keys:
            if key not in taken:
                continue
            if key == "stdout":
                raise InputError(
                    f"{option} {path}: stdout is taken by {taken[key][0]}; give a file"
                )
            _refuse(option, path, *taken[key], "is the same file as")
        taken.update(dict.fromkeys(keys, (option, path)))
    for real, (option, path) in folders.items():
        for folder in real.parents:
            if folder in taken and not folder.is_dir():
                _refuse(option, path, *taken[folder], "lies in")


def check_writable(path: Path) -> None:
    """Fail early, before hours are spent, where an output cannot be written.

    Raises:
        InputError: the folder is missing or closed to us, or the path is of a wrong kind.
        BrokenPipeError: it is stdout, which is closed.
    """
    if path.suffix.lower() in _NOT_WRITTEN:
        raise InputError(f"{path}: {path.suffix} cannot be written; .gz and .bgz can")
    number = descriptor_of(path)
    if number == STDOUT:
        _stdout()
        return
    try:
        if number is not None:
            if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        if (status := status_of(path)) is not None:
            _check_kind(path, status.st_mode)
        if not is_stream(path):
            probe = temporary_name(_target(path))
            probe.touch()
            probe.unlink()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be written: {reason}") from error


def _check_kind(path: Path, mode: int) -> None:
    """Refuse to write what is there where that cannot be, or may not be."""
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a directory; give a file name")
    if not any(kind(mode) for kind in (stat.S_ISREG, stat.S_ISFIFO, stat.S_ISCHR)):
        raise InputError(f"{path}: is no file, pipe or character device; give another name")
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def check_log(path: Path) -> None:
    """Refuse a log file that cannot be one: it grows line by line, as plain text.

    Raises:
        InputError: stdout by ``-``, or a compressed file.
    """
    if str(path) == "-":
        raise InputError("--log-file -: messages go to stderr by themselves; give a file")
    if path.suffix.lower() in _COMPRESSED | _NOT_WRITTEN:
        raise InputError(f"--log-file {path}: a log is plain text; leave out {path.suffix}")


def sweep_output(path: Path) -> None:
    """Remove what killed processes left beside an output; none may be writing it now."""
    if not is_stream(path):
        for file in (path, *indices(path)):
            sweep(_target(file))


@contextmanager
def writing(path: Path, *, tabix: Tabix | None = None) -> Iterator[TextIO]:
    """Give a handle for the text of an output.

    Args:
        path: where it goes; ``-`` is stdout.
        tabix: how an index is made beside it if it is a compressed file; None for what has none.

    Yields:
        The handle. When the block ends without an error, all is written; when it ends with one, a
        regular file is as it was before.

    Raises:
        BrokenPipeError: whoever read a pipe, or stdout, has gone.
        OSError: names the output.
    """
    number = descriptor_of(path)
    if number == STDOUT:
        with naming(Path("stdout"), path):
            handle = _stdout()
            yield handle
            handle.flush()
    elif is_stream(path):
        with naming(path, path), _open_stream(path, number) as raw, scratch_folder() as folder:
            with _text(path, raw, folder / "text") as handle:
                yield handle
    else:
        with _whole(path, tabix) as handle:
            yield handle


@contextmanager
def _whole(path: Path, tabix: Tabix | None) -> Iterator[TextIO]:
    target = _target(path)
    with ExitStack() as stack:
        index = None
        if tabix is not None and is_compressed(path):
            # Entered first, it is put in place last: an index speaks of a file that is there.
            index = stack.enter_context(whole_file(_target(indices(path)[tabix.csi])))
        temporary = stack.enter_context(whole_file(target))
        raw = stack.enter_context(temporary.open("wb"))
        if (status := status_of(target)) is not None:
            temporary.chmod(stat.S_IMODE(status.st_mode))
        with _text(path, raw, target) as handle:
            yield handle
        raw.close()
        if tabix is not None and index is not None:
            _index(temporary, index, tabix)
            for old in indices(path):
                old.unlink(missing_ok=True)


def _index(file: Path, index: Path, tabix: Tabix) -> None:
    import pysam

    pysam.tabix_index(
        str(file),
        preset=tabix.preset,
        force=True,
        keep_original=True,
        csi=tabix.csi,
        index=str(index),
    )


@contextmanager
def _text(path: Path, raw: io.BufferedWriter, near: Path) -> Iterator[TextIO]:
    """Give a handle for text that goes into a binary stream; bad names must not end a scan.

    What is to be compressed is a plain file first, for the time being: htslib reads nothing else.
    """
    if not is_compressed(path):
        with io.TextIOWrapper(raw, **_FORM) as handle:
            yield handle
        return
    import pysam

    plain, packed = temporary_name(near), temporary_name(near)
    try:
        with plain.open("w", **_FORM) as handle:
            yield handle
        pysam.tabix_compress(str(plain), str(packed), force=True)
        with packed.open("rb") as whole:
            shutil.copyfileobj(whole, raw)
    finally:
        plain.unlink(missing_ok=True)
        packed.unlink(missing_ok=True)


def _open_stream(path: Path, number: int | None) -> io.BufferedWriter:
    return path.open("wb") if number is None else os.fdopen(os.dup(number), "wb")


def _stdout() -> TextIO:
    """Return stdout, set up for the bytes that a file would get."""
    stream: TextIO | None = sys.stdout
    if stream is None or stream.closed:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE), "stdout")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    return stream


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _target(path: Path) -> Path:
    """Return the regular file that a path leads to, by the name that was given if it is no link."""
    return _real(path) if path.is_symlink() else path


def _identities(path: Path, *, stream: int) -> list[object]:
    """Return all that tells a file from others: nothing of pipes and devices, which may repeat."""
    number = stream if str(path) == "-" else descriptor_of(path)
    keys: list[object] = ["stdout"] if number == STDOUT else []
    try:
        status = path.stat() if number is None else os.fstat(number)
    except (OSError, ValueError):
        return keys if number is not None else [_real(path)]
    if stat.S_ISREG(status.st_mode):
        keys.append((status.st_dev, status.st_ino))
    if number is None and not is_stream(path):
        keys.append(_real(path))
    return keys


def _refuse_inside(option: str, path: Path, folders: dict[Path, Named]) -> None:
    if not folders or is_stream(path):
        return
    real = _real(path)
    for folder in (real, *real.parents):
        if folder in folders:
            how = "is the same as" if folder == real else "lies in"
            _refuse(option, path, *folders[folder], how)


def _refuse(option: str, path: Path, other: str, other_path: Path, how: str) -> NoReturn:
    raise InputError(f"{path}: {option} {how} {other} ({other_path}); choose another name")
