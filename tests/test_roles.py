"""Roles from names: hand labels of a real album, habits of real folders, and the table walked row by row."""

import pytest

from mixcli.errors import SettingsError
from mixcli.songs.roles import (
    BUSES,
    ROLES,
    RoleMatch,
    bus_of,
    check_role,
    family_of,
    match_role,
    nearest_role,
    override_roles,
)
from mixcli.songs.tokens import common_words

# Hand labels, made before the matcher was: file name -> (role, how many of the 128 stems have it).
ALBUM = {
    "ALT_HATS": ("drums.hihat", 1),
    "ALT_HH": ("drums.hihat", 2),
    "ARP_DIST": ("synth.arp", 2),
    "BASS_STAB": ("bass.synth", 2),
    "BGVOX": ("vox.backing", 1),
    "BGVOX_1": ("vox.backing", 2),
    "BGVOX_2": ("vox.backing", 1),
    "BGVOX_3": ("vox.backing", 2),
    "BGVOX_ALT": ("vox.backing", 1),
    "BGVOX_ALT_OUTRO": ("vox.backing", 1),
    "BGVOX_BUILD": ("vox.backing", 2),
    "BGVOX_HARMONY_GLITCH": ("vox.backing", 2),
    "BGVOX_MAIN": ("vox.backing", 2),
    "BGVOX_OOH": ("vox.backing", 1),
    "BGVOX_OUTRO": ("vox.backing", 2),
    "BIG_BEAT": ("drums.kit", 1),
    "BREAKBEAT": ("drums.kit", 1),
    "BREAK_BEAT": ("drums.kit", 2),
    "BUILD": ("fx.sfx", 3),
    "BUILD_PRC": ("perc.hand", 1),
    "CLAPS": ("drums.clap", 1),
    "CRASH": ("drums.cymbal", 1),
    "CRASH_FADE": ("drums.cymbal", 2),
    "CRUSH_BREAK": ("drums.kit", 1),
    "CYMBALS": ("drums.cymbal", 1),
    "DRUMS_2": ("drums.kit", 2),
    "DRUMS_MAIN": ("drums.kit", 1),
    "DRUMS_OUTRO": ("drums.kit", 2),
    "ECHO_PAD": ("synth.pad", 1),
    "EDM_BUILD": ("fx.sfx", 1),
    "END_DRUMS": ("drums.kit", 1),
    "FAST_HATS": ("drums.hihat", 2),
    "FILL_BEAT": ("drums.kit", 1),
    "FILL_BUILD": ("drums.kit", 2),
    "FILL_PIANO": ("keys.piano", 1),
    "GARAGE_BEAT": ("drums.kit", 1),
    "HATS": ("drums.hihat", 5),
    "HAT_FILL": ("drums.hihat", 1),
    "HH": ("drums.hihat", 1),
    "HH_BUILD": ("drums.hihat", 1),
    "HIGH_STABS": ("synth.other", 2),
    "HOUSE_BEAT": ("drums.kit", 2),
    "HVY_KICK": ("drums.kick", 2),
    "KEYS": ("keys.other", 1),
    "KICK": ("drums.kick", 4),
    "KICK_HATS": ("drums.kit", 2),  # several pieces of the kit in one file
    "K_and_SN": ("drums.kit", 1),
    "MALLET": ("perc.pitched", 1),
    "MELODY_BREAK": ("synth.lead", 2),
    "MELODY_GLITCH": ("synth.lead", 1),
    "MELODY_PAD": ("synth.pad", 1),
    "MICROCOSM_EFFECT": ("fx.return", 2),  # the printed output of an effects pedal
    "MINILOGUE_SYNTH": ("synth.other", 10),
    "OFF_KICK": ("drums.kick", 1),
    "OUTRO_DRUM": ("drums.kit", 1),
    "PAD_and_BASS": ("bass.synth", 2),  # one synthesizer; its low end decides
    "PERC_BUILD": ("perc.hand", 1),
    "PLUCK": ("plucked", 4),
    "REVERSE_SWEEP": ("fx.sfx", 1),
    "SLIDE": ("other", 1),
    "SLOW_BEAT": ("drums.kit", 1),
    "SNARE": ("drums.snare", 2),
    "SNARE_BUILD": ("drums.snare", 2),
    "SWEEPS": ("fx.sfx", 2),
    "SY_BASS": ("bass.synth", 2),
    "TEXTURE": ("fx.sfx", 1),
    "TOMS": ("drums.tom", 2),
    "TOM_BREAK": ("drums.tom", 1),
    "TOPS": ("drums.kit", 2),
    "TRANSISTION": ("fx.sfx", 1),
    "TRAP_BEAT": ("drums.kit", 1),
    "VOX_LEAD": ("vox.lead", 8),
}

