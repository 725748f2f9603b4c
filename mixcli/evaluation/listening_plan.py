"""Planning a blind listening test: which stimuli are heard, under which ids, and the key to them.

APE style sets all mixes of a song on one line and asks one criterion at a time; it is what the field prefers
for mixes, where there is no single right answer. MUSHRA style asks how near each mix is to the reference,
with a hidden reference and an anchor among them.

SOURCE: De Man and Reiss, "APE: Audio Perceptual Evaluation Toolbox for MATLAB", AES convention 136, 2014;
ITU-R BS.1534-3 (MUSHRA).
"""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mixcli.errors import UsageError

Style = Literal["ape", "mushra"]
MOST_STIMULI = 11  # beyond that listeners lose the overview of a page
REFERENCE = "reference"  # the name of the human mix among the systems
ANCHOR = "sum"  # the name of the plain sum of the stems among the systems
ID_DIGITS = 10


@dataclass(frozen=True)
class Criterion:
    """One question to the listener, with the words at both ends of its scale."""

    name: str
    question: str
    low: str
    high: str


@dataclass(frozen=True)
class Stimulus:
    """One thing to be heard: the id that the page knows, and the system that only the key knows."""

    id: str
    system: str


@dataclass(frozen=True)
class Trial:
    """The mixes of one song, rated against each other.

    `offered` is heard openly and not rated: the reference in MUSHRA style, the plain sum in APE style.
    """

    id: str
    song: str
    stimuli: tuple[Stimulus, ...]
    offered: Stimulus | None = None


@dataclass(frozen=True)
class ListeningPlan:
    """A listening test; `id` is drawn from all that is in it."""

    id: str
    style: Style
    criteria: tuple[Criterion, ...]
    trials: tuple[Trial, ...]


KNOWN_CRITERIA = (
    Criterion("Production Value", "How well is this song mixed, all in all?", "poor", "excellent"),
    Criterion("Clarity", "How clearly can the parts be told apart?", "muddled", "clear"),
    Criterion("Excitement", "How exciting is it to listen to?", "dull", "exciting"),
    Criterion("Balance", "How well do the levels of the parts fit each other?", "unbalanced", "balanced"),
    Criterion("Tone", "How pleasant is the tone colour?", "unpleasant", "pleasant"),
    Criterion("Space", "How convincing are width and depth?", "flat", "spacious"),
)
NEARNESS = Criterion(
    "Similarity", "How near is each mix to the reference?", "very far from it", "no difference"
)
DEFAULT_CRITERIA: dict[Style, tuple[Criterion, ...]] = {"ape": KNOWN_CRITERIA[:3], "mushra": (NEARNESS,)}


def criterion_named(name: str) -> Criterion:
    """The known criterion of this name in any case of letters, or a new one that asks for it plainly."""
    for criterion in (*KNOWN_CRITERIA, NEARNESS):
        if criterion.name.casefold() == name.strip().casefold():
            return criterion
    return Criterion(name.strip(), f"How do you rate the mixes for {name.strip()}?", "low", "high")


def plan_listening(
    songs: Sequence[tuple[str, Sequence[str]]],
    *,
    criteria: Sequence[Criterion] = (),
    style: Style = "ape",
    seed: int = 0,
    repeats: int = 0,
    offered: str | None = None,
    fingerprint: str = "",
) -> ListeningPlan:
    """Draw a blind listening test of (song, its systems): the same for the same arguments.

    The ids are drawn from a generator seeded with every argument, and stimuli stand in the order of their
    ids; so neither tells the system. `repeats` stimuli of each song come twice, under two ids, to show how
    steady a listener is. APE style: `offered` names a system that is heard openly for comparison, such as
    the plain sum. MUSHRA style: `REFERENCE` is heard openly and hidden among the stimuli, `ANCHOR` is among
    them too; both are added where they are missing. `fingerprint` is anything that tells this audio from
    other audio of the same names, such as a digest of the files: answers then never meet a wrong key.

    Raises UsageError E214 where no listener could answer such a page: under 2 or over 11 stimuli of a song.
    """
    criteria = tuple(criteria) or DEFAULT_CRITERIA[style]
    if style == "mushra":
        offered = REFERENCE
        songs = [(song, _with(systems, REFERENCE, ANCHOR)) for song, systems in songs]
    _check(songs, criteria, repeats)
    asked = [asdict(criterion) for criterion in criteria]
    content = [songs, asked, style, seed, repeats, offered, fingerprint]
    generator = random.Random(json.dumps(content))
    ids = _draw_ids(generator)
    trials = []
    for number, (song, systems) in enumerate(songs, 1):
        heard = [*systems, *generator.sample(sorted(systems), repeats)]
        stimuli = sorted((Stimulus(next(ids), system) for system in heard), key=lambda stimulus: stimulus.id)
        open_one = None if offered is None else Stimulus(next(ids), offered)
        trials.append(Trial(f"t{number}", song, tuple(stimuli), open_one))
    plan = ListeningPlan("", style, criteria, tuple(trials))
    # The ids hang on all arguments already, so the hash of what listeners may see tells any two plans apart.
    digest = hashlib.sha256(json.dumps(page_document(plan)).encode()).hexdigest()[:16]
    return ListeningPlan(digest, style, criteria, tuple(trials))


