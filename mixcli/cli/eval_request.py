"""From the options of `eval` to a request."""

from collections.abc import Iterable
from pathlib import Path

from mixcli.cli.eval_options import EvalOptions
from mixcli.cli.parse import parse_choice
from mixcli.cli.request import chosen_presets, discovery_options
from mixcli.errors import UsageError
from mixcli.evaluation.baselines import BASELINES
from mixcli.evaluation.request import CONSOLE, EvalRequest, System
from mixcli.models.model_paths import default_model
from mixcli.settings import DEFAULT_PRESET

OWN = "mixcli"


def build_eval_request(library: Path, options: EvalOptions) -> EvalRequest:
    """Everything that was typed, checked and in its place. Raises UsageError and SettingsError."""
    if options.report != "none":
        parse_choice("--report", options.report, ("none", "html"))
        if options.out is None:
            raise UsageError("--report html is written into --out.", code="E215", hint="--out evaluation")
    if options.no_mix and (options.model or options.recipe):
        raise UsageError("--no-mix contradicts --model and --recipe.", code="E215")
    return EvalRequest(
        library=library,
        systems=(*own_systems(options), *given_systems(options), *baseline_systems(options)),
        against=options.against,
        parts=options.parts,
        recipe=options.recipe,
        presets=chosen_presets(options.preset) or (DEFAULT_PRESET,),
        discovery=discovery_options(options),
        repair=options.repair_nan,
        out=options.out,
        labels=options.labels,
        seed=options.seed,
    )


def own_systems(options: EvalOptions) -> list[System]:
    """What mixcli mixes: with each model, or as `mix` does at its defaults."""
    if options.no_mix:
        return []
    if not options.model:
        return [System(name=OWN, kind="own")]
    names = unique_names([Path(model).stem or model for model in options.model])
    models = zip(names, options.model, strict=True)
    return [System(name=name, kind="own", settings={"model": model}) for name, model in models]


def given_systems(options: EvalOptions) -> list[System]:
    """Mixes that were made elsewhere. Raises UsageError E202 and E217."""
    systems = []
    for word in options.system or []:
        name, equals, place = word.partition("=")  # a folder may have "=" in its name
        if not equals or not name.strip() or not place.strip():
            raise UsageError(f'--system "{word}" is not of the form NAME=FOLDER.', code="E202")
        systems.append(System(name=name.strip(), kind="given", place=place.strip()))
    taken = [OWN, CONSOLE, *BASELINES, "reference"]
    for index, system in enumerate(systems):
        others = [*taken, *(other.name for other in systems[:index])]
        if system.name in others or ":" in system.name or "," in system.name:
            message = f'--system: the name "{system.name}" is taken, or has ":" or "," in it.'
            raise UsageError(message, code="E217", hint="give it another name.")
    return systems


def baseline_systems(options: EvalOptions) -> list[System]:
    """The rows to beat: all, none, or those that are named. Raises UsageError E205."""
    known = (*BASELINES, CONSOLE)
    has_network = bool(options.model) or default_model() is not None
    names: Iterable[str]
    if options.baselines == "all":
        names = [name for name in known if name != CONSOLE or (has_network and not options.no_mix)]
    elif options.baselines == "none":
        names = []
    else:
        words = [word.strip() for word in options.baselines.split(",") if word.strip()]
        names = [parse_choice("--baselines", word, known) for word in words]
    return [
        System(name=name, kind="baseline", settings={"amount": 0.0} if name == CONSOLE else {})
        for name in dict.fromkeys(names)
    ]


def unique_names(names: list[str]) -> list[str]:
    """The same names, numbered from the second of a kind on."""
    return [
        name if name not in names[:index] else f"{name} ({names[: index + 1].count(name)})"
        for index, name in enumerate(names)
    ]
