"""What the sound of a song's stems gives away: silence, copies, and bounces of other stems."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mixcli.errors import Notice, SongError
from mixcli.songs.bounce_proof import is_only_the_sum
from mixcli.songs.least_squares import Explanation, explain, smallest_residuals
from mixcli.songs.naming import quoted, quoted_list
from mixcli.songs.roles import family_of
from mixcli.songs.session_faults import find_session_faults
from mixcli.songs.song import Excluded, Song, Stem
from mixcli.songs.stem_survey import FAULTY_DC
from mixcli.songs.survey import Survey, select_stems
from mixcli.songs.tokens import split_words

RESIDUAL_DB = -20.0  # a stem of which the others leave less than this is their sum
PART_DB = -30.0  # what a stem must give at least to count as a part of a bounce
TRACE_DB = -60.0  # what a stem must give at least to be taken away when a bounce is proved
FAMILIES_OF_A_MIX = 3
FEWEST_PARTS = 2
CLOSE_DRUMS = ("drums.kick", "drums.snare", "drums.tom", "drums.hihat", "drums.overhead", "drums.cymbal")
DRUM_NAMES = {"drum", "drums", "kit", "drumkit"}
GROUP_NAMES = {"bus", "buss", "submix", "group", "all"}
FLOATS = ("FLOAT", "DOUBLE")


@dataclass(frozen=True)
class _Judged:
    """A song on its way through the checks, with what they found."""

    song: Song
    survey: Survey

    def without(self, excluded: Sequence[Excluded], notices: Sequence[Notice]) -> "_Judged":
        gone = {one.name for one in excluded}
        stems = tuple(stem for stem in self.song.stems if stem.name not in gone)
        survey = select_stems(self.survey, [stem.name for stem in stems]) if gone else self.survey
        song = replace(
            self.song,
            stems=stems,
            excluded=(*self.song.excluded, *excluded),
            notices=(*self.song.notices, *notices),
        )
        return _Judged(song, survey)


def apply_survey(song: Song, survey: Survey, *, processes: int = 1) -> tuple[Song, Survey]:
    """Take out of song and survey what the content shows to be no stem, and note what is odd about the rest.

    Silent stems and second copies go. A stem that is a sum of at least two others with gains of zero or more
    (what is left lies under -20 dB, also as it is heard: a suspect and its parts are read once more) is a
    bounce of them, or, if they span three families, an existing mix; it goes as well. Two near-identical
    stems are microphones of one thing and stay. What else is wrong is only said, after a look in up to
    `processes` processes. Raises SongError E332 if all stems are silent.
    """
    judged = _drop_broken(_Judged(song, survey))
    judged = _drop_silent(judged)
    judged = _drop_copies(judged)
    judged = _drop_bounces(judged)
    judged = judged.without((), [*_unproved_bounces(judged.song), *_oddities(judged)])
    judged = judged.without((), find_session_faults(judged.song, judged.survey, processes=processes))
    return judged.song, judged.survey


def _drop_broken(judged: _Judged) -> _Judged:
    """Leave out what could not be read to its end; only a survey that was told to skip such stems has any."""
    broken = judged.survey.broken
    excluded = [Excluded(name=name, why="broken", detail=error.message) for name, error in broken.items()]
    notices = [
        Notice(f"W{error.code[1:]}", f"left out: {error.message}", name) for name, error in broken.items()
    ]
    return judged.without(excluded, notices)


def _drop_silent(judged: _Judged) -> _Judged:
    silent = [stem.name for stem in judged.song.stems if judged.survey.stems[stem.name].silent]
    n_stems = len(judged.song.stems)
    if n_stems and len(silent) == n_stems:
        which = "the only stem is" if n_stems == 1 else f"all {n_stems} stems are"
        raise SongError(
            f"{which} silent (peak below -70 dBFS).", code="E332", hint="check the export, or --exclude."
        )
    if not silent:
        return judged
    excluded = [Excluded(name=name, why="silent", detail="peak below -70 dBFS") for name in silent]
    verb = "is" if len(silent) == 1 else "are"
    notice = Notice(
        "I332", f"{quoted_list(silent)} {verb} silent (peak below -70 dBFS); left out.", silent[0]
    )
    return judged.without(excluded, [notice])


def _drop_copies(judged: _Judged) -> _Judged:
    """Keep one of the stems with the same samples at the same time: the first with a known role."""
    kept: dict[tuple[str, float], str] = {}
    excluded, notices = [], []
    for stem in sorted(judged.song.stems, key=lambda stem: stem.role_from == "none"):  # stable: order decides
        sound = (judged.survey.stems[stem.name].digest, stem.offset / stem.sample_rate)
        first = kept.setdefault(sound, stem.name)
        if first != stem.name:
            excluded.append(Excluded(name=stem.name, why="copy", detail=f"the same sound as {quoted(first)}"))
            message = f"{quoted(stem.name)} is a copy of {quoted(first)}; left out."
            notices.append(Notice("W333", message, stem.name))
    return judged.without(excluded, notices)


def _drop_bounces(judged: _Judged) -> _Judged:
    """Take out one proved sum after the other, the loudest first, so that each is proved by what remains."""
    refuted: set[str] = set()
    while True:
        found = _next_bounce(judged, refuted)
        if found is None:
            return judged
        stem, parts, explanation = found
        listed = quoted_list([part.name for part in parts])
        families = {family_of(part.role) for part in parts}
        is_mix = len(families) >= FAMILIES_OF_A_MIX
        # A mastered or lossy mix has sound that its parts have not; mixed in, it would double all of them.
        if not is_mix and not _is_proved(judged, stem, explanation):
            refuted.add(stem.name)
            message = f"{quoted(stem.name)} is nearly the sum of {listed}, but has sound of its own; kept."
            judged = judged.without((), [Notice("W335", message, stem.name)])
            continue
        kind = "an existing mix" if is_mix else "a bounce"
        reference = judged.song.reference
        if is_mix and reference is None and len(stem.files) == 1:
            reference = Path(stem.files[0].path)
            outcome = "kept as the reference"
        else:
            outcome = "left out"
        excluded = Excluded(name=stem.name, why="mix" if is_mix else "bounce", detail=f"{kind} of {listed}")
        notice = Notice(
            "W325" if is_mix else "W334",
            f"{quoted(stem.name)} is {kind} of {listed}; {outcome}.",
            stem.name,
        )
        judged = judged.without([excluded], [notice])
        judged = replace(judged, song=replace(judged.song, reference=reference))


def _next_bounce(judged: _Judged, refuted: Container[str]) -> tuple[Stem, list[Stem], Explanation] | None:
    """The loudest stem that has next to no energy but that of others, its parts, and how it is their sum."""
    stems, survey = judged.song.stems, judged.survey
    if len(stems) <= FEWEST_PARTS:
        return None
    most = 10 ** (RESIDUAL_DB / 10)
    bounds = smallest_residuals(survey.gram_NN, survey.channels)
    for stem in sorted(stems, key=lambda stem: -survey.energy(stem.name)):
        if stem.name in refuted or bounds[stem.name] >= most:
            continue
        others = [other.name for other in stems if other.name != stem.name]
        twins = {other for other in others if _explained(survey, stem.name, [other]) < most}
        rest = [other for other in others if other not in twins]
        explanation = explain(survey.gram_NN, survey.channels, stem.name, rest)
        names = {name for name, share in explanation.shares.items() if share > 10 ** (PART_DB / 10)}
        if explanation.residual < most and len(names) >= FEWEST_PARTS:
            return stem, [other for other in stems if other.name in names], explanation
    return None


def _is_proved(judged: _Judged, stem: Stem, explanation: Explanation) -> bool:
    traces = {name for name, share in explanation.shares.items() if share > 10 ** (TRACE_DB / 10)}
    gains = {name: gains_PC for name, gains_PC in explanation.gains.items() if name in traces}
    return is_only_the_sum(judged.song, judged.survey, stem.name, gains)


def _explained(survey: Survey, name: str, others: list[str]) -> float:
    return explain(survey.gram_NN, survey.channels, name, others).residual


def _unproved_bounces(song: Song) -> list[Notice]:
    """Warn of stems that are named like a group of others but are not their sum; they are kept."""
    notices = []
    told = {notice.file for notice in song.notices if notice.code == "W335"}
    for stem in song.stems:
        words = set(split_words(stem.name.rsplit("/", 1)[-1]))
        others = [other for other in song.stems if other.name != stem.name]
        parts: list[str] = []
        if stem.role == "drums.kit" and words & DRUM_NAMES:
            parts = [other.name for other in others if other.role in CLOSE_DRUMS]
        elif words & GROUP_NAMES and stem.role_from != "none":
            parts = [other.name for other in others if family_of(other.role) == family_of(stem.role)]
        if parts and stem.name not in told:
            message = (
                f"{quoted(stem.name)} is named like a bounce of {quoted_list(parts)}, "
                "but its sound is not their sum; kept."
            )
            notices.append(Notice("W335", message, stem.name))
    return notices


def _oddities(judged: _Judged) -> list[Notice]:
    """Dual mono, clipping, DC and levels over full scale: noted; the console's rules see to DC."""
    stems, measured = judged.song.stems, judged.survey.stems
    notices = []
    dual = [stem.name for stem in stems if measured[stem.name].dual_mono]
    if dual:
        notices.append(
            Notice("I333", f"stereo with identical channels, treated as mono: {quoted_list(dual)}.")
        )
    for stem in stems:
        runs = measured[stem.name].clipped_runs
        if runs:
            noun = "run" if runs == 1 else "runs"
            notices.append(
                Notice("W336", f"{quoted(stem.name)} is clipped: {runs} {noun} at full scale.", stem.name)
            )
    for stem in stems:
        dc = measured[stem.name].dc
        if dc > FAULTY_DC:
            message = f"{quoted(stem.name)} has a DC offset of {dc:.1%} of full scale; filtered out."
            notices.append(Notice("W337", message, stem.name))
    hot = [s.name for s in stems if s.files[0].subtype in FLOATS and measured[s.name].peak_dbfs > 0]
    if hot:
        notices.append(Notice("I334", f"float samples above 0 dBFS, kept as they are: {quoted_list(hot)}."))
    return notices
