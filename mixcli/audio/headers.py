"""What the headers of an audio file say, compared with what the file holds."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mixcli.audio.containers import DataChunk, find_data_chunk, skip_id3
from mixcli.audio.opening import cut_short, open_regular, open_sound, unreadable
from mixcli.audio.packets import measure_mpeg, ogg_is_whole
from mixcli.audio.wording import clock_times, display_name, size_text
from mixcli.errors import SongError

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 384_000
MAX_SAMPLES = 2**48  # decoders say more where they know no length
RIFF_MAX_BYTES = 2**32
AAC_SUFFIXES = (".m4a", ".aac", ".mp4")


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """What the headers of one audio file say.

    `container` and `subtype` are "WAV", "FLAC", … and "PCM_24", "FLOAT", …; `n_bytes` is the file's size;
    `time_reference` the start time of a Broadcast Wave file in samples since midnight, None without one.
    """

    path: Path
    sample_rate: int
    n_samples: int
    n_channels: int
    container: str
    subtype: str
    n_bytes: int
    time_reference: int | None


def read_info(path: Path) -> AudioInfo:
    """Read the headers of an audio file and compare them with its size, without decoding it.

    Raises SongError: E311 unreadable, empty or no audio; E312 cut short or unfinished; E313 AAC; E316
    sample rate outside 8 to 384 kHz. A file whose header leaves the length open (a stream) is taken to its
    end; one that holds no samples at all is valid, with `n_samples` 0.
    """
    with open_regular(path) as (descriptor, n_bytes):
        if n_bytes == 0:
            hint = f'0 bytes: re-export it, or --exclude "{display_name(path)}".'
            raise unreadable(path, "not a known audio format", hint=hint)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            head = file.read(12)
            if _is_aac(head):
                raise _aac(path)
            data = find_data_chunk(file, n_bytes)
            n_mpeg_samples = _check_packets(file, head, path, n_bytes)
        try:
            info = _ask_decoder(descriptor, path, n_bytes, data, n_mpeg_samples)
        except SongError:
            if path.suffix.lower() in AAC_SUFFIXES:
                raise _aac(path) from None
            if data is not None and data.declared is not None and data.declared > data.rest:
                there, whole = size_text(data.rest), size_text(data.declared)
                raise cut_short(path, f"{there} of {whole} are there") from None
            raise
    _check_info(info)
    if data is not None:
        _check_length(info, data)
    return info


def _ask_decoder(
    descriptor: int, path: Path, n_bytes: int, data: DataChunk | None, n_mpeg_samples: int | None
) -> AudioInfo:
    with open_sound(descriptor, path) as sound:
        return AudioInfo(
            path=path,
            sample_rate=sound.samplerate,
            # Without a length in the file, the decoder's is a guess that counts tags as sound.
            n_samples=sound.frames if n_mpeg_samples is None else min(sound.frames, n_mpeg_samples),
            n_channels=sound.channels,
            container="WAV" if sound.format == "WAVEX" else sound.format,
            subtype=sound.subtype,
            n_bytes=n_bytes,
            time_reference=None if data is None else data.time_reference,
        )


def _is_aac(head: bytes) -> bool:
    """MP4 files by their box, bare AAC by its sync word (ADTS: unlike in MP3 the layer bits are zero)."""
    return head[4:8] == b"ftyp" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0)


def _aac(path: Path) -> SongError:
    name = display_name(path)
    target = display_name(path.with_suffix(".wav"))
    return SongError(f'"{name}": AAC is not supported.', code="E313", hint=f'ffmpeg -i "{name}" "{target}"')


def _check_packets(file: BinaryIO, head: bytes, path: Path, n_bytes: int) -> int | None:
    """Refuse MP3 and Ogg files that are not whole; returns the length that an MP3 file's frames add up to."""
    start = skip_id3(file)
    file.seek(start)
    magic = file.read(4)
    if magic == b"OggS" and not ogg_is_whole(file, n_bytes):
        raise cut_short(path, "its last page is missing")
    is_mpeg = head[:3] == b"ID3" and magic not in (b"fLaC", b"RIFF", b"FORM")
    if not is_mpeg and not (magic[:1] == b"\xff" and magic[1:2] >= b"\xe0"):
        return None
    mpeg = measure_mpeg(file, start, n_bytes)
    if mpeg is None:
        return None
    if mpeg.n_declared is not None and mpeg.n_declared > mpeg.n_samples:
        header, end = clock_times(mpeg.n_declared / mpeg.sample_rate, mpeg.n_samples / mpeg.sample_rate)
        raise cut_short(path, f"header says {header}, data ends at {end}")
    if not mpeg.whole:
        raise cut_short(path, "its last frame is incomplete")
    if mpeg.n_declared is None and not mpeg.constant_rate:
        name, target = display_name(path), display_name(path.with_suffix(".wav"))
        hint = f'ffmpeg -i "{name}" "{target}"'
        raise unreadable(path, "MP3 of variable bit rate that does not say its length", hint=hint)
    return mpeg.n_samples if mpeg.n_declared is None else None


def _check_info(info: AudioInfo) -> None:
    if not LOWEST_RATE_HZ <= info.sample_rate <= HIGHEST_RATE_HZ:
        raise SongError(
            f'"{display_name(info.path)}" has a rate of {info.sample_rate} Hz; 8 to 384 kHz can be mixed.',
            code="E316",
            hint="re-export it at the rate of the session.",
        )
    if info.n_channels < 1 or not 0 <= info.n_samples < MAX_SAMPLES:
        raise unreadable(info.path, "its header does not say how much audio it holds")


def _declared_s(info: AudioInfo, declared: int, rest: int) -> float:
    """The length that a header states: exactly where samples have a fixed size, else in proportion."""
    size = rest // max(info.n_samples, 1)
    if size > 0 and rest - size * info.n_samples < size:
        return declared / size / info.sample_rate
    return info.n_samples / info.sample_rate * declared / max(rest, 1)


def _check_length(info: AudioInfo, data: DataChunk) -> None:
    """Compare the length that the header states with the bytes that are there."""
    there_s = info.n_samples / info.sample_rate
    if data.declared is None:
        return
    if data.declared > data.rest:
        header, end = clock_times(_declared_s(info, data.declared, data.rest), there_s)
        raise cut_short(info.path, f"header says {header}, data ends at {end}")
    if data.declared == 0 and data.rest > 0 and not data.followed:
        detail = f"the header says 0:00, but {size_text(data.rest)} of data follow"
        raise cut_short(info.path, detail, what="was not finished")
    if info.container == "WAV" and data.rest - data.declared >= RIFF_MAX_BYTES:
        raise unreadable(info.path, f"a plain WAV header cannot say the length of {size_text(info.n_bytes)}")