# Names as they come from studios, sessions and data sets, with what they are.
HABITS = {
    "07_ElecGtr2DI": "gtr.electric",
    "16_LeadVoxDT": "vox.double",
    "LeadVoxDT": "vox.double",
    "DRUM OH-AK47-SSL DUALITY.L": "drums.overhead",
    "BASS DI_04-07": "bass.electric",
    "K I_04-07": "drums.kick",
    "01_KickIn": "drums.kick",
    "ElecGtr2DI": "gtr.electric",
    "ElecGtrSFX3": "gtr.electric",
    "DnareDown": "drums.snare",
    "KicMid": "drums.kick",
    "Recordier": "winds.flute",
    "Vibrophone": "perc.pitched",
    "Vocals-Drums": "vox.backing",
    "Vocals-BG Bass": "vox.backing",
    "LeadVox_print": "vox.lead",
    "BassDrum": "drums.kick",
    "Bassoon": "winds.reed",
    "OUTRO_DRUM": "drums.kit",
    "Drums": "drums.kit",
    "vocals": "vox.lead",
    "bass": "bass.electric",
    "drums": "drums.kit",
    "other": "other",
    "mixture": "util.mix",
    "Rough Mix": "util.mix",
    "Guitar L": "gtr.other",
    "Kick_01.dup1": "drums.kick",
    "Snare_bip": "drums.snare",
    "Audio 12": "other",
    "01 Da Island 96bpm 011418": "other",
    "Chug": "other",
    "Decks1": "other",
    "Kick U87": "drums.kick",
    "Snare SM57 Neve 1073": "drums.snare",
    "12 String Guitar": "gtr.acoustic",
    "12_Strings": "strings",
    "808 Kick": "drums.kick",
    "808": "bass.synth",
    "BassGtr": "bass.electric",
    "Bass Clarinet": "winds.reed",
    "Upright Piano": "keys.piano",
    "GtrVox": "gtr.other",
    "Guide Vox": "util.click",
    "Scratch Gtr": "util.click",
    "Cow Bell": "perc.hand",
    "SubKick": "drums.kick",
    "EPiano": "keys.epiano",
    "OHs": "drums.overhead",
    "LdBGVox": "vox.backing",
    "Tambourine": "perc.hand",
    "Piano Loop": "keys.piano",
    "Vox Verse 2": "vox.lead",
    "VoiceOver": "vox.spoken",
    "AcBass": "bass.upright",
    "909Hats": "drums.hihat",
}

