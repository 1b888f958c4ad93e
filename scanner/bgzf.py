"""Writing BGZF, the gzip in blocks of bgzip (SAM specification, section 4.1).

pysam's own writer does not tell when the disk is full as its file is closed, and takes no stream.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_BLOCK = 0xFF00
"""Bytes of text in a block, as bgzip takes them: compressed they always stay below 64 KiB."""
_HEADER = struct.Struct("<4sI2BH2s2H")
_FOOTER = struct.Struct("<2I")


class BgzfWriter(io.BufferedIOBase):
    """Compresses into a binary stream, which closes with it; the same bytes give the same bytes."""

    def __init__(self, stream: io.BufferedWriter) -> None:
        super().__init__()
        self._stream = stream
        self._text = bytearray()

    @property
    def name(self) -> str:
        """Name of the stream."""
        return str(self._stream.name)

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: ReadableBuffer) -> int:
        """Take bytes; whole blocks are written."""
        self._text += text
        while len(self._text) >= _BLOCK:
            self._write_block(bytes(self._text[:_BLOCK]))
            del self._text[:_BLOCK]
        return memoryview(text).nbytes

    def close(self) -> None:
        """Write what is left and the empty block that ends the file."""
        if self.closed:
            return
        try:
            if self._text:
                self._write_block(bytes(self._text))
            self._write_block(b"")
        finally:
            self._text.clear()
            super().close()
            self._stream.close()

    def _write_block(self, text: bytes) -> None:
        deflate = zlib.compressobj(wbits=-15)
        packed = deflate.compress(text) + deflate.flush()
        size = _HEADER.size + len(packed) + _FOOTER.size
        self._stream.write(
            _HEADER.pack(b"\x1f\x8b\x08\x04", 0, 0, 0xFF, 6, b"BC", 2, size - 1)
            + packed
            + _FOOTER.pack(zlib.crc32(text), len(text))
        )