def stimulus_sources(plan: ListeningPlan) -> dict[str, tuple[str, str]]:
    """What is to be heard under each id of the page, offered ones too: id to (song, system)."""
    return {
        stimulus.id: (trial.song, stimulus.system)
        for trial in plan.trials
        for stimulus in (*trial.stimuli, *([trial.offered] if trial.offered else []))
    }


def page_document(plan: ListeningPlan) -> dict[str, Any]:
    """What the listener's page may know: no systems. The form that `reporting.listening_page` takes."""
    return {
        "schema": "mixcli.listening-page/1",
        "id": plan.id,
        "style": plan.style,
        "criteria": [asdict(criterion) for criterion in plan.criteria],
        "trials": [
            {
                "id": trial.id,
                "song": trial.song,
                "stimuli": [stimulus.id for stimulus in trial.stimuli],
                "offered": trial.offered and trial.offered.id,
                "offered_as": _open_name(trial.offered),
            }
            for trial in plan.trials
        ],
    }


def key_document(plan: ListeningPlan) -> dict[str, Any]:
    """The key file: which system each id stands for. It is kept from listeners until all have answered."""
    return {
        "schema": "mixcli.listening-key/1",
        "page": plan.id,
        "style": plan.style,
        "criteria": [asdict(criterion) for criterion in plan.criteria],
        "trials": [
            {
                "id": trial.id,
                "song": trial.song,
                "stimuli": [{"id": stimulus.id, "system": stimulus.system} for stimulus in trial.stimuli],
            }
            for trial in plan.trials
        ],
    }


def _open_name(offered: Stimulus | None) -> str | None:
    if offered is None:
        return None
    return "Reference" if offered.system == REFERENCE else "Unmixed stems"


def _with(systems: Sequence[str], *needed: str) -> list[str]:
    return [*systems, *(name for name in needed if name not in systems)]


def _draw_ids(generator: random.Random) -> Iterator[str]:
    """Ids without end, all different."""
    drawn: set[str] = set()
    while True:
        new = f"{generator.getrandbits(4 * ID_DIGITS):0{ID_DIGITS}x}"
        if new not in drawn:
            drawn.add(new)
            yield new


def _check(songs: Sequence[tuple[str, Sequence[str]]], criteria: Sequence[Criterion], repeats: int) -> None:
    """Raise UsageError E214 for a test that cannot be listened to."""
    names = [song for song, _ in songs]
    if not songs or len(set(names)) < len(names):
        raise UsageError("A listening test needs songs, each of its own name.", code="E214")
    if len({criterion.name for criterion in criteria}) < len(criteria):
        raise UsageError("A criterion of the listening test is named twice.", code="E214")
    for song, systems in songs:
        if len(set(systems)) < len(systems):
            raise UsageError(f'"{song}": a system is named twice.', code="E214")
        if len(systems) < 2:
            message = f'"{song}": {len(systems)} mixes are too few to compare by ear.'
            raise UsageError(message, code="E214", hint="give at least two systems or baselines.")
        if not 0 <= repeats <= len(systems):
            message = f'"{song}": {repeats} repeats of {len(systems)} mixes are not possible.'
            raise UsageError(message, code="E214", hint=f"0 to {len(systems)} repeats.")
        if len(systems) + repeats > MOST_STIMULI:
            message = (
                f'"{song}": {len(systems) + repeats} mixes on one page; listeners can compare {MOST_STIMULI}.'
            )
            hint = "name fewer systems" + (", or take fewer repeats." if repeats else ".")
            raise UsageError(message, code="E214", hint=hint)
