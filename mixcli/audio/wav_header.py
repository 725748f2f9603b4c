"""The header of a WAV file, RIFF or RF64, in bytes.

Sources: Microsoft "New Multimedia Data Types" (1994) for WAVE_FORMAT_PCM and IEEE_FLOAT with its fact
chunk; EBU Tech 3306 v1.1 for RF64; EBU Tech 3285 v2 for bext.

16 and 24 bit are written as plain WAVE_FORMAT_PCM: the standard wants WAVE_FORMAT_EXTENSIBLE above 16 bits,
but only to tell apart containers that are not filled and speaker layouts, which mono and stereo do not
need, and every workstation opens the plain form. The chunk that a RF64 header needs is reserved as JUNK, so
that the header keeps its length whatever the file's size turns out to be.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FORMAT_PCM, FORMAT_IEEE_FLOAT = 1, 3
RIFF_LIMIT = 2**32 - 1  # bytes that a 32-bit size can count
IN_DS64 = 0xFFFFFFFF
DS64_BYTES = 28
LOUDNESS_UNKNOWN = 0x7FFF

TagName = Literal["title", "artist", "album", "genre", "date", "comment", "copyright", "software"]
INFO_CHUNKS: dict[TagName, bytes] = {
    "title": b"INAM",
    "artist": b"IART",
    "album": b"IPRD",
    "genre": b"IGNR",
    "date": b"ICRD",
    "comment": b"ICMT",
    "copyright": b"ICOP",
    "software": b"ISFT",
}


@dataclass(frozen=True, kw_only=True)
class BroadcastExtension:
    """The bext chunk, version 2. Texts are ASCII and cut to their fields; None stands for a value not known.

    `date` is "YYYY-MM-DD", `time` "HH:MM:SS", both empty unless given: files carry no clock of their own.
    `time_reference` is in samples since midnight.
    """

    description: str = ""
    originator: str = ""
    originator_reference: str = ""
    date: str = ""
    time: str = ""
    time_reference: int = 0
    loudness_lufs: float | None = None
    loudness_range_lu: float | None = None
    max_true_peak_dbtp: float | None = None
    max_momentary_lufs: float | None = None
    max_short_term_lufs: float | None = None
    coding_history: str = ""


def wav_header(
    *,
    sample_rate: int,
    n_channels: int,
    bits: int,
    is_float: bool,
    n_samples: int,
    extra_chunks: bytes = b"",
    riff_limit: int = RIFF_LIMIT,
) -> bytes:
    """All bytes before the samples; of one length for any `n_samples`.

    `extra_chunks` come before the data. A file whose RIFF size would pass `riff_limit` gets a RF64 header.
    """
    frame_bytes = n_channels * bits // 8
    n_data = n_samples * frame_bytes
    format_tag = FORMAT_IEEE_FLOAT if is_float else FORMAT_PCM
    fields = (format_tag, n_channels, sample_rate, sample_rate * frame_bytes, frame_bytes, bits)
    format_body = struct.pack("<HHIIHH", *fields)
    format_body += struct.pack("<H", 0) if is_float else b""  # the size of an extension that is not there
    chunks = chunk(b"fmt ", format_body)
    chunks += chunk(b"fact", struct.pack("<I", min(n_samples, IN_DS64))) if is_float else b""
    chunks += extra_chunks
    n_riff = 4 + 8 + DS64_BYTES + len(chunks) + 8 + n_data + n_data % 2
    if n_riff > riff_limit:
        name, riff_size, data_size = b"RF64", IN_DS64, IN_DS64
        first = chunk(b"ds64", struct.pack("<QQQI", n_riff, n_data, n_samples, 0))
    else:
        name, riff_size, data_size = b"RIFF", n_riff, n_data
        first = chunk(b"JUNK", bytes(DS64_BYTES))
    start = name + struct.pack("<I", riff_size) + b"WAVE"
    return start + first + chunks + b"data" + struct.pack("<I", data_size)


def info_chunk(tags: Mapping[TagName, str]) -> bytes:
    """A LIST chunk of type INFO with texts in UTF-8, in a fixed order; empty without tags."""
    entries = b"".join(
        chunk(name, tags[tag].encode("utf-8", "replace") + b"\0")
        for tag, name in INFO_CHUNKS.items()
        if tag in tags
    )
    return chunk(b"LIST", b"INFO" + entries) if entries else b""


def bext_chunk(extension: BroadcastExtension) -> bytes:
    """The chunk of a Broadcast Wave file, 602 bytes and the coding history."""
    loudness = (
        extension.loudness_lufs,
        extension.loudness_range_lu,
        extension.max_true_peak_dbtp,
        extension.max_momentary_lufs,
        extension.max_short_term_lufs,
    )
    body = struct.pack(
        "<256s32s32s10s8sQH64x5h180x",
        _ascii(extension.description),
        _ascii(extension.originator),
        _ascii(extension.originator_reference),
        _ascii(extension.date),
        _ascii(extension.time),
        extension.time_reference,
        2,
        *(_hundredths(value) for value in loudness),
    )
    return chunk(b"bext", body + _ascii(extension.coding_history))


def chunk(name: bytes, body: bytes) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def _hundredths(value: float | None) -> int:
    """Rounded to the nearest hundredth, as the standard says; not finite or beyond ±99.99 is not known."""
    if value is None or not math.isfinite(value) or abs(value) >= 99.995:
        return LOUDNESS_UNKNOWN
    return round(100 * value)
