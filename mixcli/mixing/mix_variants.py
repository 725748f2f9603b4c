"""Several mixes of one song: read and measured once, each made as `mix_song` makes one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mixcli import __version__
from mixcli.console.variants import Variant, choose_variants
from mixcli.errors import Notice, UsageError
from mixcli.mixing.measured import MeasuredSong, measure_song
from mixcli.mixing.mix_song import mix_song, paths_of, plan_only
from mixcli.mixing.output_path import settle_existing
from mixcli.mixing.request import MixRequest, Progress
from mixcli.mixing.result import MixResult, result_document
from mixcli.mixing.settle import settle_rules, settle_settings
from mixcli.songs.discovery import read_song

SCHEMA = "mixcli.variants/1"


def mix_variants(
    request: MixRequest, n_variants: int, on_progress: Progress | None = None, *, plan: bool = False
) -> Iterator[MixResult]:
    """Mix a song so many times over, the first as it is mixed without variants; `plan` writes nothing.

    All outputs are settled before any work; there are fewer mixes where the song has no use for all
    directions, and the first one's notices say so. Raises MixcliError; what is finished by then is kept.
    """
    if settle_rules(request).keep_balance == 1:
        message = "--keep-balance 1 keeps the levels of all stems, so all variants would be one."
        raise UsageError(message, code="E231", hint="--keep-balance 0.5, or no --variants.")
    roles = [stem.role for stem in read_song(request.folder, request.discovery).stems]
    chosen = choose_variants(n_variants, roles)
    requests = [replace(request, variant=variant) for variant in chosen]
    for each in requests:
        settle_existing(paths_of(each), each.if_exists, terms=each.terms != "none")
    settings, _ = settle_settings(request)
    measured: MeasuredSong | None = None
    for each in requests:
        measured = measured or measure_song(request, settings, on_progress)
        result = (plan_only if plan else mix_song)(each, on_progress, measured=measured)
        if each is requests[0]:
            result = replace(result, notices=(*result.notices, *_fewer(chosen, n_variants)))
        yield result


def variants_document(results: Sequence[MixResult]) -> dict[str, Any]:
    """All variants of a song as plain data (schema mixcli.variants/1): a result for each."""
    return {
        "schema": SCHEMA,
        "mixcli": __version__,
        "variants": [result_document(result) for result in results],
    }


def _fewer(chosen: tuple[Variant, ...], n_variants: int) -> tuple[Notice, ...]:
    if len(chosen) == n_variants:
        return ()
    message = (
        f"{len(chosen)} variants, not {n_variants}: others would turn levels that this song does not have."
    )
    return (Notice("W402", message),)
