"""Measure one mix of a song: align it, match its level, compare, look for artefacts."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from mixcli.errors import Notice
from mixcli.evaluation.describe import Description, compare_sounds, describe_sound, values_alone
from mixcli.evaluation.material import ReferenceSide, SongMaterial, match_level
from mixcli.evaluation.sounds import Sound, empty_sound
from mixcli.measures.alignment import Alignment, apply_alignment, estimate_alignment
from mixcli.measures.artefacts import Artefact, artefact_shares, find_artefacts
from mixcli.measures.balance import compare_levels
from mixcli.measures.delivery import Delivery, compare_delivery, delivery_values, describe_delivery
from mixcli.measures.masking import masking
from mixcli.measures.nearness import curves
from mixcli.measures.stem_delay import find_delay
from mixcli.measures.waveform import compare_waveforms
from mixcli.mixing.result import notice_document

PLAIN_STRENGTH = (
    60.0  # mixes of one song that lie within the limit read 90 to 900; a beat's period may read 20
)
FARTHEST_S = 1.0  # of a mix from its reference
LENGTHS_DIFFER_S = 1.0  # from here on it is said that a part is not compared
SIGNIFICANT = 6  # digits kept; sums in float32 hang on where in memory they lie from the seventh on


def score_mix(mix_TC: Sound, material: SongMaterial) -> dict[str, Any]:
    """Alignment, level, values, curves and artefacts of a mix, [T, 2], as plain data; numbers or null."""
    rate = material.sample_rate
    reference_TC = material.reference_TC
    alignment = None if reference_TC is None else find_alignment(mix_TC, reference_TC, rate)
    shift = alignment or Alignment(0, False, False, 0.0)
    start, stop = common_span(len(mix_TC), None if reference_TC is None else len(reference_TC), shift)
    placed_TC = empty_sound(stop)  # on the reference's time
    apply_alignment(mix_TC, shift, placed_TC)
    aligned_TC = placed_TC[start:]
    matched_TC = empty_sound(stop - start)
    lufs = match_level(aligned_TC, rate, matched_TC)
    side = material.reference_over(start, stop)
    mix = describe_sound(matched_TC, rate, like=None if side is None else side.description)
    delivery = describe_delivery(mix_TC, rate)
    levels_db_S = material.levels(mix)
    heard_TC = in_time_with_stems(mix_TC, placed_TC, material)
    values, found = score_alone(heard_TC, mix, delivery, material)
    if side is not None and material.reference_delivery is not None:
        values |= compare_sounds(mix, side.description)
        values |= compare_waveforms(matched_TC, side.sound_TC)
        values |= compare_delivery(delivery, material.reference_delivery)
        if levels_db_S is not None and side.levels_db_S is not None:
            values["balance_db"] = compare_levels(levels_db_S, side.levels_db_S)
    return {
        "alignment": None if alignment is None else alignment_document(alignment, rate),
        "level": {
            "mix_lufs": plain(lufs),
            "reference_lufs": None if side is None else plain(side.lufs),
        },
        "values": {key: plain(value) for key, value in values.items()},
        "curves": curve_document(mix, delivery, levels_db_S),
        "artefacts": found,
        "warnings": mix_warnings(mix_TC, lufs, alignment, side, material),
        "excerpts": [[plain(number) for number in row] for row in mix.excerpts_ED],
    }


def mix_warnings(
    mix_TC: Sound,
    lufs: float,
    alignment: Alignment | None,
    side: ReferenceSide | None,
    material: SongMaterial,
) -> list[dict[str, Any]]:
    """What makes the numbers of a mix worth less than they look, as plain data."""
    reference_TC, rate = material.reference_TC, material.sample_rate
    if not math.isfinite(lufs):
        return [told("W365", "the mix is silent where the reference plays, or too short to have a loudness.")]
    if side is None or reference_TC is None:
        return []
    if not math.isfinite(side.lufs):
        return [told("W365", "the reference is silent, or too short to have a loudness.")]
    warnings = []
    if alignment is not None and not alignment.certain:
        text = "no delay stands out against the reference; compared as it lies. Is it the same song?"
        warnings.append(told("W363", text))
    seconds = (len(mix_TC) / rate, len(reference_TC) / rate)
    if abs(seconds[0] - seconds[1]) > LENGTHS_DIFFER_S:
        shown = f"it is {seconds[0]:.1f} s long, the reference {seconds[1]:.1f} s"
        warnings.append(told("W364", f"{shown}: only the part that both have was compared."))
    return warnings


def told(code: str, message: str) -> dict[str, Any]:
    """A warning as plain data."""
    return notice_document(Notice(code, message))


def common_span(n_mix: int, n_reference: int | None, shift: Alignment) -> tuple[int, int]:
    """First sample, and the one after the last, of the reference's time that the aligned mix has too."""
    if n_reference is None:
        return 0, n_mix
    start = min(max(shift.delay_samples, 0), n_reference)
    return start, max(min(n_reference, n_mix + shift.delay_samples), start)


