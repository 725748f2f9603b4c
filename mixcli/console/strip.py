"""One channel strip of the console: what a recipe does to one stem, block by block.

Legend: T samples, C channels, N taps. A stem's contribution to the mix is its own, and scales with its gain.
Without an expander and a compressor all here is linear, and without rides it is the same at any time.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.convolution import StreamConvolver
from mixcli.audio.decibels import db_to_gain
from mixcli.audio.dynamics import apply_gain
from mixcli.audio.filters import SosFilter, butterworth_high_pass
from mixcli.audio.silence import is_sounding
from mixcli.audio.width import curve_fir, side_from_mid_fir
from mixcli.console.effects import (
    StemEffects,
    check_frequencies,
    effects_memory,
    has_dynamics,
    high_pass_memory,
)
from mixcli.console.recipe import BusRecipe, StemRecipe
from mixcli.console.rides import Rides
from mixcli.console.wide_sum import Gains, WideBlock, n_side_taps

Block = NDArray[np.float32]


@dataclass(frozen=True)
class StripBlock:
    """What a strip gives: `panned_TC` [T, 2] to its bus and `send_T` [T] to the reverb."""

    panned_TC: Block
    send_T: Block | None


class ChannelStrip:
    """Polarity, gain, high-pass, expander, equaliser, compressor, rides, width, pan and send of one stem.

    With an expander or a compressor the gain comes after the compressor: these two hear the recording, so
    that their thresholds are in dB of its full scale and who turns the stem up does not compress it more.
    Otherwise the gain is the first thing done. Rides are always behind the compressor. `start` is where in
    the song the first block lies; the delay of a recipe is in the stem before it comes here (DelayedStem).

    The stem is taken apart into mid and side, (L + R) / 2 and (L - R) / 2; a mono stem is all mid. The mid is
    left alone by the width, so that a mono fold-down of a stem in the centre is the stem itself. The send is
    the mid after gain, effects and rides (post-fader), before the pan: its level does not depend on the pan.
    The gain of the bus is taken here, so that the send follows it too; the bus's effects come after it.
    """

    def __init__(
        self,
        name: str,
        recipe: StemRecipe,
        bus: BusRecipe,
        *,
        n_channels: int,
        sample_rate: int,
        start: int = 0,
        apart: bool = False,
    ) -> None:
        check_frequencies(name, recipe, sample_rate)
        self._gain = np.float32(recipe.polarity * db_to_gain(recipe.gain_db + bus.gain_db))
        self._high_pass = None
        if recipe.high_pass_hz is not None:
            sos_S6 = butterworth_high_pass(recipe.high_pass_hz, sample_rate)
            self._high_pass = SosFilter(sos_S6, n_channels)
        self._gain_is_last = has_dynamics(recipe)
        self._effects = StemEffects(recipe, sample_rate, n_channels)
        self._effects.pass_silence(start)
        self._side_filter, self._widener = _side_filters(recipe, n_channels, sample_rate)
        # What is summed in the end may be summed before the filter's transform back: see WideBlock.
        self._wide_filter = None
        if apart and (n_channels == 1 or self._widener is None):
            self._wide_filter = self._side_filter or self._widener
        self._gains, self._side_gains = _both(pan_gains(recipe.pan)), _both(side_pan_gains(recipe.pan))
        self._send_gain = None
        if recipe.reverb_send_db is not None:
            self._send_gain = np.float32(db_to_gain(recipe.reverb_send_db))
        self._rides = Rides(recipe.rides, sample_rate) if recipe.rides else None
        self._position = start
        self._n_silent = 0
        self._n_memory = memory_of(recipe, sample_rate)

    def push(self, stem_TC: Block) -> StripBlock | WideBlock | None:
        """Run the next samples of the stem, [T, 1] or [T, 2]; None for a block in which nothing sounds.

        A WideBlock comes of a strip that was made `apart` and has one filter that makes or changes its side.
        """
        start = self._position
        self._position += len(stem_TC)
        if is_sounding(stem_TC):
            self._n_silent = 0
        elif self._n_silent >= self._n_memory:
            self._effects.pass_silence(len(stem_TC))
            return None
        else:
            self._n_silent += len(stem_TC)
        # From here on each channel lies in one piece, which is faster for all that follows.
        stem_TC = np.asfortranarray(stem_TC)
        if not self._gain_is_last:
            stem_TC = stem_TC * self._gain
        if self._high_pass is not None:
            stem_TC = self._high_pass.push(stem_TC)
        stem_TC = self._effects.push(stem_TC)
        if self._gain_is_last:
            stem_TC = stem_TC * self._gain
        if self._rides is not None:
            stem_TC = apply_gain(stem_TC, self._rides.gain(start, len(stem_TC)))
        mid_T, side_T = split_mid_side(stem_TC)
        send_T = None if self._send_gain is None else mid_T * self._send_gain
        if self._wide_filter is not None:
            heard_T, gains = (mid_T, self._gains) if side_T is None else (side_T, self._side_gains)
            side_CPF = self._wide_filter.push_for_spectra(heard_T[:, None])
            side_PF = None if side_CPF is None else side_CPF[0]
            return WideBlock(mid_T, self._gains, side_PF, gains, send_T)
        return StripBlock(self._panned(mid_T, side_T), send_T)

    def _panned(self, mid_T: Block, side_T: Block | None) -> Block:
        if side_T is not None and self._side_filter is not None:
            side_T = self._side_filter.push(side_T[:, None])[:, 0]
        left_T = right_T = mid_T
        if self._widener is not None:
            made_T = self._widener.push(mid_T[:, None])[:, 0]
            left_T, right_T = mid_T + made_T, mid_T - made_T
        panned_TC = np.empty((2, len(mid_T)), np.float32).T
        np.multiply(left_T, self._gains[0], out=panned_TC[:, 0])
        np.multiply(right_T, self._gains[1], out=panned_TC[:, 1])
        if side_T is not None:
            panned_TC[:, 0] += side_T * self._side_gains[0]
            panned_TC[:, 1] -= side_T * self._side_gains[1]
        return panned_TC


def _side_filters(
    recipe: StemRecipe, n_channels: int, sample_rate: int
) -> tuple[StreamConvolver | None, StreamConvolver | None]:
    """What changes the side that a stem has, and what makes one from its mid; all of one length."""
    side_filter = widener = None
    n_taps = n_side_taps(sample_rate)
    if recipe.side_gain_db is not None and n_channels == 2:
        side_filter = StreamConvolver(curve_fir(recipe.side_gain_db, sample_rate), 1, n_taps=n_taps)
    if recipe.side_from_mid_db is not None:
        fir_N = side_from_mid_fir(recipe.side_from_mid_db, recipe.decorrelation_seed, sample_rate)
        widener = StreamConvolver(fir_N, 1, n_taps=n_taps)
    return side_filter, widener


def memory_of(recipe: StemRecipe, sample_rate: int) -> int:
    """How many samples back a strip's output may depend on its input: filters, effects, FIR lengths."""
    n_samples = high_pass_memory(recipe.high_pass_hz, sample_rate) + effects_memory(recipe, sample_rate)
    if recipe.side_gain_db is not None or recipe.side_from_mid_db is not None:
        n_samples += n_side_taps(sample_rate)
    return n_samples