# The documented table, row by row: every word alone, or in the compound the row states.
TABLE = [
    (
        1,
        "util.click",
        "click, clicktrack, metronome, metro, guide, cue, talkback, tb, slate, count in, smpte, ltc",
    ),
    (1, "util.click", "timecode, scratch vox, scratch gtr, GuideGtr"),
    (
        2,
        "util.mix",
        "full mix, rough, mixdown, master, bounce, 2mix, two track, reference, ref, preview, final mix",
    ),
    (2, "util.mix", "premaster, print, mixture, mix, Mix"),
    (3, "vox.backing", "Vocals-Drums, Vocals-BG Bass, Vox Gtr, vocals piano"),
    (
        4,
        "winds.reed",
        "sax, saxophone, alto sax, tenor sax, bari sax, sop sax, clarinet, bass clarinet, oboe, bassoon",
    ),
    (4, "winds.reed", "contrabassoon, cor anglais, english horn, bagpipe, harmonica"),
    (5, "winds.brass", "horns tenor, tuba, tubas, bass trombone"),
    (
        6,
        "vox.backing",
        "backing vox, background vocals, back voc, bg vox, bgv, bgvs, bv, bvs, bvox, bkg vocal, bck vox",
    ),
    (
        6,
        "vox.backing",
        "backup vocal, harm vox, harmony vocal, hrm vox, oohs vox, aahs vocal, stack vox, gang vox",
    ),
    (6, "vox.backing", "harm 2, Harm1"),
    (
        7,
        "vox.choir",
        "choir, chorale, group vox, gang, sopranos choir, choir altos, choir tenors, choir basses",
    ),
    (8, "vox.adlib", "adlib, ad lib, shout, scream, whisper"),
    (8, "vox.rap", "rap, mc"),
    (8, "vox.spoken", "speech, spoken, dialog, narration"),
    (9, "drums.kick", "808 kick, 909Kick"),
    (9, "drums.snare", "808 snare"),
    (9, "drums.clap", "808 clap, 909 Clap"),
    (9, "perc.hand", "808 cowbell"),
    (9, "drums.tom", "808 tom"),
    (10, "fx.sfx", "rev cymbal, reverse crash, sub drop, sfx loop, synth fx"),
    (
        11,
        "gtr.electric",
        "elec gtr, ele gtrs, electric guitar, e gtr, el guit, dist gtr, clean gt, crunch gtr, rhythm gtr",
    ),
    (
        11,
        "gtr.electric",
        "lead gtr, solo guitar, baritone gtr, tele gtr, strat gtr, les paul gtr, egtr, egt, eg",
    ),
    (11, "gtr.electric", "ElecGtrVox"),
    (
        12,
        "gtr.acoustic",
        "acoustic gtr, ac gtr, acou gtr, nylon guitar, classical guitar, spanish guitar, 12 string gtr",
    ),
    (12, "gtr.acoustic", "agtr, acgtr, resonator"),
    (13, "gtr.steel", "lap steel, LapSteel, pedal steel, dobro, weissenborn"),
    (14, "gtr.other", "gtr, gt, guit, guitar, Gitarre, guitare, guitarra, chitarra"),
    (15, "drums.kick", "kick, kik, kck, kd, bd, bass drum, k in, k out, grosse caisse, bombo"),
    (16, "drums.snare", "snare, snr, sn, sd, sidestick, rim, caisse claire, caja, caixa"),
    (17, "drums.hihat", "hat, hihat, hi hat, hh"),
    (18, "drums.tom", "tom, toms, floor tom, rack tom, flr, ft"),
    (19, "drums.overhead", "overhead, over, oh, ohs, ovh, ovhd"),
    (20, "drums.cymbal", "cymbal, cym, ride, crash, splash, china, Becken"),
    (
        21,
        "drums.room",
        "drums room, kit room, drum amb, drums far, kit mono, drums crotch, drum knee, drums squash",
    ),
    (22, "drums.clap", "clap, snap, stomp"),
    (23, "bass.synth", "synth bass, sub bass, sub, 808, reese, moog bass"),
    (24, "bass.upright", "double bass, upright, contrabass, string bass, Kontrabass"),
    (25, "bass.electric", "bass, bss, basse, basso, bajo, baixo"),
    (
        26,
        "perc.pitched",
        "glock, xylo, marimba, vibes, vibraphone, celesta, kalimba, bells, steel pan, mallets",
    ),
    (27, "perc.orch", "timpani, taiko, gong, tam tam, gran cassa"),
    (
        28,
        "perc.hand",
        "perc, shaker, tamb, tambourine, conga, bongo, djembe, cajon, cowbell, triangle, maracas, cabasa",
    ),
    (
        28,
        "perc.hand",
        "guiro, claves, woodblock, timbales, tabla, darbuka, pandeiro, surdo, beatbox, vibraslap",
    ),
    (29, "drums.kit", "drums, drumkit, kit, drum machine, loop, beat, break, Schlagzeug, batterie, batería"),
    (30, "keys.epiano", "e piano, ep, elec piano, rhodes, wurli, wurlitzer, clav, clavinet"),
    (31, "keys.organ", "organ, org, hammond, b3, leslie, farfisa, ham top, ham bottom, Orgel, orgue"),
    (32, "keys.piano", "piano, pno, grand, Klavier, felt piano"),
    (33, "keys.other", "keys, kbd, keyboard, harpsichord, mellotron, accordion, melodica, harmonium"),
    (
        34,
        "strings",
        "strings, str, violin, vln, viola, vla, cello, vc, quartet, fiddle, orchestra, pizz, Streicher",
    ),
    (34, "strings", "cordes, archi"),
    (35, "winds.brass", "brass, horn, horns, trumpet, tpt, trombone, tbn, bone, flugel, euphonium, cornet"),
    (36, "winds.flute", "flute, piccolo, recorder, whistle, pan pipes"),
    (37, "plucked", "banjo, mandolin, mando, uke, ukulele, harp, sitar, oud, bouzouki, koto, zither, pluck"),
    (38, "synth.pad", "pad, swell"),
    (38, "synth.arp", "arp, seq"),
    (38, "synth.lead", "synth lead, lead synth, theremin"),
    (38, "synth.other", "synth, syn, moog, juno, stab, chord, sampler"),
    (39, "vox.double", "vox dt, voc dbl, vocal double, voice dub, vx adt"),
    (
        40,
        "vox.lead",
        "lead vox, ld vox, main vocal, lv vox, vox, voc, vocal, vocals, voice, vx, Gesang, voix, voce, voz",
    ),
    (40, "vox.lead", "singer, vocoder"),
    (41, "fx.return", "reverb, verb, plate, hall, delay, echo, return, rtn, send, fx"),
    (42, "room", "room, amb, main pair, decca, ortf, hamasaki, ambeo, spot mic, audience, crowd"),
    (
        43,
        "fx.sfx",
        "sfx, foley, riser, sweep, whoosh, impact, noise, vinyl, drop, texture, drone, rain, hiss, walla",
    ),
    (44, "other", "thing, Chug, 12"),
]
EXAMPLES = [(row, role, name.strip()) for row, role, names in TABLE for name in names.split(",")]


