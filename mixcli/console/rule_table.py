"""What the rules know of each role: level, high-pass, width, pan and reverb, as plain data.

Frozen after a study on real songs; roles that study did not have are marked "ours" and take the values of the
nearest role it had. The roles util.click and util.mix have no rule, for what is
no stem is left out of the song; a click that is kept all the same is treated as "other".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

BalanceFamily = Literal["vocals", "drums", "bass", "other"]

STEM_TARGET_LUFS = -18.0  # what every stem is brought to before its steps
KIT_LEVEL_DB = -1.0  # all microphones of a drum kit together, re a lead voice
# Added in a song that is electronic throughout, in part in one that is so in part.
ELECTRONIC_STEPS_DB: Mapping[BalanceFamily, float] = {"vocals": 0.0, "drums": 2.5, "bass": 2.0, "other": 0.0}

# Side re mid at 200 Hz, 1, 3 and 8 kHz for a stem that has no side of its own, dB.
WIDTH_POINTS_HZ = (200.0, 1000.0, 3000.0, 8000.0)
NO_SIDE_BELOW_HZ = 90.0
SIDE_FROM_HZ = 110.0  # the level of 200 Hz holds down to here, then falls to nothing at 90 Hz
NO_SIDE_DB = -60.0
GUITAR = (-15.0, -7.0, -6.0, -5.0)
SYNTH = (-14.0, -7.0, -5.0, -4.0)
STRINGS = (-13.0, -6.0, -5.0, -5.0)
KIT = (-25.0, -13.0, -10.0, -9.0)
HATS = (-16.0, -9.0, -8.0, -7.0)
BACKING = (-18.0, -10.0, -9.0, -8.0)
LEAD = (-30.0, -22.0, -20.0, -18.0)
BASS = (-35.0, -27.0, -25.0, -25.0)


@dataclass(frozen=True, kw_only=True)
class RoleRule:
    """The rule of one role.

    `level_db` is its level re a lead voice; `width_db` the side re mid at `WIDTH_POINTS_HZ` for a mono
    stem (None: it stays mono); `panned` says whether it may leave the centre; `send_db` the reverb re its dry
    sound (None: dry).
    """

    family: BalanceFamily
    level_db: float
    high_pass_hz: float | None = None
    width_db: tuple[float, float, float, float] | None = None
    panned: bool = False
    send_db: float | None = None


DEFAULT_RULE = RoleRule(
    family="other", level_db=-4, width_db=GUITAR, panned=True, send_db=-22
)  # role "other"
LEAD_VOICE = RoleRule(family="vocals", level_db=0, high_pass_hz=90, width_db=LEAD, send_db=-17)
BACKING_VOICE = RoleRule(
    family="vocals", level_db=-2.5, high_pass_hz=120, width_db=BACKING, panned=True, send_db=-14
)
GUITAR_RULE = RoleRule(
    family="other", level_db=-3.5, high_pass_hz=70, width_db=GUITAR, panned=True, send_db=-22
)
KEYS_RULE = RoleRule(family="other", level_db=-4.5, width_db=GUITAR, panned=True, send_db=-22)
SYNTH_RULE = RoleRule(family="other", level_db=-4.5, width_db=SYNTH, panned=True, send_db=-22)
STRINGS_RULE = RoleRule(
    family="other", level_db=-4.5, high_pass_hz=80, width_db=STRINGS, panned=True, send_db=-18
)
WINDS_RULE = RoleRule(family="other", level_db=-4.5, width_db=STRINGS, panned=True, send_db=-18)  # ours
BASS_RULE = RoleRule(family="bass", level_db=-1, width_db=BASS)
PERCUSSION_RULE = RoleRule(family="drums", level_db=-6, width_db=KIT, panned=True, send_db=-24)
FX_RULE = RoleRule(family="other", level_db=-6, width_db=SYNTH, panned=True, send_db=-22)

ROLE_RULES: Mapping[str, RoleRule] = {
    "vox.lead": LEAD_VOICE,
    "vox.rap": LEAD_VOICE,
    "vox.spoken": LEAD_VOICE,
    "vox.double": BACKING_VOICE,  # ours
    "vox.adlib": BACKING_VOICE,  # ours
    "vox.backing": BACKING_VOICE,
    "vox.choir": BACKING_VOICE,
    "drums.kick": RoleRule(family="drums", level_db=-4),
    "drums.snare": RoleRule(family="drums", level_db=-4, high_pass_hz=80, width_db=KIT, send_db=-19),
    "drums.clap": RoleRule(family="drums", level_db=-4, high_pass_hz=80, width_db=KIT, send_db=-19),  # ours
    "drums.tom": RoleRule(family="drums", level_db=-5.5, width_db=KIT, panned=True, send_db=-24),  # pan: ours
    "drums.hihat": RoleRule(
        family="drums", level_db=-6.5, high_pass_hz=200, width_db=HATS, panned=True, send_db=-32
    ),
    "drums.cymbal": RoleRule(  # ours
        family="drums", level_db=-6.5, high_pass_hz=200, width_db=HATS, panned=True, send_db=-32
    ),
    "drums.overhead": RoleRule(family="drums", level_db=-3.5, width_db=HATS, send_db=-32),  # ours
    "drums.room": RoleRule(family="drums", level_db=-5.5, width_db=HATS),  # ours
    "drums.kit": RoleRule(family="drums", level_db=-2.5, width_db=KIT, send_db=-24),
    "perc.hand": PERCUSSION_RULE,
    "perc.orch": PERCUSSION_RULE,
    "perc.pitched": KEYS_RULE,  # ours
    "bass.electric": BASS_RULE,
    "bass.synth": BASS_RULE,
    "bass.upright": BASS_RULE,
    "gtr.electric": GUITAR_RULE,
    "gtr.acoustic": GUITAR_RULE,
    "gtr.steel": GUITAR_RULE,
    "gtr.other": GUITAR_RULE,
    "plucked": GUITAR_RULE,  # ours
    "keys.piano": KEYS_RULE,
    "keys.epiano": KEYS_RULE,
    "keys.organ": KEYS_RULE,
    "keys.other": KEYS_RULE,
    "synth.pad": SYNTH_RULE,
    "synth.arp": SYNTH_RULE,
    "synth.lead": SYNTH_RULE,
    "synth.other": SYNTH_RULE,
    "strings": STRINGS_RULE,
    "winds.reed": WINDS_RULE,
    "winds.brass": WINDS_RULE,
    "winds.flute": WINDS_RULE,
    "fx.return": RoleRule(family="other", level_db=-6, width_db=SYNTH),  # already wet
    "fx.sfx": FX_RULE,
    "room": RoleRule(family="other", level_db=-6, width_db=STRINGS),  # ours
    "other": DEFAULT_RULE,
}

LEAD_ROLES = frozenset({"vox.lead", "vox.rap", "vox.spoken"})

# A second microphone, dB re the first: ours, the usual place of a snare's lower side and a clean DI.
TWIN_OFFSETS_DB: Mapping[tuple[str, str], float] = {
    ("drums.snare", "bottom"): -6.0,
    ("drums.snare", "under"): -6.0,
    ("drums.snare", "down"): -6.0,
    ("gtr.electric", "di"): -6.0,
}


def rule_of(role: str) -> RoleRule:
    """The rule of a role; a role the table does not have is treated as "other"."""
    return ROLE_RULES.get(role, DEFAULT_RULE)
