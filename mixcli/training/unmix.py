"""Stems of a finished mix taken back to something like recordings, so that mixing them can be learned.

What the mix did to every stem is hidden by drawing it anew: width and side, spectrum, dynamics, a little
reverb, and level. The sum of the stems as they were is the target then.

Letters: T samples, C channels, H hops.

SOURCE: Martínez-Ramírez et al., "Automatic music mixing with deep learning and out-of-domain data", ISMIR
2022, which normalises the effects by averages of a data set; here they are randomised.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.convolution import StreamConvolver
from mixcli.audio.decibels import db_to_gain
from mixcli.audio.equaliser import HIGHEST_SHARE, BandKind, Equaliser, EqualiserBand
from mixcli.audio.files import read_info
from mixcli.audio.reverb import reverb_impulse_response
from mixcli.audio.writer import MixWriter
from mixcli.songs.song import Song, Stem
from mixcli.songs.stem_reader import StemReader
from mixcli.songs.survey import Survey
from mixcli.training.unmix_dynamics import BendDynamics
from mixcli.training.unmix_options import UnmixOptions

BLOCK = 65_536
SHELVES_HZ = ((80.0, 250.0), (3000.0, 8000.0))
BELL_HZ = (400.0, 2500.0)
KINDS: tuple[BandKind, ...] = ("low_shelf", "bell", "high_shelf")
PLATE_DECAY_S = (0.6, 2.5)
BENT_DB = 9.0  # the most that dynamics are turned up or down
PLATE_BAND_HZ = (150.0, 9000.0)

Block = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StemChange:
    """All that is done to one stem; levels in dB. `plate_seed` None is no reverb."""

    gain_db: float
    mono: bool
    width_db: float
    balance_db: float
    bands: tuple[EqualiserBand, ...]
    bend: float
    level_db: float  # of the stem as it was, where the bend turns
    plate_db: float
    plate_decay_s: float
    plate_seed: int | None


def draw_change(
    stem: Stem, survey: Survey, options: UnmixOptions, *, seed: int, song: str, variant: int
) -> StemChange:
    """Draw what is done to a stem: the same for the same seed, song, stem name and variant."""
    words = [zlib.crc32(text.encode("utf-8", "surrogateescape")) for text in (song, stem.name)]
    rng = np.random.default_rng([seed, variant, *words])
    loudness = survey.stems[stem.name].loudness_lufs
    level = loudness if np.isfinite(loudness) else options.level_lufs
    jitter, width, balance, bend = rng.uniform(-1, 1, 4)
    gains = rng.uniform(-1, 1, 3) * options.equaliser_db
    corners = [np.exp(rng.uniform(*np.log(span))) for span in (SHELVES_HZ[0], BELL_HZ, SHELVES_HZ[1])]
    shares = rng.uniform(0, 1, 2)
    plate, decay = rng.uniform(0, 1, 2)
    plate_seed = int(rng.integers(2**31))
    highest = HIGHEST_SHARE * stem.sample_rate
    return StemChange(
        gain_db=float(options.level_lufs - level + jitter * options.level_jitter_db),
        mono=bool(shares[0] < options.mono_share),
        width_db=float(width * options.width_db),
        balance_db=float(balance * options.balance_db),
        bands=tuple(
            EqualiserBand(kind, float(min(corner, highest)), float(gain))
            for kind, corner, gain in zip(KINDS, corners, gains, strict=True)
        ),
        bend=float(bend * options.dynamics),
        level_db=float(level),
        plate_db=float(options.reverb_db[0] + plate * (options.reverb_db[1] - options.reverb_db[0])),
        plate_decay_s=float(PLATE_DECAY_S[0] + decay * (PLATE_DECAY_S[1] - PLATE_DECAY_S[0])),
        plate_seed=plate_seed if shares[1] < options.reverb_share else None,
    )


def change_blocks(
    blocks: Iterator[Block], change: StemChange, sample_rate: int, n_channels: int
) -> Iterator[Block]:
    """A stem's sound [T, C] with a change applied; mono where it is folded, stereo where it has a plate."""
    n_out = 1 if change.mono else n_channels
    equaliser = Equaliser(change.bands, sample_rate, n_out)
    bend = BendDynamics(change.bend, change.level_db, sample_rate, most_db=BENT_DB)
    plate = None
    if change.plate_seed is not None:
        response_NC = reverb_impulse_response(
            sample_rate,
            kind="plate",
            decay_s=change.plate_decay_s,
            pre_delay_ms=0.0,
            low_cut_hz=PLATE_BAND_HZ[0],
            high_cut_hz=min(PLATE_BAND_HZ[1], HIGHEST_SHARE * sample_rate),
            seed=change.plate_seed,
        )
        plate = StreamConvolver(response_NC * np.float32(db_to_gain(change.plate_db)), n_out)
    gain = np.float32(db_to_gain(change.gain_db))
    for block_TC in blocks:
        placed_TC = _place(block_TC, change)
        sound_TC = equaliser.push(bend.push(placed_TC))
        if plate is not None:
            sound_TC = sound_TC + plate.push(sound_TC)
        yield (sound_TC * gain).astype(np.float32)


def unmix_song(
    song: Song,
    survey: Survey,
    folder: Path,
    options: UnmixOptions,
    *,
    seed: int,
    variant: int,
    repair: bool = False,
) -> Song:
    """The same song of changed stems, written to a folder as 32-bit float files, as long as before.

    Roles and names are kept. `survey` is that of the song as it is. Raises SongError, OutputError E502.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stems = []
    for number, stem in enumerate(song.stems):
        change = draw_change(stem, survey, options, seed=seed, song=song.name, variant=variant)
        path = folder / f"{number:03}.wav"
        _write_changed(stem, change, path, repair)
        attributes = {key: text for key, text in stem.attributes.items() if key != "wet"}
        stems.append(replace(stem, files=(read_info(path),), offset=0, attributes=attributes))
    return replace(song, folder=folder, stems=tuple(stems), reference=None)


def unmixed_bytes(stems: Sequence[Stem]) -> int:
    """The most that the changed stems of a song take while they are used."""
    return sum(stem.n_samples * 2 * 4 for stem in stems)


def _write_changed(stem: Stem, change: StemChange, path: Path, repair: bool) -> None:
    n_channels = 2 if change.plate_seed is not None else 1 if change.mono else stem.n_channels
    with (
        StemReader(stem, stem.sample_rate, repair=repair) as reader,
        MixWriter(
            path, sample_rate=stem.sample_rate, n_channels=n_channels, container="wav", bit_depth="32f"
        ) as writer,
    ):
        blocks = (
            reader.read(min(BLOCK, reader.n_samples - start)) for start in range(0, reader.n_samples, BLOCK)
        )
        for block_TC in change_blocks(blocks, change, stem.sample_rate, stem.n_channels):
            writer.write(block_TC)


def _place(block_TC: Block, change: StemChange) -> Block:
    """Fold to mono, or scale the side against the mid and one side against the other."""
    if change.mono or block_TC.shape[1] == 1:
        mono_TC: Block = block_TC.mean(axis=1, dtype=np.float32, keepdims=True)
        return mono_TC
    mid_T = block_TC.mean(axis=1, dtype=np.float32)
    side_T = (block_TC[:, 0] - mid_T) * np.float32(db_to_gain(change.width_db))
    tilt = np.float32(db_to_gain(change.balance_db / 2))
    placed_TC: Block = np.stack([(mid_T + side_T) * tilt, (mid_T - side_T) / tilt], axis=1)
    return placed_TC
