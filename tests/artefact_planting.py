"""Plant artefacts at random places in clean mixes, several per mix, and count where they are found."""

from collections.abc import Callable
from functools import cache

import numpy as np
from artefact_material import RATE, SECONDS, clean_songs

from mixcli.measures.artefacts import describe_artefact_stems, find_artefacts

GAP_BLOCKS = 3  # from one planted artefact to the next in the same mix


def described(songs):
    return [(song, describe_artefact_stems(song.stems, RATE)) for song in songs]


@cache
def described_songs(seed):
    return described(clean_songs(seed))


def found_blocks(found, kind):
    return {int(one.start_s) for one in found if one.kind == kind}


def some_blocks(rng, song):
    return range(int(rng.integers(GAP_BLOCKS)), SECONDS, GAP_BLOCKS)


def rates(
    kind, plant: Callable, count, *, seed=0, songs=None, with_stems=True, blocks=some_blocks, finish=None
):
    """Shares found and falsely flagged of `count` planted artefacts.

    `plant(rng, mix_TC, song, block)` writes an artefact into that block of the mix and returns the seconds it
    may be found in, or None where it can plant none; `finish(rng, mix_TC)` makes a file of the mix. Blocks
    beside a planted one are not counted as clean.
    """
    rng = np.random.default_rng(seed)
    kept = described_songs(seed) if songs is None else songs
    planted = found = clean = false = 0
    missed, flagged = [], []
    for turn in range(50 * count):
        if planted >= count:
            break
        song, stems = kept[turn % len(kept)]
        mix_TC, places = song.mix_TC.copy(), []
        for block in blocks(rng, song):
            seconds = plant(rng, mix_TC, song, block) if planted + len(places) < count else None
            if seconds is not None:
                places.append(seconds)
        if not places:
            continue
        if finish is not None:
            mix_TC = finish(rng, mix_TC)
        seen = found_blocks(find_artefacts(mix_TC, RATE, stems if with_stems else None), kind)
        planted += len(places)
        found += sum(bool(seen & seconds) for seconds in places)
        missed += [(song.name, sorted(seconds)) for seconds in places if not seen & seconds]
        near = {second + step for seconds in places for second in seconds for step in (-1, 0, 1)}
        clean += SECONDS - len(near & set(range(SECONDS)))
        false += len(seen - near)
        flagged += [(song.name, second) for second in sorted(seen - near)]
    told = "with" if with_stems else "without"
    text = f"{kind} {told} stems: {found} of {planted} found, {false} of {clean} clean blocks flagged"
    print(text, "missed:", *missed, "flagged:", *flagged)  # noqa: T201 - the rates are to be read, not only held
    assert planted == count
    return found / planted, false / max(clean, 1)


def clean_rates(seeds, *, with_stems):
    """Share of the blocks of clean mixes that are flagged, per kind."""
    flagged = dict.fromkeys(("click", "clipping", "foreign", "rest_noise", "dc"), 0)
    total = 0
    for seed in seeds:
        for song, stems in described_songs(seed):
            found = find_artefacts(song.mix_TC, RATE, stems if with_stems else None)
            flagged = {kind: count + len(found_blocks(found, kind)) for kind, count in flagged.items()}
            total += SECONDS
    told = "with" if with_stems else "without"
    print(f"of {total} clean blocks flagged {told} stems: {flagged}")  # noqa: T201 - the same
    return {kind: count / total for kind, count in flagged.items()}
