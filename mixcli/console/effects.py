"""The effects of one stem: expander, equaliser and compressor, in this order, block by block.

Legend: T samples, C channels.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.compressor import Compressor, CompressorSettings
from mixcli.audio.dynamics import SMOOTHING_HOPS, WINDOW_HOPS, control_hop
from mixcli.audio.equaliser import Equaliser, EqualiserBand, check_band, settling_samples
from mixcli.audio.expander import Expander, ExpanderSettings
from mixcli.console.recipe import (
    BusRecipe,
    CompressorRecipe,
    EqualiserBandRecipe,
    ExpanderRecipe,
    MixBusRecipe,
    StemRecipe,
)
from mixcli.errors import SettingsError

HIGHEST_SHARE = 0.49  # of the sample rate, for a high-pass
SETTLING_PERIODS = 5  # a Butterworth high-pass of second order has died away by 190 dB after so many periods
# Two reductions that follow one target come together by 1/e or more in the longer of attack and release, and
# after so many of these times they are the same float64.
SETTLING_TIMES = 40

Block = NDArray[np.float32]


class StemEffects:
    """The effects a stem's recipe asks for; without any, blocks pass as they are.

    Expander and compressor count the hops in which they look at the level from the song's start, so all its
    samples must be pushed or passed over. The samples do not depend on how they are cut into blocks, save
    below 1e-9 of full scale in an equaliser.
    """

    def __init__(self, recipe: StemRecipe, sample_rate: int, n_channels: int) -> None:
        self._expander = self._equaliser = self._compressor = None
        if recipe.expander is not None:
            self._expander = Expander(_expander_settings(recipe.expander), sample_rate, n_channels)
        if recipe.equaliser:
            self._equaliser = Equaliser(bands_of(recipe.equaliser), sample_rate, n_channels)
        if recipe.compressor is not None:
            self._compressor = Compressor(compressor_settings(recipe.compressor), sample_rate, n_channels)
        self._hop = control_hop(sample_rate)
        self._n_channels = n_channels

    def push(self, block_TC: Block) -> Block:
        """Run the next samples, [T, C], to the same shape."""
        for effect in (self._expander, self._equaliser, self._compressor):
            if effect is not None:
                block_TC = effect.push(block_TC)
        return block_TC

    def pass_silence(self, n_samples: int) -> None:
        """Take samples of silence after `effects_memory` of it, or before the first block.

        Then all is at rest and a whole hop of silence changes nothing: only the rest of the division is run.
        """
        rest_TC = np.zeros((n_samples % self._hop, self._n_channels), np.float32)
        for effect in (self._expander, self._compressor):
            if effect is not None:
                effect.push(rest_TC)


def has_dynamics(recipe: StemRecipe) -> bool:
    """Whether what happens to a stem depends on its level."""
    return recipe.expander is not None or recipe.compressor is not None


def effects_memory(recipe: StemRecipe | BusRecipe | MixBusRecipe, sample_rate: int) -> int:
    """How many samples back the output of the effects of a stem or a bus may depend on their input."""
    n_samples = settling_samples(bands_of(recipe.equaliser), sample_rate)
    detected = (WINDOW_HOPS + SMOOTHING_HOPS + 2) * control_hop(sample_rate)
    expander = recipe.expander if isinstance(recipe, StemRecipe) else None
    if expander is not None:
        slow_ms = max(expander.attack_ms, expander.release_ms)
        n_samples += detected + _samples(expander.hold_ms + SETTLING_TIMES * slow_ms, sample_rate)
    if (compressor := recipe.compressor) is not None:
        slow_ms = max(compressor.attack_ms, compressor.release_ms)
        n_samples += detected + _samples(SETTLING_TIMES * slow_ms, sample_rate)
        n_samples += high_pass_memory(compressor.side_chain_high_pass_hz, sample_rate)
    return n_samples


def high_pass_memory(frequency_hz: float | None, sample_rate: int) -> int:
    """How many samples a high-pass needs to die away; 0 without one."""
    return 0 if frequency_hz is None else math.ceil(SETTLING_PERIODS * sample_rate / frequency_hz)


def check_frequencies(name: str, recipe: StemRecipe | BusRecipe | MixBusRecipe, sample_rate: int) -> None:
    """Raise SettingsError E411 where a filter of a stem or a bus does not lie below half the sample rate."""
    passes = {"high_pass_hz": recipe.high_pass_hz if isinstance(recipe, StemRecipe) else None}
    if recipe.compressor is not None:
        passes["compressor.side_chain_high_pass_hz"] = recipe.compressor.side_chain_high_pass_hz
    for key, frequency_hz in passes.items():
        if frequency_hz is not None and frequency_hz > HIGHEST_SHARE * sample_rate:
            message = f'"{name}": {key} is {frequency_hz:g}, which is too high at {sample_rate} Hz.'
            hint = f"at most {HIGHEST_SHARE * sample_rate:.0f}."
            raise SettingsError(message, code="E411", hint=hint)
    for number, band in enumerate(bands_of(recipe.equaliser)):
        try:
            check_band(band, sample_rate)
        except ValueError as error:
            raise SettingsError(f'"{name}": equaliser.{number}: {error}.', code="E411") from error


def _samples(time_ms: float, sample_rate: int) -> int:
    return math.ceil(time_ms * 1e-3 * sample_rate)


def bands_of(bands: list[EqualiserBandRecipe]) -> list[EqualiserBand]:
    """The bands of an equaliser as the recipe says them."""
    return [EqualiserBand(band.kind, band.frequency_hz, band.gain_db, band.q) for band in bands]


def _expander_settings(recipe: ExpanderRecipe) -> ExpanderSettings:
    return ExpanderSettings(
        threshold_db=recipe.threshold_db,
        ratio=recipe.ratio,
        range_db=recipe.range_db,
        attack_ms=recipe.attack_ms,
        hold_ms=recipe.hold_ms,
        release_ms=recipe.release_ms,
    )


def compressor_settings(recipe: CompressorRecipe) -> CompressorSettings:
    """A compressor as the recipe says it."""
    return CompressorSettings(
        threshold_db=recipe.threshold_db,
        ratio=recipe.ratio,
        knee_db=recipe.knee_db,
        attack_ms=recipe.attack_ms,
        release_ms=recipe.release_ms,
        make_up_db=recipe.make_up_db,
        detector=recipe.detector,
        side_chain_high_pass_hz=recipe.side_chain_high_pass_hz,
        most_reduction_db=recipe.most_reduction_db,
    )
