"""Which files the user means by a word: the one that is called so, or else all that fit it as a pattern."""

import fnmatch
import unicodedata
from collections.abc import Iterable, Sequence

from mixcli.songs.tokens import strip_suffix


def files_meant(wanted: str, names: Iterable[str]) -> set[str]:
    """The files, by their paths in the song, that `wanted` names: "Drums/Kick.wav", "Kick.wav" or "Kick".

    Only where no file is called so is it a pattern (* ? []) for one of these forms: brackets are common in
    names. Case makes no difference, nor does the way an accent is encoded.
    """
    forms = {name: _forms(name) for name in names}
    plain = _plain(wanted)
    called_so = {name for name, known_as in forms.items() if plain in known_as}
    return called_so or {
        name for name, known_as in forms.items() if any(fnmatch.fnmatchcase(form, plain) for form in known_as)
    }


def files_meant_by_any(words: Sequence[str], names: Sequence[str]) -> set[str]:
    """The same for several words."""
    return {name for word in words for name in files_meant(word, names)}


def _forms(name: str) -> set[str]:
    """A file's path in the song and its bare name, each with and without its suffix."""
    file_name = name.rsplit("/", 1)[-1]
    return {_plain(form) for form in (name, file_name, strip_suffix(name), strip_suffix(file_name))}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
