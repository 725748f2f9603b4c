"""How long a packet stream really is: MPEG audio frames counted one by one, and the last Ogg page.

An MP3 file without a Xing header has no stated length, and decoders guess it from the first frame's bit
rate; an Ogg file cut short simply ends earlier. Sources: ISO/IEC 11172-3 2.4.1.3 and 13818-3 (frame
header), RFC 3533 (Ogg pages); the Xing, Info and VBRI headers are conventions of encoders.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

# kbit/s by index 1…14, for layers I, II, III of MPEG-1 and for I, II/III of MPEG-2 and 2.5
_RATES_V1 = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_RATES_V2_LAYER1 = (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_RATES_V2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLE_RATES_V1 = (44_100, 48_000, 32_000)
_VERSIONS = {3: 1, 2: 2, 0: 4}  # version bits: what the sample rates of MPEG-1 are divided by
RESYNC_BYTES = 65_536
TRAILERS = (b"TAG", b"APE", b"ID3", b"LYR", b"3DI")


@dataclass(frozen=True, kw_only=True)
class MpegLength:
    """What the frames of an MP3 file add up to.

    `n_declared` are the samples that a Xing, Info or VBRI header promises, None without one. `whole` is
    false when the file ends inside a frame, `constant_rate` true when all frames have one bit rate.
    """

    sample_rate: int
    n_samples: int
    n_declared: int | None
    constant_rate: bool
    whole: bool


@dataclass(frozen=True)
class _Frame:
    n_bytes: int
    n_samples: int
    sample_rate: int
    bit_rate: int
    side_bytes: int  # bytes from the frame's start to a Xing header


def measure_mpeg(file: BinaryIO, start: int, n_bytes: int) -> MpegLength | None:
    """Count the frames of an MP3 file from `start`; None where none is or the bit rate is a free one."""
    position = _resync(file, start, n_bytes)
    first = None if position is None else _frame_at(file, position)
    if first is None or position is None:
        return None
    n_declared = _declared_frames(file, position, first)
    n_frames = 0 if n_declared is None else -1  # a frame that holds the header holds no sound
    bit_rates: set[int] = set()
    whole = True
    while position is not None and position + 4 <= n_bytes:
        frame = _frame_at(file, position)
        if frame is None or frame.sample_rate != first.sample_rate:
            position = None if _is_trailer(file, position) else _resync(file, position + 1, n_bytes)
            continue
        whole = position + frame.n_bytes <= n_bytes
        n_frames += whole
        if n_frames > 0:
            bit_rates.add(frame.bit_rate)
        position += frame.n_bytes
    return MpegLength(
        sample_rate=first.sample_rate,
        n_samples=max(n_frames, 0) * first.n_samples,
        n_declared=None if n_declared is None else n_declared * first.n_samples,
        constant_rate=len(bit_rates) <= 1,
        whole=whole,
    )


def ogg_is_whole(file: BinaryIO, n_bytes: int) -> bool:
    """Whether an Ogg file ends with a complete page that is marked as the last of its stream."""
    start = max(n_bytes - 2 * 65_307, 0)  # 65,307 bytes are the longest page: the last one starts within
    file.seek(start)
    tail = file.read()
    position = tail.rfind(b"OggS")
    if position < 0 or position + 27 > len(tail):
        return False
    header = tail[position : position + 27]
    n_segments = header[26]
    sizes = tail[position + 27 : position + 27 + n_segments]
    complete = len(sizes) == n_segments and position + 27 + n_segments + sum(sizes) <= len(tail)
    return complete and bool(header[5] & 0x04)


def _frame_at(file: BinaryIO, position: int) -> _Frame | None:
    file.seek(position)
    raw = file.read(4)
    if len(raw) < 4 or raw[0] != 0xFF or raw[1] & 0xE0 != 0xE0:
        return None
    version, layer = raw[1] >> 3 & 3, 4 - (raw[1] >> 1 & 3)
    rate_index, sample_rate_index = raw[2] >> 4, raw[2] >> 2 & 3
    if version == 1 or layer == 4 or not 0 < rate_index < 15 or sample_rate_index == 3:
        return None
    is_v1 = version == 3
    bit_rates = _RATES_V1[layer] if is_v1 else _RATES_V2_LAYER1 if layer == 1 else _RATES_V2
    bit_rate = bit_rates[rate_index - 1] * 1000
    sample_rate = _SAMPLE_RATES_V1[sample_rate_index] // _VERSIONS[version]
    n_samples = 384 if layer == 1 else 576 if layer == 3 and not is_v1 else 1152
    padding = raw[2] >> 1 & 1
    slot = 4 if layer == 1 else 1
    n_bytes = (n_samples // 8 // slot * bit_rate // sample_rate + padding) * slot
    is_mono = raw[3] >> 6 == 3
    side = (17 if is_mono else 32) if is_v1 else (9 if is_mono else 17)
    return _Frame(n_bytes, n_samples, sample_rate, bit_rate, 4 + side)


def _declared_frames(file: BinaryIO, position: int, frame: _Frame) -> int | None:
    file.seek(position)
    raw = file.read(frame.n_bytes)
    xing = raw[frame.side_bytes : frame.side_bytes + 12]
    if xing[:4] in (b"Xing", b"Info") and len(xing) == 12 and xing[7] & 1:
        return int(struct.unpack(">I", xing[8:])[0])
    if raw[36:40] == b"VBRI" and len(raw) >= 54:
        return int(struct.unpack(">I", raw[50:54])[0])
    return None


def _is_trailer(file: BinaryIO, position: int) -> bool:
    file.seek(position)
    return file.read(3) in TRAILERS


def _resync(file: BinaryIO, position: int, n_bytes: int) -> int | None:
    """The next place where a frame is followed by another or by the end of the file, if within reach."""
    file.seek(position)
    window = file.read(RESYNC_BYTES)
    offset = window.find(0xFF)
    while offset >= 0:
        frame = _frame_at(file, position + offset)
        if frame is not None:
            following = position + offset + frame.n_bytes
            if following >= n_bytes or _frame_at(file, following) is not None or _is_trailer(file, following):
                return position + offset
        offset = window.find(0xFF, offset + 1)
    return None