def split_mid_side(stem_TC: Block) -> tuple[Block, Block | None]:
    """Mid and side of a stereo stem, each [T]; a mono stem is its own mid and has no side."""
    if stem_TC.shape[1] == 1:
        return stem_TC[:, 0], None
    half = np.float32(0.5)
    return (stem_TC[:, 0] + stem_TC[:, 1]) * half, (stem_TC[:, 0] - stem_TC[:, 1]) * half


def _both(gains: tuple[float, float]) -> Gains:
    return np.float32(gains[0]), np.float32(gains[1])


def pan_gains(pan: float) -> tuple[float, float]:
    """Gains of left and right for a mid and a pan from -1 to 1: constant power, both 1 in the centre."""
    if pan == 0:
        return 1.0, 1.0  # exactly, so that a stem in the centre is not touched
    angle = (pan + 1) * math.pi / 4
    return math.sqrt(2) * math.cos(angle), math.sqrt(2) * math.sin(angle)


def side_pan_gains(pan: float) -> tuple[float, float]:
    """Gains of a stereo stem's own side in left and, inverted, in right, for a pan from -1 to 1: both 1 at 0.

    A pan folds a stereo stem towards one channel. With n the nearer channel's gain of `pan_gains`, from 1 to
    √2, and f the farther one's, a pan to the left gives

        left = L / n + (n - 1 / n) R,    right = f R,

    and a pan to the right the same with the channels exchanged. So the channel on the pan's side stays where
    it is while the other moves through the picture to it; at the end both are there, (L + R) / √2. Where L =
    R this is a mono stem's pan exactly, of constant power. Uncorrelated channels of one level lose 2 / n²,
    which is 0 dB in the centre and 3 dB at the end: no fold into one channel keeps the power of both kinds.
    """
    left, right = pan_gains(pan)
    return (2 / left - left, right) if left >= right else (left, 2 / right - right)
