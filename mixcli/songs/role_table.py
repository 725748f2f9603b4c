"""The table of roles: which words of a name mean which role, in the order they are tried; the first hit wins.

Row numbers are those of the documented table. Words are lower case and singular (plurals match as well); a
phrase of several words matches them side by side, and also written as one word ("hi hat" is "HiHat" and
"hihat").
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row, or part of one: a hit needs one phrase of every group and none of `unless`."""

    row: int
    role: str
    groups: tuple[tuple[str, ...], ...]
    unless: tuple[str, ...] = ()


def _words(text: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in text.split(",")) if text else ()


def _rule(row: int, role: str, *groups: str, unless: str = "") -> Rule:
    return Rule(row=row, role=role, groups=tuple(_words(group) for group in groups), unless=_words(unless))


VOX = "vox, voc, vocal, voice, vx"
GUITAR = "gtr, gt, guit, guitar"
BASS_GUITAR = "bass gtr, bass gt, bass guit, bass guitar"
KICK = (
    "kick, kik, kck, kic, kd, bd, bass drum, b drum, k drum, k in, k out, k i, k o, k sub, "
    "grosse caisse, bombo"
)
SNARE = "snare, snr, sn, sd, sidestick, side stick, rim, caisse claire, caja, caixa"
HAT = "hat, hihat, hi hat, highhat, high hat, hh"
ACOUSTIC = "acoustic, ac, acou, nylon, classical, spanish, 12 string"
DRUM_WORDS = "drum, kit, drumkit"

# Rows 1 and 2. GUIDES count whatever else the name says; the others only with no instrument beside them.
GUIDES = _words("guide")
SCRATCH = _words("scratch")
SCRATCH_WITH = _words(f"{VOX}, {GUITAR}")
CLICKS = _words(
    "click, clicktrack, metronome, metro, cue, talkback, talk back, tb, slate, count in, countin, "
    "smpte, ltc, timecode"
)
MIXES = _words(
    "full mix, rough, rough mix, mixdown, mix down, 2 mix, two track, 2 track, final mix, "
    "premaster, pre master, mixture"
)
WEAK_MIXES = _words("master, bounce, reference, ref, preview, print")

# Row 3: a vocal microphone named first and an instrument after it is that player's voice.
OWNER = _words("vocal, vox, voc, voice, vx")
OWNER_ROWS = range(4, 40)

