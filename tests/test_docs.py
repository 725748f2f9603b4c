"""The reference pages of docs/ agree with the code: every key, range, default, code and figure."""

import ast
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from conftest import write_wav
from typer.main import get_command

import mixcli
from mixcli import errors
from mixcli.cli.eval import evaluate
from mixcli.cli.song_options import SongOptions
from mixcli.console.character import DB_PER_OCTAVE, DB_PER_PEAK_DB
from mixcli.console.lead_ratio import HIGHEST_RATIO_DB, LOWEST_RATIO_DB, USUAL_RATIO_DB
from mixcli.console.panning import INNERMOST, OUTERMOST
from mixcli.console.recipe import (
    BusRecipe,
    CompressorRecipe,
    EqualiserBandRecipe,
    ExpanderRecipe,
    MasterRecipe,
    MixBusRecipe,
    NetworkRecipe,
    Recipe,
    ReverbRecipe,
    RidePoint,
    StemRecipe,
)
from mixcli.console.rule_table import ELECTRONIC_STEPS_DB, KIT_LEVEL_DB, ROLE_RULES, STEM_TARGET_LUFS
from mixcli.console.variants import DIRECTIONS
from mixcli.evaluation.baselines import BASELINES
from mixcli.evaluation.material import LEVEL_LUFS
from mixcli.evaluation.request import CONSOLE
from mixcli.evaluation.requirements import check_systems, parse_requirement
from mixcli.evaluation.summary import ANCHOR, NEARNESS_WEIGHTS
from mixcli.measures.catalogue import KEYS_OF_MIXES, MEASURES
from mixcli.settings import RuleSettings, load_preset, preset_names
from mixcli.songs.roles import BUSES, ROLES, bus_of

DOCS = Path(__file__).parents[1] / "docs"
SOURCES = sorted(Path(mixcli.__file__).parent.rglob("*.py"))


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def section(text: str, heading: str) -> str:
    return re.split(rf"^## {re.escape(heading)}\n", text, flags=re.M)[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of tables whose first cell is code."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def shown(value: object) -> str:
    """A default or a bound as the pages write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def range_of(schema: dict) -> str:
    """The range of a key as the page writes it, from the JSON schema of its model."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    number = next(
        (part for part in schema.get("anyOf", [schema]) if part.get("type") in ("number", "integer")), {}
    )
    low, high = number.get("minimum"), number.get("maximum")
    above, below = number.get("exclusiveMinimum"), number.get("exclusiveMaximum")
    start = shown(low) if low is not None else "" if above is None else f"above {shown(above)}"
    stop = shown(high) if high is not None else "" if below is None else f"below {shown(below)}"
    return f"{start} to {stop}" if start or stop else "–"


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("The whole", Recipe),
        ("A stem", StemRecipe),
        ("An expander", ExpanderRecipe),
        ("A band of the equaliser", EqualiserBandRecipe),
        ("A compressor", CompressorRecipe),
        ("A bus", BusRecipe),
        ("A point of a ride", RidePoint),
        ("The reverb", ReverbRecipe),
        ("The mix bus", MixBusRecipe),
        ("The network", NetworkRecipe),
        ("The master", MasterRecipe),
    ],
)
def test_every_key_of_a_recipe_is_documented_with_its_range_and_default(heading, model):
    documented = {cells[0].strip("`"): cells[1:3] for cells in rows(section(page("recipe.md"), heading))}
    assert list(documented) == list(model.model_fields)
    for key, schema in model.model_json_schema()["properties"].items():
        default = shown(schema["default"]) if "default" in schema else "required"
        if isinstance(schema.get("default"), dict) and schema["default"]:
            default = "the defaults below"
        assert documented[key] == [range_of(schema), default], key


def test_the_recipe_and_the_json_on_the_pages_are_valid():
    (recipe,) = re.findall(r"```yaml\n(.*?)```", page("recipe.md"), re.S)
    stem = Recipe.model_validate(yaml.safe_load(recipe)).stems["LdVox.wav"]
    rule = ROLE_RULES[stem.role]
    assert (stem.high_pass_hz, stem.reverb_send_db) == (rule.high_pass_hz, rule.send_db)
    assert tuple(stem.side_from_mid_db[hz] for hz in (200, 1000, 3000, 8000)) == rule.width_db
    for name in DOCS.glob("*.md"):
        for text in re.findall(r"```json\n(.*?)```", name.read_text("utf-8"), re.S):
            assert json.loads(text)["schema"].startswith("mixcli.")


