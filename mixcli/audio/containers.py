"""What a container's own header says of its audio data: RIFF, RF64, W64, AIFF, CAF and AU.

Decoders read what is there and stay silent about what is missing; comparing these figures with the file's
size tells. Sources: Microsoft RIFF (1991), EBU Tech 3306 (RF64), Sonic Foundry Wave 64, Apple AIFF-C (1991)
and CAF 1.0, EBU Tech 3285 (bext).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

OPEN_SIZE = 0xFFFFFFFF  # a length not known when the header was written (streams), or found in ds64 (RF64)
MAX_CHUNKS = 10_000  # a file of more is hostile; real ones have some dozens
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # ends the names of all other Wave 64 chunks
BEXT_TIME_REFERENCE = 338  # bytes before it: description, originator, reference, date, time


@dataclass(frozen=True, kw_only=True)
class DataChunk:
    """Where the audio data of a file starts, and how long its header says they are.

    `declared` is in bytes, None where the header leaves the length open; `rest` are the bytes from `start`
    to the end of the file; `followed` says that a further chunk comes right after an empty one.
    `time_reference` is the start time of a Broadcast Wave file, in samples since midnight.
    """

    start: int
    declared: int | None
    rest: int
    followed: bool
    time_reference: int | None


@dataclass(frozen=True)
class _Layout:
    first: int  # bytes from the start of the container to its first chunk
    header: int  # bytes of a chunk's header
    size_format: str  # of the size field, at the end of the header
    align: int  # chunks start at multiples of this
    data: bytes
    data_preamble: int = 0  # bytes at the start of the data chunk that are no audio
    size_has_header: bool = False


_RIFF = _Layout(12, 8, "<I", 2, b"data")
_RIFX = _Layout(12, 8, ">I", 2, b"data")
_W64 = _Layout(40, 24, "<Q", 8, b"data", size_has_header=True)
_AIFF = _Layout(12, 8, ">I", 2, b"SSND", data_preamble=8)
_CAF = _Layout(8, 12, ">q", 1, b"data", data_preamble=4)


def find_data_chunk(file: BinaryIO, n_bytes: int) -> DataChunk | None:
    """The data chunk of a chunked container of `n_bytes`, or None for other formats and damaged headers."""
    base = skip_id3(file)
    head = _read_at(file, base, 40)
    if head[:4] in (b".snd", b"dns."):
        return _au_data(head, base, n_bytes)
    layout = _layout_of(head)
    return None if layout is None else _walk(file, layout, base, n_bytes)


def skip_id3(file: BinaryIO) -> int:
    """Length of an ID3v2 tag at the start of a file, 0 without one."""
    head = _read_at(file, 0, 10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for septet in head[6:10]:
        size = size << 7 | septet & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _layout_of(head: bytes) -> _Layout | None:
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _RIFF
    if head[:4] == b"RIFX" and head[8:12] == b"WAVE":
        return _RIFX
    if head[:16] == W64_RIFF and head[24:28] == b"wave":
        return _W64
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _AIFF
    return _CAF if head[:4] == b"caff" else None


def _walk(file: BinaryIO, layout: _Layout, base: int, n_bytes: int) -> DataChunk | None:
    start: int | None = None
    declared: int | None = None
    followed = False
    rf64_size: int | None = None
    time_reference: int | None = None
    for name, body, size in _chunks(file, layout, base, n_bytes):
        if start is not None:
            followed = True
        if name == b"ds64":
            rf64_size = _unpack_at(file, "<8xQ", body)
        elif name == b"bext":
            time_reference = _unpack_at(file, "<Q", body + BEXT_TIME_REFERENCE)
        elif name == layout.data and start is None:
            start, declared = body + layout.data_preamble, size - layout.data_preamble
            if layout is _AIFF:
                start += (
                    _unpack_at(file, ">I", body) or 0
                )  # offset to the first sample frame, inside the chunk
                declared -= start - body - layout.data_preamble
            if size == OPEN_SIZE and layout in (_RIFF, _RIFX):
                declared = rf64_size if rf64_size is not None else -1
            elif size < 0:
                declared = -1
    if start is None:
        return None
    return DataChunk(
        start=start,
        declared=None if declared is None or declared < 0 else declared,
        rest=max(n_bytes - start, 0),
        followed=followed,
        time_reference=time_reference,
    )


def _chunks(file: BinaryIO, layout: _Layout, base: int, n_bytes: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start of the body and declared size of each chunk, up to the end of the file or of sense."""
    position = base + layout.first
    n_size = struct.calcsize(layout.size_format)
    for _ in range(MAX_CHUNKS):
        header = _read_at(file, position, layout.header)
        if len(header) < layout.header or not _is_name(header, layout):
            return
        (size,) = struct.unpack(layout.size_format, header[-n_size:])
        size -= layout.header if layout.size_has_header else 0
        body = position + layout.header
        yield header[:4], body, size
        if size < 0 or body + size > n_bytes:
            return
        position = base + -(-(body + size - base) // layout.align) * layout.align


def _is_name(header: bytes, layout: _Layout) -> bool:
    if layout is _W64 and header[4:16] != W64_TAIL:
        return False
    return all(0x20 <= byte < 0x7F for byte in header[:4])


def _au_data(head: bytes, base: int, n_bytes: int) -> DataChunk:
    order: Literal[">", "<"] = ">" if head[:4] == b".snd" else "<"
    offset, size = struct.unpack(f"{order}4xII", head[:12].ljust(12, b"\0"))
    return DataChunk(
        start=base + offset,
        declared=None if size == OPEN_SIZE else size,
        rest=max(n_bytes - base - offset, 0),
        followed=False,
        time_reference=None,
    )


def _read_at(file: BinaryIO, position: int, n_bytes: int) -> bytes:
    file.seek(position)
    return file.read(n_bytes)


def _unpack_at(file: BinaryIO, layout: str, position: int) -> int | None:
    """One number, or None where the file ends before it."""
    raw = _read_at(file, position, struct.calcsize(layout))
    if len(raw) < struct.calcsize(layout):
        return None
    value: int = struct.unpack(layout, raw)[0]
    return value
