"""All measures that an evaluation gives, in the order of its tables, and the axes of their curves."""

from mixcli.measures import (
    artefacts,
    balance,
    compatible,
    delivery,
    masking,
    mixing_style,
    mono,
    nearness,
    released_music,
    robust,
    sets,
    waveform,
)
from mixcli.measures.measure import Measure
from mixcli.measures.nearness import IMAGE_BANDS, SPECTRUM_BANDS, WIDTH_BANDS

ROOMS = (
    *(balance, nearness, robust, compatible, mixing_style, waveform),
    *(delivery, mono, masking, released_music, artefacts, sets),
)
MEASURES: tuple[Measure, ...] = tuple(measure for room in ROOMS for measure in room.MEASURES)
KEYS_OF_MIXES: tuple[str, ...] = tuple(measure.key for measure in MEASURES if measure.family != "set")
AXES: dict[str, list[float]] = {
    "spectrum_hz": [round(float(hz), 1) for hz in SPECTRUM_BANDS],
    "width_hz": [round(float(hz), 1) for hz in WIDTH_BANDS],
    "image_hz": [round(float(hz), 1) for hz in IMAGE_BANDS],
}
