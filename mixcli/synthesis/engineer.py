"""The scripted engineer: rules with a taste, from what he hears of a session to every number of its mix.

The rules are his, not a preset: levels follow the loudness of each piece's hits over the whole song against
the overheads, panning follows where the overheads hear a piece, compression how evenly it is played. Each
number then moves within the range of one engineer's moods, drawn by seed. The constants were set so that the
mixes come out like published ones; docs/synthesis.md has the figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mixcli.audio.compressor import CompressorSettings
from mixcli.audio.equaliser import BandKind, EqualiserBand
from mixcli.audio.expander import ExpanderSettings
from mixcli.synthesis.decisions import Decisions, Plate, Strip
from mixcli.synthesis.listening import Heard, hits_per_s, listen
from mixcli.synthesis.note_map import OVERHEADS, ROOMS
from mixcli.synthesis.recording import Recording

MOOD_DB = 0.5  # standard deviation of a level, for a taste of 1; nothing goes beyond twice that
USUAL_OVER_OVERHEADS_DB = 8.0  # of a close microphone's hits, as they are recorded
HAT_OVER_SNARE_DB = -8.0  # the usual, in the overheads
HAT_FOLLOWS, HAT_MOST_DB = 0.3, 2.5
PAN_PER_DB, MOST_PAN = 0.06, {"drums.hihat": 0.45, "drums.tom": 0.6}
MONO_PAN = {"drums.hihat": -0.25, "drums.tom:1": -0.3, "drums.tom:2": 0.05, "drums.tom:3": 0.35}
SAME_SIDE_DB = 0.2  # overheads that do not tell sides
OVERHEAD_WIDTH = 0.45
BUSY_HITS_PER_S = 4.0  # of the snare and the toms: half the plate there, for it would blur
PEAK_DBFS = -1.0


@dataclass(frozen=True)
class Rule:
    """What an input usually gets: its hits over the snare's in the overheads, its send, and its tone.

    The bands are (kind, Hz, dB, Q).
    """

    level_db: float
    send_db: float | None
    bands: tuple[tuple[BandKind, float, float, float], ...]


RULES: Mapping[str, Rule] = {
    "drums.kick": Rule(8.0, None, (("low_shelf", 70.0, 1.5, 0.7), ("bell", 380.0, -2.5, 1.0),
                                   ("bell", 3800.0, 2.0, 1.0))),
    "drums.snare": Rule(6.0, -16.5, (("high_pass", 45.0, 0.0, 0.7), ("bell", 600.0, -1.5, 1.2),
                                     ("high_shelf", 6000.0, 2.0, 0.7))),
    "drums.hihat": Rule(-10.0, None, (("high_pass", 150.0, 0.0, 0.7), ("high_shelf", 9000.0, 1.5, 0.7))),
    "drums.tom": Rule(6.0, -14.5, (("high_pass", 35.0, 0.0, 0.7), ("bell", 420.0, -2.5, 1.0),
                                   ("bell", 4500.0, 2.0, 1.0))),
    "drums.overhead": Rule(0.0, -26.0, (("high_pass", 40.0, 0.0, 0.7), ("bell", 450.0, -1.5, 0.9),
                                        ("high_shelf", 9000.0, 1.5, 0.7))),
    "drums.room": Rule(-12.0, None, (("high_pass", 60.0, 0.0, 0.7), ("bell", 500.0, -2.0, 0.8))),
}  # fmt: skip


class _Mood:
    """Numbers around a usual one, within an engineer's range; a taste of 0 always gives the usual one."""

    def __init__(self, rng: np.random.Generator, taste: float) -> None:
        self._rng, self._taste = rng, taste

    def near(self, usual: float, spread: float) -> float:
        """The usual number and a normal deviation, at most twice its standard one."""
        return usual + self._taste * spread * float(np.clip(self._rng.standard_normal(), -2.0, 2.0))

    def times(self, usual: float, octaves: float) -> float:
        """The same by factors: frequencies and times."""
        return usual * 2 ** self.near(0.0, octaves)


def decide(
    recording: Recording, rng: np.random.Generator, *, taste: float, studio: float, follows: float
) -> Decisions:
    """All decisions for a session.

    `studio`, from 0 to 1, says which plate the house has; `follows` how much of a level's distance from the
    usual is taken back.
    """
    mood = _Mood(rng, taste)
    heard = listen(recording)
    width = mood.near(OVERHEAD_WIDTH, 0.04)
    busy = hits_per_s(recording, ("drums.snare", "drums.tom:1", "drums.tom:2", "drums.tom:3"))
    blur_db = 6.0 * min(1.0, busy / BUSY_HITS_PER_S / 2)
    strips: dict[str, Strip] = {}
    for name in recording.stems:
        # The draws are made whether or not the microphone is used, so that they are those of the next one.
        strip = _strip(name, recording, heard, mood, width, blur_db, follows)
        if strip is not None:
            strips[name] = strip
    for left, right in (OVERHEADS, ROOMS):  # a pair is one strip with two sides
        if left in strips and right in strips:
            strips[right] = _mirrored(strips[left])
    return Decisions(
        strips=strips,
        plate=Plate(
            which=studio,
            decay_s=1.1,
            pre_delay_ms=12.0,
            low_cut_hz=220.0,
        ),
        bus=CompressorSettings(
            threshold_db=mood.near(-3.0, 0.7),
            ratio=mood.near(2.0, 0.15),
            attack_ms=mood.times(25.0, 0.3),
            release_ms=mood.times(180.0, 0.3),
            side_chain_high_pass_hz=90.0,
        ),
        peak_dbfs=PEAK_DBFS,
    )