RULES: tuple[Rule, ...] = (
    _rule(
        4, "winds.reed", "sax, saxophone, clarinet, oboe, bassoon, contrabassoon, cor anglais, english horn"
    ),
    _rule(4, "winds.reed", "bagpipe, harmonica"),
    _rule(5, "winds.brass", "horn tenor, tenor horn, tuba, bass trombone"),
    _rule(
        6,
        "vox.backing",
        "backing, background, back, bg, bgv, bv, bvox, bkg, bck, backup, harm, harmony, hrm, ooh, "
        "aah, stack, gang",
        VOX,
    ),
    _rule(6, "vox.backing", "bgv, bv, bvox, bgvox, b vox, b voc"),
    _rule(7, "vox.choir", "choir, chorale, group vox, group vocal, gang"),
    _rule(7, "vox.choir", "soprano, alto, tenor", VOX + ", satb"),
    _rule(8, "vox.adlib", "adlib, ad lib, shout, scream, whisper"),
    _rule(8, "vox.rap", "rap, mc"),
    _rule(8, "vox.spoken", "speech, spoken, dialog, dialogue, narration, voice over"),
    _rule(9, "perc.hand", "808, 909", "cowbell, cow bell"),
    _rule(9, "drums.clap", "808, 909", "clap"),
    _rule(9, "drums.tom", "808, 909", "tom"),
    _rule(9, "drums.kick", "808, 909", "kick", unless=f"{SNARE}, {HAT}"),
    _rule(9, "drums.snare", "808, 909", "snare", unless=KICK),
    _rule(10, "fx.sfx", "rev, reverse, reversed", "cymbal, cym, crash, splash, china, ride"),
    _rule(10, "fx.sfx", "sub drop, sfx loop, synth fx, synth sfx"),
    _rule(
        11,
        "gtr.electric",
        "elec, ele, electric, e, el, baritone, tele, strat, les paul",
        GUITAR,
        unless=BASS_GUITAR,
    ),
    _rule(
        11,
        "gtr.electric",
        "dist, distorted, clean, crunch, rhythm, rhy, lead, solo",
        GUITAR,
        unless=f"{BASS_GUITAR}, {ACOUSTIC}",
    ),
    _rule(11, "gtr.electric", "egtr, egt, eg"),
    _rule(12, "gtr.acoustic", ACOUSTIC + ", a", GUITAR, unless=BASS_GUITAR),
    _rule(12, "gtr.acoustic", "agtr, acgtr, resonator"),
    _rule(13, "gtr.steel", "lap steel, pedal steel, steel gtr, steel guitar, dobro, weissenborn"),
    _rule(14, "gtr.other", GUITAR + ", gitarre, guitare, guitarra, chitarra", unless=BASS_GUITAR),
    # Several pieces of the kit in one file are no close microphone (an addition to the table).
    _rule(15, "drums.kit", KICK + ", k and", f"{SNARE}, {HAT}"),
    _rule(15, "drums.kick", KICK),
    _rule(16, "drums.snare", SNARE),
    _rule(17, "drums.hihat", HAT),
    _rule(18, "drums.tom", "tom, floor tom, rack tom"),
    _rule(18, "drums.tom", "flr, ft", unless=VOX),  # "ft" beside a voice is "featuring"
    _rule(19, "drums.overhead", "overhead, over, oh, ovh, ovhd"),
    _rule(20, "drums.cymbal", "cymbal, cym, ride, crash, splash, china, becken"),
    _rule(21, "drums.room", DRUM_WORDS, "room, amb, ambience, far, mono, crotch, knee, squash"),
    _rule(22, "drums.clap", "clap, handclap, snap, stomp"),
    _rule(23, "bass.synth", "synth bass, sub bass, reese, moog bass"),
    _rule(23, "bass.synth", "synth, syn, sy, moog, juno, pad, stab", "bass, bss"),
    _rule(23, "bass.synth", "sub", unless="mix, bus"),
    _rule(23, "bass.synth", "808", unless=f"{DRUM_WORDS}, perc, loop, beat, shaker"),
    _rule(24, "bass.upright", "double bass, contrabass, string bass, acoustic bass, ac bass, kontrabass"),
    _rule(24, "bass.upright", "upright", unless="piano, pno"),
    _rule(
        25,
        "bass.electric",
        "bass, bss, basse, basso, bajo, baixo",
        unless=f"clarinet, trombone, sax, {VOX}, drum",
    ),
    _rule(
        26,
        "perc.pitched",
        "glock, glockenspiel, xylo, xylophone, marimba, vibe, vibes, vibraphone, celesta, celeste",
    ),
    _rule(26, "perc.pitched", "kalimba, steel pan, mallet, steel drum"),
    _rule(26, "perc.pitched", "bell", unless="cow bell, sleigh bell, jingle bell"),
    _rule(27, "perc.orch", "timpani, taiko, gong, tam tam, gran cassa"),
    _rule(
        28,
        "perc.hand",
        "perc, percussion, prc, shaker, tamb, tambourine, conga, bongo, djembe, cajon, cowbell, "
        "cow bell, triangle, "
        "maraca, cabasa, guiro, clave, woodblock, wood block, timbale, tabla, darbuka, pandeiro, "
        "surdo, beatbox, "
        "vibraslap, sleigh bell, jingle bell",
    ),
    _rule(29, "drums.kit", "drum, drumkit, kit, drum machine, schlagzeug, batterie, bateria"),
    _rule(
        30, "keys.epiano", "e piano, ep, elec piano, electric piano, rhodes, wurli, wurlitzer, clav, clavinet"
    ),
    _rule(
        31,
        "keys.organ",
        "organ, org, hammond, b 3, leslie, farfisa, ham top, ham bottom, ham bot, orgel, orgue",
    ),
    _rule(32, "keys.piano", "piano, pno, grand, klavier, felt piano"),
    _rule(33, "keys.other", "keys, kbd, keyboard, harpsichord, mellotron, accordion, melodica, harmonium"),
    _rule(
        34,
        "strings",
        "string, str, violin, vln, viola, vla, cello, vc, quartet, fiddle, orchestra, pizz, "
        "pizzicato, streicher, "
        "corde, archi",
    ),
    _rule(
        35,
        "winds.brass",
        "brass, horn, trumpet, tpt, trombone, tbn, bone, flugel, flugelhorn, euphonium, cornet",
    ),
    _rule(36, "winds.flute", "flute, piccolo, recorder, whistle, pan pipe"),
    _rule(
        37, "plucked", "banjo, mandolin, mando, uke, ukulele, harp, sitar, oud, bouzouki, koto, zither, pluck"
    ),
    _rule(38, "synth.pad", "pad, swell"),
    _rule(38, "synth.arp", "arp, arpeggio, seq"),
    _rule(38, "synth.lead", "synth lead, lead synth, syn lead, lead syn, theremin"),
    _rule(38, "synth.other", "synth, syn, moog, juno, stab, chord, sampler"),
    _rule(39, "vox.double", VOX, "dt, dbl, double, dub, adt"),
    _rule(40, "vox.lead", VOX + ", lv, gesang, voix, voce, voz, singer, vocoder"),
    # Words that mean something only where no instrument is named: loops and breaks are sections of anything.
    _rule(6, "vox.backing", "harm, harmony, hrm, ooh, aah, ah, bg"),
    _rule(11, "gtr.electric", "elec, electric, strat, tele, les paul"),
    _rule(12, "gtr.acoustic", "acoustic, acou, nylon"),
    _rule(38, "synth.lead", "melody, topline"),
    _rule(18, "drums.tom", "rack, floor"),
    _rule(29, "drums.kit", "loop, beat, break, breakbeat, fill, top loop, tops"),
    _rule(41, "fx.return", "reverb, verb, plate, hall, delay, dly, echo, return, rtn, send, fx, effect"),
    _rule(
        42, "room", "room, amb, ambience, main pair, decca, ortf, hamasaki, ambeo, spot mic, audience, crowd"
    ),
    _rule(
        43,
        "fx.sfx",
        "sfx, foley, riser, sweep, whoosh, impact, noise, vinyl, drop, texture, drone, rain, hiss, walla",
    ),
    _rule(43, "fx.sfx", "build, buildup, transition, uplifter, downlifter, sound effect"),
)

