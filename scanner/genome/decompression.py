"""Reading a file or a stream once, from front to end, whatever compresses it.

The first bytes say what it is, not its name. Nothing seeks, so that pipes do as well as files.
"""

from __future__ import annotations

import bz2
import itertools
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from premir.scanner.errors import InputError

_RAW = 1 << 18
"""Bytes taken from the source at a time."""
_BLOCK = 1 << 20
"""Most bytes that are decompressed at a time, so that no input fills the memory."""
_HEAD = 18
"""Bytes that tell what a source is; a BGZF block says so up to byte 14."""
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends every BGZF file (SAM specification, section 4.1.2)."""
_REFUSED = {
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"\x1f\x9d": "compressed by the program compress; unpack it first (uncompress)",
    b"\xff\xfe": "UTF-16 text; save it as plain ASCII or UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as plain ASCII or UTF-8",
}
"""What people take for FASTA and no reader does, by first bytes."""


class _Decoder(Protocol):
    """What the decompressors of bz2, lzma and zstd have in common: one member of a file."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's decompressor of one gzip member, in the shape of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes:
        block = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = not self._inner.unconsumed_tail
        return block


def _zstd() -> _Decoder:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    # zstd --long=31 asks readers for windows beyond the usual 128 MB.
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 31})


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    magic: bytes
    decoder: Callable[[], _Decoder]


_KINDS = (
    _Kind("gzip", b"\x1f\x8b", _Gzip),
    _Kind("bzip2", b"BZh", bz2.BZ2Decompressor),
    _Kind("xz", b"\xfd7zXZ\0", partial(lzma.LZMADecompressor, lzma.FORMAT_XZ)),
    _Kind("zstd", b"\x28\xb5\x2f\xfd", _zstd),
)


def read_blocks(path: Path, *, expected: str = "FASTA") -> Iterator[bytes]:
    """Read a source from front to end in bounded memory, decompressed.

    Args:
        path: plain, gzip, bgzip, bzip2, xz or zstd, of any number of members; ``-`` for standard
            input.
        expected: what it should hold, for messages.

    Yields:
        Its bytes in pieces, none of them empty.

    Raises:
        InputError: missing, empty, truncated, damaged, or of a kind that is not read.
    """
    try:
        with _open(path, expected) as raw:
            head = raw.read(_HEAD)
            if not head:
                raise InputError(f"{path}: file is empty; expected {expected}")
            for magic, what in _REFUSED.items():
                if head.startswith(magic):
                    raise InputError(f"{path}: is {what}")
            chunks: Iterator[bytes] = itertools.chain([head], iter(partial(raw.read, _RAW), b""))
            for kind in _KINDS:
                if head.startswith(kind.magic):
                    chunks = _decompress(path, _watch_end(path, chunks, head), kind)
            yield from chunks
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _open(path: Path, expected: str) -> AbstractContextManager[IO[bytes]]:
    if str(path) == "-":
        if sys.stdin is None:
            raise InputError("-: standard input is closed")
        return nullcontext(sys.stdin.buffer)
    if path.is_dir():
        raise InputError(f"{path}: is a directory, not a {expected} file")
    return path.open("rb")


def _watch_end(path: Path, chunks: Iterable[bytes], head: bytes) -> Iterator[bytes]:
    """Pass a bgzip file's bytes on, and fail where its last block is missing."""
    is_bgzf = head[3:4] == b"\x04" and head[12:14] == b"BC"
    tail = b""
    for chunk in chunks:
        tail = (tail + chunk[-len(_BGZF_END) :])[-len(_BGZF_END) :]
        yield chunk
    if is_bgzf and tail != _BGZF_END:
        raise InputError(f"{path}: bgzip end-of-file block is missing: truncated; fetch it again")


def _decompress(path: Path, chunks: Iterable[bytes], kind: _Kind) -> Iterator[bytes]:
    """Decompress members one after another; zeros between and after them are padding."""
    decoder: _Decoder | None = None
    for data in chunks:
        while data or (decoder is not None and not decoder.needs_input):
            if decoder is None:
                data = data.lstrip(b"\0")
                if not data:
                    break
                decoder = kind.decoder()
            block, data, decoder = _step(path, data, kind, decoder)
            if block:
                yield block
    if decoder is not None:
        raise _damaged(path, kind, "it ends too early")


def _step(
    path: Path, data: bytes, kind: _Kind, decoder: _Decoder
) -> tuple[bytes, bytes, _Decoder | None]:
    """Return the next bytes, input beyond the member's end, and the decoder if it goes on."""
    try:
        block = decoder.decompress(data, _BLOCK)
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, kind, str(error)) from error
    except Exception as error:  # ZstdError, whose module is loaded only where it is needed
        if type(error).__name__ != "ZstdError":
            raise
        raise _damaged(path, kind, str(error)) from error
    return (block, decoder.unused_data, None) if decoder.eof else (block, b"", decoder)


def _damaged(path: Path, kind: _Kind, why: str) -> InputError:
    return InputError(
        f"{path}: {kind.name} data are truncated or damaged ({why}); fetch the file again"
    )