def test_the_album_is_labelled_as_an_engineer_would():
    total = sum(times for _, times in ALBUM.values())
    right = sum(times for name, (role, times) in ALBUM.items() if match_role(name + ".ogg").role == role)
    assert total == 128
    assert right >= 0.95 * total


def test_names_of_real_sessions_are_understood():
    assert {name: match_role(name).role for name in HABITS} == HABITS


def test_every_word_of_the_table_means_the_role_of_its_row():
    for _row, role, name in EXAMPLES:
        assert match_role(name).role == role, name
        assert match_role(f"07_{name}.wav").role == role, "with a track number and a suffix"
        assert match_role(name.upper()).role == role, "in capitals"


def test_words_of_mixes_and_clicks_count_only_where_no_instrument_is_named():
    for word in ("Bounce", "print", "Master", "ref", "mixdown", "Rough Mix", "click", "cue"):
        assert match_role(f"LeadVox_{word}").role == "vox.lead"
        assert match_role(f"Kick {word}").role == "drums.kick"


def test_attributes_are_kept_apart_from_the_role():
    expected = {
        "07_ElecGtr2DI": {"mic": "di", "take": "2"},
        "16_LeadVoxDT": {"double": "true"},
        "01_KickIn": {"mic": "in"},
        "KickSub": {"mic": "sub"},
        "Overhead.L": {"side": "L"},
        "ElecGtrSFX3": {"fx": "true", "take": "3"},
        "Vox Verse 2": {"section": "verse", "take": "2"},
        "Gtr Wet": {"wet": "true"},
        "Snare Top SM57": {"mic": "top"},
        "Bass Amp 2": {"mic": "amp", "take": "2"},
    }
    assert {name: match_role(name).attributes for name in expected} == expected


def test_the_title_all_names_share_says_nothing():
    names = ["Bass Hunter - Kick", "Bass Hunter - Snare", "Bass Hunter - Piano"]
    common = common_words(names)
    assert [match_role(name, (), common).role for name in names] == [
        "drums.kick",
        "drums.snare",
        "keys.piano",
    ]
    assert match_role("Bass Hunter - Mix", (), common).role == "util.mix"


def test_a_role_all_names_share_is_kept():
    names = ["Gtr 1", "Gtr 2", "Gtr Solo"]
    common = common_words(names)
    assert [match_role(name, (), common).role for name in names] == ["gtr.other", "gtr.other", "gtr.electric"]


def test_a_title_with_numbers_before_it_and_a_suffix_behind_it_is_dropped():
    names = ["01 Drum Fever KickIn_04-07", "02 Drum Fever Lead Vox_04-07", "03 Drum Fever Keys_04-07"]
    common = common_words(names)
    matches = [match_role(name, (), common) for name in names]
    assert [match.role for match in matches] == ["drums.kick", "vox.lead", "keys.other"]
    assert matches[0].attributes == {"mic": "in"}


