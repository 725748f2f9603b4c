"""The words in which data sets say what a stem is, as roles."""

import re

from mixcli.songs.roles import RoleMatch, match_role

# What the table of names would not know, or would take for something else.
PHRASES: dict[str, str] = {
    "vocals": "vox.lead",
    "male singer": "vox.lead",
    "female singer": "vox.lead",
    "lead male singer": "vox.lead",
    "lead female singer": "vox.lead",
    "human choir": "vox.choir",
    "vocalists": "vox.backing",
    "background vocals": "vox.backing",
    "male rapper": "vox.rap",
    "female rapper": "vox.rap",
    "male speaker": "vox.spoken",
    "female speaker": "vox.spoken",
    "beatboxing": "perc.hand",
    "drums": "drums.kit",
    "drum set": "drums.kit",
    "drum machine": "drums.kit",
    "full acoustic drumkit": "drums.kit",
    "high hat": "drums.hihat",
    "toms": "drums.tom",
    "overheads": "drums.overhead",
    "cymbal": "drums.cymbal",
    "cymbals": "drums.cymbal",
    "percussion": "perc.hand",
    "auxiliary percussion": "perc.hand",
    "chromatic percussion": "perc.pitched",
    "pitched percussion": "perc.pitched",
    "percussive": "perc.hand",
    "bass": "bass.electric",
    "bass guitar": "bass.electric",
    "electric bass": "bass.electric",
    "bass synthesizer": "bass.synth",
    "guitar": "gtr.other",
    "lap steel guitar": "gtr.steel",
    "other keys": "keys.other",
    "other plucked": "plucked",
    "ethnic": "plucked",
    "bowed strings": "strings",
    "strings (continued)": "strings",
    "ensemble": "strings",
    "wind": "winds.reed",
    "reed": "winds.reed",
    "pipe": "winds.flute",
    "brass": "winds.brass",
    "brass section": "winds.brass",
    "synthesizer": "synth.other",
    "synth lead": "synth.lead",
    "synth pad": "synth.pad",
    "synth effects": "synth.other",
    "sampler": "other",
    "sound effects": "fx.sfx",
    "fx/processed sound": "fx.sfx",
    "other": "other",
}


def instrument_role(*words: str) -> RoleMatch | None:
    """The role of the first of several descriptions that has one, the most exact first; None without any."""
    for word in words:
        plain = re.sub(r"[\s_]+", " ", word.casefold()).strip()
        if plain in PHRASES:
            return RoleMatch(role=PHRASES[plain], role_from="folder")
        match = match_role(plain.split(",")[0].split("(")[0])
        if match.role_from != "none":
            return RoleMatch(role=match.role, role_from="folder", attributes=match.attributes)
    return None