# Objects whose keys are told elsewhere, or are any words.
OPEN = ("attributes", "moves", "recipe", "rules", "values", "labels")


def keys_of(document: object, prefix: str = "") -> set[str]:
    """The keys of a document as the page writes them: `song.name`, `inputs[].file`."""
    if isinstance(document, list):
        return {f"{prefix}[]"}.union(*(keys_of(each, f"{prefix}[]") for each in document))
    if not isinstance(document, dict) or prefix.rpartition(".")[2] in OPEN:
        return {prefix}
    inside = [keys_of(value, f"{prefix}.{key}".strip(".")) for key, value in document.items()]
    return set().union({prefix} if prefix in ("model", "loudness", "variant") else set(), *inside)


def documented_keys(schema: str) -> set[str]:
    return {cells[0].strip("`") for cells in rows(section(page("json.md"), f"`{schema}`"))}


def documented_measures() -> dict[str, list[str]]:
    """Unit, direction and text of every measure on the page of evaluation, by family and key."""
    families = re.split(r"^### ", section(page("evaluation.md"), "The measures"), flags=re.M)[1:]
    return {
        f"{family.splitlines()[0].split()[-1].lower()}: {cells[0].strip('`')}": cells[1:]
        for family in families
        for cells in rows(family)
    }


def test_the_measures_are_those_of_the_catalogue():
    families = {"set": "mixes"}  # "Of a set of mixes"
    known = {
        f"{families.get(measure.family, measure.family)}: {measure.key}": [
            measure.unit or "–",
            measure.better,
            measure.text,
        ]
        for measure in MEASURES
    }
    assert documented_measures() == known


def test_the_baselines_and_the_weights_of_the_index_are_those_of_the_code():
    named = rows(section(page("evaluation.md"), "What is compared"))
    assert [cells[0].strip("`") for cells in named] == [*BASELINES, CONSOLE]
    weights = {cells[0].strip("`"): cells[1] for cells in rows(section(page("evaluation.md"), "The index"))}
    assert weights == {key: f"{weight:g}" for key, weight in NEARNESS_WEIGHTS.items()}
    tested = {key.split(": ")[1] for key in documented_measures() if key.startswith("nearness: ")}
    assert tested == set(weights)
    assert f"the anchor is `{ANCHOR}`" in page("evaluation.md")
    assert f"{signed(LEVEL_LUFS)} LUFS by gain alone" in page("evaluation.md")


def test_the_requirements_shown_can_be_read():
    shown = [cells[0].strip("`") for cells in rows(section(page("evaluation.md"), "Requirements"))]
    assert len(shown) > 5
    for text in shown:
        check_systems(parse_requirement(text, KEYS_OF_MIXES), ["mixcli", *BASELINES])


@pytest.mark.parametrize(("command", "name"), [("score", "evaluation.md"), ("listen", "listening-tests.md")])
def test_every_option_of_eval_is_on_its_page(command, name):
    known = {option.name for option in dataclasses.fields(SongOptions)} | {"quiet", "verbose"}
    options = [
        [option for option in parameter.opts if option.startswith("-")]
        for parameter in get_command(evaluate).commands[command].params
        if parameter.name not in known
    ]
    assert len(options) > 8
    words = set(re.findall(r"(?<![\w-])--?[a-z-]+", page(name)))
    assert [names for names in options if names and not words.intersection(names)] == []


