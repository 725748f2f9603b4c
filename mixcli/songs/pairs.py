"""Left and right mono files that belong together."""

from collections.abc import Mapping

from mixcli.audio.files import AudioInfo
from mixcli.songs.listing import path_key
from mixcli.songs.tokens import split_words

SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}


def find_pairs(infos: Mapping[str, AudioInfo]) -> dict[str, str]:
    """Which mono files are the two sides of one recording: name of the left file -> name of the right one.

    Names are paths inside the song. Two files pair if their names are equal but for one word that says the
    side (`OH.L`, `OH_R`, `Keys Left`, `overhead_R/take.wav`) and a leading number, and they have the same
    length, sample rate and start time. Where several would do, they pair in their natural order.
    """
    sides: dict[tuple[object, ...], dict[str, list[str]]] = {}
    for name in sorted(infos, key=path_key):
        info = infos[name]
        if info.n_channels != 1:
            continue
        words = _words(name)
        for place in (index for index, word in enumerate(words) if word in SIDES):
            rest = (*words[:place], "*", *words[place + 1 :])
            key = (rest, info.n_samples, info.sample_rate, info.time_reference)
            sides.setdefault(key, {"left": [], "right": []})[SIDES[words[place]]].append(name)
    pairs: dict[str, str] = {}
    taken: set[str] = set()
    for both in sides.values():
        for left, right in zip(both["left"], both["right"], strict=False):
            if not taken & {left, right} and len(both["left"]) == len(both["right"]):
                pairs[left] = right
                taken |= {left, right}
    return pairs


def _words(name: str) -> tuple[str, ...]:
    """The words of a path; the number a file name begins with counts the files and is dropped."""
    *folders, file_name = name.split("/")
    words = split_words(file_name)
    if len(words) > 1 and words[0].isdigit():
        words = words[1:]
    return (*(word for folder in folders for word in (*split_words(folder), "/")), *words)