def find_alignment(mix_TC: Sound, reference_TC: Sound, sample_rate: int) -> Alignment:
    """How a mix lies to its reference: within 50 ms, or within 1 s if a lag stands out more plainly there."""
    near = estimate_alignment(mix_TC, reference_TC, sample_rate)
    if near.strength > PLAIN_STRENGTH:
        return near
    far = estimate_alignment(mix_TC, reference_TC, sample_rate, limit_s=FARTHEST_S)
    return far if far.certain and far.strength > 2 * near.strength else near


def in_time_with_stems(mix_TC: Sound, aligned_TC: Sound, material: SongMaterial) -> Sound:
    """The mix as the artefact detectors can hold it against the stems: as it came, or as it was aligned."""
    if material.stems is None:
        return mix_TC
    spectra, rate = material.stems.artefacts.sum_spectra, material.sample_rate
    if find_delay(mix_TC, rate, spectra) is None and find_delay(aligned_TC, rate, spectra) is not None:
        return aligned_TC
    return mix_TC


def score_reference(material: SongMaterial) -> dict[str, Any]:
    """What the reference says alone: values, curves, artefacts."""
    reference_TC, delivery = material.reference_TC, material.reference_delivery
    if reference_TC is None or delivery is None:
        raise ValueError("this song has no reference")
    side = material.reference_over(0, len(reference_TC))
    assert side is not None
    values, found = score_alone(reference_TC, side.description, delivery, material)
    return {
        "values": {key: plain(value) for key, value in values.items()},
        "curves": curve_document(side.description, delivery, side.levels_db_S),
        "artefacts": found,
        "excerpts": [[plain(number) for number in row] for row in side.description.excerpts_ED],
    }


def score_alone(
    mix_TC: Sound, description: Description, delivery: Delivery, material: SongMaterial
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Measures that need no reference, and the artefacts, of a mix as it was made."""
    stems = material.stems
    values = delivery_values(delivery) | values_alone(description)
    if stems is not None and material.parts is stems:
        levels_db_S = material.levels(description)
        if levels_db_S is not None:
            values |= masking(stems.masking, levels_db_S.tolist(), stems.leads)
    found = find_artefacts(mix_TC, material.sample_rate, None if stems is None else stems.artefacts)
    values |= artefact_shares(found, len(mix_TC) / material.sample_rate, with_stems=stems is not None)
    return values, [artefact_document(each) for each in found]


def alignment_document(alignment: Alignment, sample_rate: int) -> dict[str, Any]:
    """What was done to bring a mix into time with its reference."""
    return {
        "delay_samples": alignment.delay_samples,
        "delay_ms": round(alignment.delay_samples / sample_rate * 1000, 3),
        "inverted": alignment.inverted,
        "certain": alignment.certain,
    }


def curve_document(
    description: Description, delivery: Delivery, levels_db_S: Iterable[float] | None
) -> dict[str, list[float | None]]:
    """The curves that pictures are drawn from."""
    drawn: Mapping[str, Iterable[float]] = {
        **curves(description.profile),
        "loudness_lufs": delivery.loudness_lufs_S,
        "balance_db": levels_db_S if levels_db_S is not None else (),
    }
    return {name: [plain(number, 5) for number in numbers] for name, numbers in drawn.items()}


def artefact_document(artefact: Artefact) -> dict[str, Any]:
    """An artefact as plain data."""
    return {
        "kind": artefact.kind,
        "start_s": plain(artefact.start_s),
        "stop_s": plain(artefact.stop_s),
        "text": artefact.text,
    }


def plain(value: float, digits: int = SIGNIFICANT) -> float | None:
    """A number with so many digits, or None for what JSON cannot say."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