@pytest.fixture
def song(make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stems = {"Kick": 60, "EGtr": 330, "LdVox": 440, "Rough Mix": 200}
    return make_song(seconds=1.0, stems=stems)


def test_the_keys_of_results_are_those_documented(song, run):
    from mixcli.models.checkpoint import build_model, save_model
    from mixcli.models.settings import BASE

    network = BASE.network.model_copy(update={"depth": 1, "channel_growth": 1})
    settings = BASE.model_copy(update={"network": network})
    save_model(Path("tiny.safetensors"), build_model(settings), settings)
    options = ("--terms", "buses", "--model", "tiny.safetensors")
    documents = [
        run("mix", song, "--json", *options),
        run("mix", song, "--json", "--dry-run", "--force"),
        run("mix", song, "--json", "--if-exists", "skip"),
        run("mix", song / "nowhere", "--json"),
    ]
    parsed = [json.loads(out) for _, out, _ in documents]
    assert [document["status"] for document in parsed] == ["ok", "planned", "skipped", "error"]
    several = json.loads(run("mix", song, "--json", "--dry-run", "--force", "--variants", "2")[1])
    results = [*parsed, *several["variants"]]
    assert set().union(*map(keys_of, results)) == documented_keys("mixcli.result/1")
    assert keys_of(several | {"variants": []}) == documented_keys("mixcli.variants/1")
    assert parsed[0] == json.loads(Path("mixes/Song A.mix.json").read_text("utf-8"))


def test_the_keys_of_a_batch_are_those_documented(song, run):
    Path("broken").mkdir()
    for name in ("Kick.wav", "Bass.wav"):
        Path("broken", name).write_bytes(b"")
    code, out, _ = run("batch", ".", "-o", "out", "--json")
    document = json.loads(out)
    assert (code, document["counts"]) == (10, {"ok": 1, "skipped": 0, "failed": 1})
    for result in document["songs"]:
        assert keys_of(result) <= documented_keys("mixcli.result/1")
    document["songs"] = []
    assert keys_of(document) == documented_keys("mixcli.batch/1")


def test_the_keys_of_an_inspection_are_those_documented(song, run):
    document = json.loads(run("inspect", song, "--json")[1])
    quick = json.loads(run("inspect", song, "--json", "--quick")[1])
    documented = documented_keys("mixcli.inspect/1")
    assert keys_of(document) == documented
    measured = [row[0].strip("`") for row in rows(section(page("json.md"), "`mixcli.inspect/1`"))]
    stem_keys = [key for key in measured if key.startswith("inputs[].")]
    assert documented - keys_of(quick) == set(stem_keys[-7:])
    assert set(document["inputs"][0]["moves"]) == set(StemRecipe.model_fields)


@pytest.fixture
def evaluation(make_song, tmp_path, monkeypatch, run):
    """A kept evaluation in which everything occurs: a song that fails, a mix that lacks, an artefact."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("One", "Two")):
        folder = make_song(f"library/{name}", seconds=1.5, stems={"Kick": 60, "Gtr": 330})
        stems = [soundfile.read(path)[0] for path in sorted(folder.glob("*.wav"))]
        mix_T = stems[0] + (1 + number) * stems[1]
        write_wav(Path("references", f"{name}.wav"), np.stack([mix_T, 0.5 * mix_T], axis=1))
        write_wav(Path("clipped", f"{name}.wav"), np.clip(8 * mix_T, -0.5, 0.5))
    make_song("library/Three", seconds=1.5, stems={"Kick": 60, "Gtr": 330})
    Path("clipped/Two.wav").unlink()
    Path("labels.csv").write_text("song,genre\nOne,rock\n", "utf-8")
    options = ("--system", "clipped=clipped", "--baselines", "sum,blind-side", "--out", "kept")
    grouped = ("--by", "role,genre", "--labels", "labels.csv", "--fail-if", "mixcli:tone_db > 90")
    code, out, err = run("eval", "library", "--against", "references", *options, *grouped, "--json")
    assert code == 10, err
    assert out == Path("kept/eval.json").read_text("utf-8")
    return json.loads(out)


def test_the_keys_of_an_evaluation_its_plan_and_a_listening_test_are_those_documented(evaluation, run):
    # One test: made once, the evaluation is in one of the processes that run the tests.
    alone = json.loads(run("eval", "library/Three", "--baselines", "none", "--json")[1])
    assert evaluation["status"] == "partial"
    assert alone["songs"][0]["reference"] is None
    found = keys_of(evaluation) | keys_of(alone)
    few = ("songs[].scores[].warnings[].", "warnings[].", "errors[].")  # rows of notices, told in words
    found = {key for key in found if not key.startswith(few)}
    assert found == documented_keys("mixcli.eval/1")
    _, out, _ = run("eval", "library", "--system", "x=kept", "--dry-run", "--json")
    assert keys_of(json.loads(out)) == documented_keys("mixcli.eval-plan/1")
    code, _, err = run("eval", "listen", "kept", "--repeats", "1", "--seconds", "2")
    assert code == 0, err
    key = json.loads(Path("listening/listening.key.json").read_text("utf-8"))
    assert keys_of(key) == documented_keys("mixcli.listening-key/1")
    ratings = [
        {"trial": trial["id"], "criterion": criterion["name"], "stimulus": stimulus["id"], "value": 50}
        for trial in key["trials"]
        for criterion in key["criteria"]
        for stimulus in trial["stimuli"]
    ]
    answers = {"schema": "mixcli.listening-answers/1", "page": key["page"], "listener": "Ann"}
    Path("ann.json").write_text(json.dumps({**answers, "ratings": ratings}), "utf-8")
    scored = json.loads(run("eval", "listen", "--score", "ann.json", "--json")[1])
    assert scored["listeners"][0]["flags"] == ["flat"]
    assert keys_of(scored) == documented_keys("mixcli.listening/1")
    # The page saves the answers; that they are in this form is held by the test of the page in a browser.
    script = (Path(mixcli.__file__).parent / "reporting" / "listening.js").read_text("utf-8")
    written = script.split("function answers() {")[1].split("\n  }\n")[0]
    words = {each.removeprefix("ratings[].") for each in documented_keys("mixcli.listening-answers/1")}
    assert [word for word in words - {"ratings[]"} if not re.search(rf"\b{word}\b", written)] == []


def test_the_keys_of_the_smaller_documents_are_those_documented(run):
    text = section(page("json.md"), "Smaller documents")
    documented = set(re.findall(r"`([a-z_]+)`", text))
    doctor = json.loads(run("doctor", "--json")[1])
    presets = json.loads(run("presets", "list", "--json")[1])["presets"]
    assert documented == ({*doctor} | {*presets[0]}) - {"schema"}


def codes_in_the_code() -> set[str]:
    found = set()
    for path in SOURCES:
        text = path.read_text("utf-8")
        found |= set(re.findall(r"[\"\[]([EWI]\d{3})[\"\]]", text))
    # a broken stem that is left out has the warning of its error's number
    assert any('f"W{error.code[1:]}"' in path.read_text("utf-8") for path in SOURCES)
    return found | {f"W{code[1:]}" for code in found if "E311" <= code <= "E317"}


def test_every_message_code_is_documented_and_every_documented_code_exists():
    documented = [
        code
        for heading in re.findall(r"^### (.*)$", page("messages.md"), re.M)
        for code in heading.split(", ")
    ]
    assert len(documented) == len(set(documented))
    assert set(documented) == codes_in_the_code()


def test_the_first_digit_of_an_error_is_its_exit_code():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            codes = [each.value for each in node.keywords if each.arg == "code"]
            kind = getattr(errors, node.func.id, None)
            if kind and codes and isinstance(codes[0], ast.Constant):
                assert codes[0].value[1] == str(kind.exit_code), f"{path.name}:{node.lineno}"


def signed(value: float | None) -> str:
    return "–" if value is None else f"{value:g}".replace("-", "−")


def test_the_table_of_the_console_is_the_table_of_the_rules():
    documented = {cells[0].strip("`"): cells[1:] for cells in rows(section(page("console.md"), "The table"))}
    assert documented == {
        role: [
            rule.family,
            signed(rule.level_db),
            signed(rule.high_pass_hz),
            "–" if rule.width_db is None else " ".join(map(signed, rule.width_db)),
            "yes" if rule.panned else "no",
            signed(rule.send_db),
        ]
        for role, rule in ROLE_RULES.items()
    }
    text = " ".join(page("console.md").split())
    assert f"brought to {signed(STEM_TARGET_LUFS)} LUFS" in text
    assert f"{signed(DB_PER_PEAK_DB)} dB per dB of peaks over loudness" in text
    assert f"{signed(DB_PER_OCTAVE)} dB per octave of brightness" in text
    assert f"as loud as a kit, {signed(KIT_LEVEL_DB)} dB re a lead voice" in text
    drums_db, bass_db = ELECTRONIC_STEPS_DB["drums"], ELECTRONIC_STEPS_DB["bass"]
    assert f"up to +{drums_db:g} and +{bass_db:g} dB" in text
    ratios = [signed(each) for each in (USUAL_RATIO_DB, LOWEST_RATIO_DB)]
    assert f"to {ratios[0]} dB, and between {ratios[1]} and +{HIGHEST_RATIO_DB:g} dB" in text
    assert f"turned up by more than {RuleSettings().max_gain_db:g} dB" in text
    assert f"from {INNERMOST:.2f} to {OUTERMOST:.2f} of the way out" in text
    reverb = ReverbRecipe()
    assert f"{reverb.kind}: {reverb.decay_s:g} s, {reverb.pre_delay_ms:g} ms of pre-delay" in text


def test_the_sizes_of_the_networks_are_as_stated():
    from mixcli.engine.bound import DEFAULT_BOUND_DB
    from mixcli.models.checkpoint import build_model
    from mixcli.models.settings import BASE, PAPER

    cells = {
        line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in page("model.md").splitlines()
    }
    for column, settings in enumerate((BASE, PAPER)):
        model = build_model(settings)
        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        assert cells["parameters"][column].strip("| ") == f"{n_parameters:,}"
        assert cells["context on either side"][column].strip("| ") == f"{model.context:,} samples"
    assert f"({signed(DEFAULT_BOUND_DB)} dB)" in page("model.md")


def test_the_table_of_presets_is_the_presets():
    documented = {
        cells[0].split("`")[1]: cells[1:4] for cells in rows(section(page("loudness.md"), "Presets"))
    }
    assert sorted(documented) == [name for name in preset_names() if "delivery" in load_preset(name).kinds]
    for name, (lufs, peak, mode) in documented.items():
        mix = load_preset(name).mix
        limit = f", {mix.limit_db:g} dB at most" if mix.loudness_mode == "limit" else ""
        assert [lufs, peak] == [signed(mix.lufs).replace("–", "none"), f"{signed(mix.true_peak_dbtp)} dBTP"]
        assert mode == mix.loudness_mode + limit


def test_the_tables_of_styles_and_of_the_rules_settings_are_those_of_the_presets_and_the_code():
    found = {cells[0].strip("`"): cells[1:] for cells in rows(section(page("console.md"), "Styles"))}
    columns = ("vocals_db", "drums_db", "bass_db", "other_db", "width_db", "pan_scale", "reverb_db")
    columns += ("decay_s", "compression", "rides", "masking", "bus_compression")
    for name in preset_names():
        if "style" not in load_preset(name).kinds:
            continue
        asked = load_preset(name).rules.model_dump(exclude_unset=True)
        kind = asked.pop("reverb", None)
        cells = [signed(asked.pop(key, None)) for key in columns]
        cells[columns.index("decay_s")] += f" {kind}" if kind else ""
        assert (found.pop(name), asked) == (cells, {}), name
    schema = RuleSettings.model_json_schema()["properties"]
    assert found == {
        key: [range_of(each), shown(each["default"]), each["description"]] for key, each in schema.items()
    }


def test_the_variants_are_those_of_the_code():
    documented = rows(section(page("console.md"), "Variants"))
    assert documented == [[f"`{each.name}`", each.text] for each in DIRECTIONS]


def test_every_role_and_bus_is_on_the_page_of_roles():
    text = page("roles.md")
    assert [role for role in ROLES if f"`{role}`" not in text] == []
    documented = {cells[0].strip("`"): cells[1] for cells in rows(section(text, "Buses"))}
    assert list(documented) == list(BUSES)
    for role in ROLES:
        named = [bus for bus, cell in documented.items() if f"`{role}`" in cell]
        assert named in ([], [bus_of(role)])
