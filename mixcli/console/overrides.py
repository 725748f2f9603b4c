"""Moves asked for by name on top of a recipe: gain, pan, mute and solo."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from mixcli.console.recipe import Recipe, StemRecipe
from mixcli.errors import SettingsError
from mixcli.songs.roles import BUSES, ROLES, family_of

FAMILIES = frozenset(family_of(role) for role in ROLES)


def apply_overrides(
    recipe: Recipe,
    gains_db: Mapping[str, float] | None = None,
    pans: Mapping[str, float] | None = None,
    mutes: Collection[str] = (),
    solos: Collection[str] = (),
) -> Recipe:
    """A recipe with the moves that were asked for, in this order: gains, pans, solos, mutes.

    A selector is a role ("vox.lead"), a family ("drums"), a bus ("snare_toms"), the end of a role ("snare"),
    or the name of a stem, with or without folder and extension, or a pattern of it ("*Gtr*"); the first of
    these that there is counts, and case does not. A gain adds to the recipe's, a pan replaces it, several
    solos sound together, and a mute wins over a solo. A role, family or bus that exists but is not in the
    song changes nothing, save that a solo of nothing is refused. Raises SettingsError E405 for an unknown
    selector, E411 for a value out of range.
    """
    stems = dict(recipe.stems)
    for selector, gain_db in (gains_db or {}).items():
        for name in select_stems(recipe, selector):
            moved_db = round(stems[name].gain_db + gain_db, 4)
            stems[name] = _changed(
                name, stems[name], "gain_db", moved_db, f"asked for: {selector} {gain_db:+g} dB"
            )
    for selector, pan in (pans or {}).items():
        for name in select_stems(recipe, selector):
            stems[name] = _changed(
                name, stems[name], "pan", pan, f"asked for: {selector} to {pan:g}", keep=False
            )
    soloed = {name for selector in solos for name in select_stems(recipe, selector)}
    if solos and not soloed:
        listed = ", ".join(sorted(solos))
        raise SettingsError(f"solo {listed}: no stem of this song is that.", code="E405", hint=_known(recipe))
    if solos:
        reason = f"asked for: solo {', '.join(sorted(solos))}"
        for name in stems:
            if name not in soloed:
                stems[name] = _changed(name, stems[name], "mute", True, reason, keep=False)
    for selector in mutes:
        for name in select_stems(recipe, selector):
            stems[name] = _changed(name, stems[name], "mute", True, f"asked for: mute {selector}", keep=False)
    return recipe.model_copy(update={"stems": stems})


def select_stems(recipe: Recipe, selector: str) -> list[str]:
    """The names of the stems a selector means, in the recipe's order; see `apply_overrides`."""
    wanted = selector.casefold()
    if wanted in ROLES:
        return [name for name, stem in recipe.stems.items() if stem.role == wanted]
    if wanted in FAMILIES:
        return [name for name, stem in recipe.stems.items() if family_of(stem.role) == wanted]
    if wanted in BUSES:
        return [name for name, stem in recipe.stems.items() if stem.bus == wanted]
    if wanted in {role.partition(".")[2] for role in ROLES} - {""}:
        return [name for name, stem in recipe.stems.items() if stem.role.partition(".")[2] == wanted]
    exact = [name for name in recipe.stems if wanted in names_of(name)]
    matching = [name for name in recipe.stems if any(fnmatchcase(form, wanted) for form in names_of(name))]
    if not exact and not matching:
        known = [*ROLES, *FAMILIES, *BUSES, *recipe.stems]
        near = get_close_matches(wanted, sorted(known), n=1) or get_close_matches(
            selector, sorted(known), n=1
        )
        hint = f"did you mean {near[0]}? mixcli inspect --roles" if near else _known(recipe)
        raise SettingsError(f'no role, bus or stem "{selector}".', code="E405", hint=hint)
    return exact or matching


def names_of(name: str) -> set[str]:
    """The forms of a stem's name that select it: path and file name, with and without extension."""
    path = PurePosixPath(name)
    forms = {name, path.name, path.stem, str(path.with_suffix(""))} if path.name else {name}
    return {form.casefold() for form in forms}


def _changed(
    name: str, stem: StemRecipe, key: str, value: float | bool, reason: str, *, keep: bool = True
) -> StemRecipe:
    """A stem with another value, checked, and its reason after the one it had (or in its place)."""
    earlier: Iterable[str] = [stem.reasons[key]] if keep and key in stem.reasons else []
    fields: dict[str, Any] = stem.model_dump()
    fields |= {key: value, "reasons": stem.reasons | {key: "; ".join([*earlier, reason])}}
    try:
        return StemRecipe.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f'"{name}": {key} {value:g}: {first["msg"]}.', code="E411") from error


def _known(recipe: Recipe) -> str:
    roles = sorted({stem.role for stem in recipe.stems.values()})
    return f"this song has {', '.join(roles)}."