def _strip(
    name: str,
    recording: Recording,
    heard: Mapping[str, Heard],
    mood: _Mood,
    width: float,
    blur_db: float,
    follows: float,
) -> Strip | None:
    """The strip of one microphone; None for one whose pieces are not played: its fader is down."""
    rule = RULES[name.split(":")[0]]
    level_db, send_db = mood.near(rule.level_db, MOOD_DB), mood.near(rule.send_db or 0.0, 1.0)
    bands = tuple(_band(band, mood) for band in rule.bands)
    tight, eager = mood.near(0.0, 1.0), mood.near(0.0, 0.15)
    overheads = heard.get(OVERHEADS[0])
    own = heard.get(name)
    if overheads is None or not recording.stems[name].any():
        return None
    send = None if rule.send_db is None else send_db - blur_db
    if name in (*OVERHEADS, *ROOMS):
        side = -1.0 if name in (OVERHEADS[0], ROOMS[0]) else 1.0
        gain_db = 0.0
        if name in ROOMS:
            energy = float(np.mean(np.square(recording.stems[name], dtype=np.float64)))
            beside = float(np.mean(np.square(recording.stems[OVERHEADS[0]], dtype=np.float64)))
            gain_db = level_db + 10 * float(np.log10((beside + 1e-12) / (energy + 1e-12)))
        return Strip(gain_db=gain_db, pan=side * width, bands=bands, send_db=send)
    if own is None:
        return None
    if name == "drums.hihat" and "drums.snare" in heard:
        quiet_db = heard["drums.snare"].overhead_db + HAT_OVER_SNARE_DB - own.overhead_db
        level_db += float(np.clip(HAT_FOLLOWS * quiet_db, -HAT_MOST_DB, HAT_MOST_DB))
    # The snare in the overheads is what all else is held against; where none is played, all hits there.
    anchor_db = heard["drums.snare"].overhead_db if "drums.snare" in heard else overheads.level_db
    unusual_db = own.level_db - anchor_db - USUAL_OVER_OVERHEADS_DB
    return Strip(
        gain_db=level_db - USUAL_OVER_OVERHEADS_DB - follows * unusual_db,
        pan=_pan(name, own),
        polarity=recording.polarity[name],
        bands=bands,
        expander=_expander(own, tight) if name.startswith("drums.tom") else None,
        compressor=_compressor(name, own, tight, eager),
        send_db=send,
    )


def _band(band: tuple[BandKind, float, float, float], mood: _Mood) -> EqualiserBand:
    kind, frequency_hz, gain_db, q = band
    moved_hz, moved_db = mood.times(frequency_hz, 0.05), mood.near(gain_db, 0.3)
    return EqualiserBand(kind, moved_hz, moved_db if gain_db else 0.0, q)


def _pan(name: str, own: Heard) -> float:
    """Where the overheads hear the piece, not all the way; kick and snare stay in the middle."""
    most = MOST_PAN.get(name.split(":")[0])
    if most is None:
        return 0.0
    if abs(own.left_db) < SAME_SIDE_DB:  # one overhead, or a piece right in the middle
        return MONO_PAN[name]
    return float(np.clip(-PAN_PER_DB * own.left_db, -most, most))


def _expander(own: Heard, tight: float) -> ExpanderSettings:
    """Open for the softest hits that count, closed for what spills over."""
    return ExpanderSettings(
        threshold_db=own.soft_peak_db - 7.0 + tight,
        ratio=3.0,
        range_db=18.0,
        attack_ms=1.0,
        hold_ms=120.0,
        release_ms=220.0,
    )


def _compressor(name: str, own: Heard, tight: float, eager: float) -> CompressorSettings | None:
    """A few dB on loud hits of kick and snare, more where the playing is uneven."""
    if name not in ("drums.kick", "drums.snare"):
        return None
    uneven_db = own.peak_db - own.soft_peak_db
    deep_db = 4.0 + tight + min(2.0, 0.2 * uneven_db)
    ratio = (3.0 if name == "drums.kick" else 2.5) + eager
    return CompressorSettings(
        threshold_db=own.peak_db - deep_db,
        ratio=ratio,
        attack_ms=12.0 if name == "drums.kick" else 8.0,
        release_ms=110.0,
        detector="peak",
        make_up_db=0.5 * deep_db * (1 - 1 / ratio),
    )


def _mirrored(strip: Strip) -> Strip:
    return Strip(
        gain_db=strip.gain_db,
        pan=-strip.pan,
        polarity=strip.polarity,
        bands=strip.bands,
        send_db=strip.send_db,
    )