def test_the_folder_counts_when_the_name_says_nothing():
    assert match_role("0001", ["kick"]) == RoleMatch(
        role="drums.kick", role_from="folder", attributes={"take": "1"}
    )
    assert match_role("a3bdf2e0-1111-4222-8333-0123456789ab", ["bass"]).role == "bass.electric"
    assert match_role("Backing 1", ["Vocals"]).role == "vox.backing"
    assert match_role("Snare", ["Piano"]).role == "drums.snare"
    assert match_role("Room 1", ["Drums"]).role == "drums.room"
    assert match_role("hits snare-drum sticks", ["hi-hat"], name_says=False).role == "drums.hihat"


def test_one_wrong_letter_is_forgiven_in_words_of_five_letters():
    typos = {"Snre Top": "other", "Gutiar": "gtr.other", "Pianno": "keys.piano", "Trumpt": "winds.brass"}
    assert {name: match_role(name).role for name in typos} == typos


def test_an_override_matches_path_and_name_and_the_last_one_wins():
    overrides = [("*gtr*", "gtr.electric"), ("Chug.wav", "gtr.acoustic"), ("Loops/*", "perc.hand")]
    names = ["07_ElecGtr.wav", "Guitars/chug.WAV", "Loops/Gtr.wav", "Kick.wav"]
    assert override_roles(names, overrides) == {
        "07_ElecGtr.wav": "gtr.electric",
        "Guitars/chug.WAV": "gtr.acoustic",
        "Loops/Gtr.wav": "perc.hand",
    }


def test_a_file_that_is_called_like_a_pattern_is_meant_itself():
    names = ["Gtr [1].wav", "Gtr 1.wav", "Vox*.wav", "Vox 2.wav"]
    assert override_roles(names, [("gtr [1]", "gtr.steel"), ("Vox*.wav", "vox.rap")]) == {
        "Gtr [1].wav": "gtr.steel",
        "Vox*.wav": "vox.rap",
    }
    assert override_roles(names, [("Gtr [12].wav", "gtr.steel")]) == {"Gtr 1.wav": "gtr.steel"}


@pytest.mark.parametrize(
    ("name", "role_from"),
    [
        *(("other.flac", "name"), ("04_Other.wav", "name"), ("accompaniment.wav", "name")),
        *(("music L.wav", "name"), ("Other idea.wav", "none"), ("Take 4.wav", "none")),
    ],
)
def test_the_rest_of_a_separated_song_is_other_by_its_name(name, role_from):
    match = match_role(name)
    assert (match.role, match.role_from) == ("other", role_from)


def test_the_rest_in_a_folder_with_a_role_has_that_role():
    assert match_role("other.wav", ("Drums",)).role == "drums.kit"
    assert match_role("Other Gtr.wav").role == "gtr.other"


def test_a_wrong_role_is_refused_with_the_nearest():
    with pytest.raises(SettingsError) as refusal:
        check_role("lead_vox")
    assert refusal.value.code == "E405"
    assert refusal.value.message == 'no role "lead_vox".'
    assert refusal.value.hint == "did you mean vox.lead? mixcli inspect --roles"
    assert nearest_role("drums.kik") == "drums.kick"
    assert nearest_role("gtr.acustic") == "gtr.acoustic"


def test_every_role_has_a_family_and_a_bus_and_every_bus_a_role():
    families = {"vox", "drums", "bass", "gtr", "keys", "strings", "winds", "synth", "perc", "plucked", "fx"}
    assert {family_of(role) for role in ROLES} == families | {"room", "other", "util"}
    assert {bus_of(role) for role in ROLES} == set(BUSES)
    expected = {
        "drums.kick": "kick",
        "drums.snare": "snare_toms",
        "drums.tom": "snare_toms",
        "drums.clap": "cymbals",
        "drums.room": "cymbals",
        "drums.kit": "cymbals",
        "perc.pitched": "cymbals",
        "bass.upright": "bass",
        "gtr.steel": "guitars",
        "strings": "keys",
        "fx.return": "keys",
        "room": "keys",
        "other": "keys",
        "vox.lead": "lead",
        "vox.rap": "lead",
        "vox.double": "backing",
        "vox.choir": "backing",
    }
    assert {role: bus_of(role) for role in expected} == expected
    assert {role for _, role, _ in EXAMPLES} == set(ROLES)