# What a stem is called that holds all other instruments; as part of a longer name these words say nothing.
ALL_THE_REST = {"other", "others", "accompaniment", "instruments", "music"}

# Attribute words: kept apart from the role. word -> (attribute, value)
ATTRIBUTES: dict[str, tuple[str, str]] = {
    "l": ("side", "L"),
    "left": ("side", "L"),
    "r": ("side", "R"),
    "right": ("side", "R"),
    "c": ("side", "C"),
    "center": ("side", "C"),
    "centre": ("side", "C"),
    "m": ("side", "M"),
    "mid": ("side", "M"),
    "s": ("side", "S"),
    "side": ("side", "S"),
    **{
        word: ("mic", word)
        for word in [
            "in",
            "out",
            "sub",
            "top",
            "bottom",
            "up",
            "down",
            "under",
            "close",
            "far",
            "room",
            "mono",
            "di",
            "amp",
            "cab",
            "direct",
        ]
    },
    "bot": ("mic", "bottom"),
    "btm": ("mic", "bottom"),
    "inside": ("mic", "in"),
    "outside": ("mic", "out"),
    **dict.fromkeys(["dt", "dbl", "double", "adt", "dub"], ("double", "true")),
    "wet": ("wet", "true"),
    "dry": ("wet", "false"),
    **{word: ("section", word) for word in ["intro", "verse", "chorus", "bridge", "outro", "breakdown"]},
    **dict.fromkeys(["fx", "sfx", "effect", "verb", "reverb", "delay", "echo"], ("fx", "true")),
}

# Microphones, preamplifiers and desks, dropped before matching: they share letters and numbers with roles.
GEAR: tuple[str, ...] = _words(
    "u 87, u 47, u 67, sm 57, sm 58, sm 7 b, sm 7, md 421, 421, md 441, 441, c 12, c 414, 414, ak "
    "47, akg, neve, 1073, "
    "1081, 1084, 1176, la 2 a, la 3 a, api, 512, 312, ssl, duality, m 80, m 88, m 160, m 49, m "
    "147, d 112, d 6, d 12, "
    "e 602, e 604, e 609, e 906, re 20, re 16, km 84, km 184, tlm 103, tlm 49, r 121, beta 52, "
    "beta 91, beta 57, ns 10, "
    "4038, coles, royer, neumann, sennheiser, shure, beyer, avalon, manley, focusrite, nt 1, nt "
    "5, ac 30, ac 15, "
    "b 3 k, oc 818, 57, 58"
)
