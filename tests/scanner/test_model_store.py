from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import builders
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from premir.scanner.cli import main
from premir.scanner.errors import ModelError
from premir.scanner.files import sha256
from premir.scanner.score import shipped
from premir.scanner.score.card import WEIGHTS
from premir.scanner.score.gating import GATES
from premir.scanner.score.shipped import DEFAULT_MODEL, HAIRPIN_MODEL, list_models, load_model
from premir.scanner.score.weights import save_model


@pytest.fixture
def copy(tmp_path):
    """A model directory to damage."""
    return shutil.copytree(load_model(DEFAULT_MODEL).directory, tmp_path / "model")


@pytest.fixture
def single(tmp_path):
    """Likewise of one network, whose tensors bear its own names."""
    return shutil.copytree(load_model(HAIRPIN_MODEL).directory, tmp_path / "single")


def change(directory, **fields):
    card = json.loads((directory / "card.json").read_text())
    (directory / "card.json").write_text(json.dumps({**card, **fields}))


def test_every_shipped_model_loads_and_says_what_it_is():
    assert DEFAULT_MODEL in [spec.name for spec in list_models()]
    for spec in list_models():
        assert spec.name == spec.directory.name
        network = spec.networks(dtype=torch.float64)[0]
        assert all(p.dtype == torch.float64 for p in network.parameters())
        assert not any(p.requires_grad for p in network.parameters())
        assert spec.card["limits"]
        assert spec.card["training_sha256"]


def test_default_model_has_never_seen_what_scans_are_judged_by():
    spec = load_model(DEFAULT_MODEL)
    assert spec.card["protocol"] == "genome"
    assert spec.min_prob == spec.card["min_prob"] > 0.9
    assert spec.context_nt == 20
    lenders = {Path(each["genome"]).parts[1] for each in spec.card["configuration"]["backgrounds"]}
    assert lenders.isdisjoint({"celegans_dev", "yeast", "ecoli", "ebv", "hcmv"})


def test_the_papers_network_is_the_network_of_the_protocol():
    card = load_model("do2018-crossspecies-new-variable").card
    assert (card["protocol"], card["seed"], card["epochs"]) == ("crossspecies-new", 0, 40)
    assert card["recipe"]["name"] == "paper"
    assert card["test_metrics"] is not None
    assert card["test_metrics"]["as_published"]["auroc"] >= 0.975
    assert card["test_metrics"]["as_published"]["aupr"] >= 0.79


def test_model_directory_by_path(copy):
    assert load_model(str(copy)).digest == load_model(DEFAULT_MODEL).digest


def test_unknown_model_is_named():
    with pytest.raises(ModelError, match="nonesuch: no such model; give one of do2018"):
        load_model("nonesuch")


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("context_nt", 5000, "context_nt is 5000; expected a whole number from 0 to 200"),
        ("context_nt", -1, "context_nt is -1; expected a whole"),
        ("context_nt", 20.0, "context_nt is 20.0; expected a whole"),
        ("context_nt", True, "context_nt is true; expected a whole"),
        ("context_nt", 10**4000, "context_nt is 1000"),
        ("min_prob", 1.5, "min_prob is 1.5; expected a number from 0 to 1"),
        ("min_prob", "0.5", 'min_prob is "0.5"; expected a number'),
        ("min_prob", None, "min_prob is null; expected a number"),
        ("name", "", 'name is ""; expected a text of 1 to 200 characters'),
        ("name", " ", 'name is " "; expected'),
        ("name", "x" * 201, 'name is "xxx'),
        ("name", ["a"], 'name is ["a"]; expected'),
        ("name", "a\nchr1\t1\t2", r'name is "a\nchr1\t1\t2"; expected'),
        ("name", "\x1b[2J", r'name is "\u001b[2J"; expected'),
        ("name", "\u202egpj", r'name is "\u202egpj"; expected'),
        ("name", "\ud800", r'name is "\ud800"; expected'),
        ("description", 3, "description is 3; expected a text without control characters"),
        ("network", {}, "network is {}; expected"),
        ("feature_schema", None, "feature_schema is null; expected"),
        ("weights_sha256", "00", 'weights_sha256 is "00"; expected 64 hexadecimal digits'),
        ("weights_sha256", "A" * 64, 'weights_sha256 is "AAA'),
        ("weights_sha256", "0" * 64 + "\n", 'weights_sha256 is "000'),
        ("gates", [], "gates is []; expected a table"),
        ("gates", {}, "gates.features is missing; expected"),
    ],
)
def test_a_field_of_another_kind_is_named(copy, field, value, message):
    change(copy, **{field: value})
    with pytest.raises(ModelError) as caught:
        load_model(str(copy))
    assert str(caught.value).startswith(f"{copy / 'card.json'}: {message}")
    assert len(str(caught.value)) < len(str(copy)) + 250
    assert str(caught.value).isprintable()


FALSE_CALLS = {
    "log_odds": [0, 1.5, 2],
    "all": [9, 1, 0],
    "lowest": [5, 0, 0],
    "highest": [20, 2, 0],
    "megabases": 60,
}


INFLATION = {
    **{"log_odds": [0, 2], "factor": [1.5, 3], "own_factor": 1.4, "own_spread": 0.3},
    **{"calls_spread": 0.3, "spread": 0.4, "weight": 5},
}


@pytest.mark.parametrize(
    "table, field, value, message",
    [
        (
            "false_calls_per_mb",
            "log_odds",
            [0, 2, 2],
            "is [0, 2, 2]; expected a list of rising numbers",
        ),
        ("false_calls_per_mb", "log_odds", [], "is []; expected a list of rising"),
        ("false_calls_per_mb", "log_odds", [0, 1, None], "is [0, 1, null]; expected"),
        ("false_calls_per_mb", "log_odds", [0, 1, 10**400], "is [0, 1, 1000"),
        (
            "false_calls_per_mb",
            "all",
            [9, -1, 0],
            "is [9, -1, 0]; expected a list of numbers of 0 and more",
        ),
        ("false_calls_per_mb", "highest", 3, "is 3; expected a list"),
        ("false_calls_per_mb", "megabases", 0, "is 0; expected a number above 0"),
        ("false_calls_per_mb", "megabases", 10**400, "is 1000"),
        ("inflation", "log_odds", [2, 0], "is [2, 0]; expected a list of rising numbers"),
        ("inflation", "factor", [1.5, 0], "is [1.5, 0]; expected a list of numbers above 0"),
        ("inflation", "factor", 3, "is 3; expected a list"),
        ("inflation", "own_factor", 0, "is 0; expected a number above 0"),
        ("inflation", "calls_spread", None, "is null; expected a number from 0 to 10"),
        ("inflation", "spread", -1, "is -1; expected a number from 0 to 10"),
        ("inflation", "weight", 0, "is 0; expected a number above 0"),
    ],
)
def test_tables_of_a_card_are_checked_too(copy, table, field, value, message):
    whole = {"false_calls_per_mb": FALSE_CALLS, "inflation": INFLATION}[table]
    change(copy, **{table: {**whole, field: value}})
    with pytest.raises(ModelError) as caught:
        load_model(str(copy))
    assert f"card.json: {table}.{field} {message}" in str(caught.value)


def test_false_calls_have_a_rate_for_each_score(copy):
    change(copy, false_calls_per_mb=FALSE_CALLS)
    curve = load_model(str(copy)).false_calls
    assert curve is not None
    assert curve.per_mb(np.array([0.0, 2.0])).round(3).tolist() == [9, 0.008]
    change(copy, false_calls_per_mb={**FALSE_CALLS, "lowest": [5, 0]})
    with pytest.raises(ModelError, match="its lists differ in length"):
        load_model(str(copy))
    change(copy, false_calls_per_mb=None)
    with pytest.raises(ModelError, match="false_calls_per_mb is null; expected a table"):
        load_model(str(copy))


def test_what_decoys_miss_has_a_factor_for_each_score(copy):
    change(copy, inflation=INFLATION)
    inflation = load_model(str(copy)).inflation
    assert inflation is not None
    assert inflation.at(np.array([-1, 1, 5])) == pytest.approx([1.5, 4.5**0.5, 3])
    change(copy, inflation={**INFLATION, "factor": [1.5]})
    with pytest.raises(ModelError, match="inflation: its lists differ in length"):
        load_model(str(copy))


@pytest.mark.parametrize(
    "field, value",
    [("min_prob", -0.1), ("max_span", 0), ("judged", 3), ("sha256", None), ("alone", 1)],
)
def test_fields_of_gates_are_checked_too(copy, field, value):
    gates = load_model(DEFAULT_MODEL).card["gates"]
    change(copy, gates={**gates, field: value})
    with pytest.raises(ModelError, match=rf"card\.json: gates\.{field} is "):
        load_model(str(copy))
    for name, cut in (("stem", 2.5), ("fold", None)):
        change(copy, gates={**gates, "alone": {**gates["alone"], name: cut}})
        with pytest.raises(ModelError, match=rf"card\.json: gates\.alone\.{name} is "):
            load_model(str(copy))


def test_a_field_that_is_missing_is_named(copy):
    card = load_model(DEFAULT_MODEL).card
    for field in ("name", "network", "feature_schema", "context_nt", "weights_sha256"):
        kept = {name: value for name, value in card.items() if name != field}
        (copy / "card.json").write_text(json.dumps(kept))
        with pytest.raises(ModelError, match=rf"card\.json: {field} is missing; expected"):
            load_model(str(copy))


def test_fields_that_nothing_depends_on_may_be_missing(copy):
    needed = ("name", "network", "feature_schema", "context_nt", "description", "weights_sha256")
    card = load_model(DEFAULT_MODEL).card
    kept = {name: value for name, value in card.items() if name in needed}
    (copy / "card.json").write_text(json.dumps(kept))
    assert load_model(str(copy)).min_prob == 0.5


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "damaged model card: Expecting property name"),
        ("", "damaged model card: Expecting value"),
        ("[1]", "damaged model card: is [1]; expected a table"),
        ('"text"', 'damaged model card: is "text"; expected a table'),
        ('{"a": NaN}', "damaged model card: holds NaN, which is no number"),
        ('{"a": -Infinity}', "damaged model card: holds -Infinity, which"),
        ('{"a": 1e999}', "damaged model card: holds 1e999, which is too large a number"),
        (f'{{"a": {"9" * 5000}}}', "damaged model card: Exceeds the limit"),
        ('{"name": "a", "name": "b"}', 'damaged model card: the field "name" stands twice'),
        ("[" * 100_000, "damaged model card: nests too deeply"),
        ("[" * 33 + "]" * 33, "damaged model card: nests too deeply"),
        ('{"a":' * 100_000, "damaged model card: nests too deeply"),
        (b"\xff", "damaged model card: 'utf-8' codec"),
        (b" " * ((1 << 24) + 1), "too large for a model card"),
    ],
    ids=lambda value: None if isinstance(value, str) and len(value) < 40 else "long",
)
def test_what_is_no_card_is_refused(copy, text, message):
    path = copy / "card.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelError) as caught:
        load_model(str(copy))
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_faulty_card_is_one_line_of_a_scan(copy, tmp_path, capsys):
    change(copy, context_nt=5000)
    genome = tmp_path / "genome.fa"
    genome.write_text(">a\nACGT\n")
    command = [str(genome), "--out", str(tmp_path / "hits.bed"), "--model", str(copy)]
    assert main(command) == 2
    assert capsys.readouterr().err == (
        f"premir-scan: error: {copy / 'card.json'}: context_nt is 5000; "
        "expected a whole number from 0 to 200\n"
    )


def test_a_name_that_no_file_can_have_is_no_model():
    with pytest.raises(ModelError, match="cannot be read: File name too long"):
        load_model("x" * 5000)


def write_weights(directory, **changes):
    """Write the model's tensors with some changed, and their digest into its card."""
    tensors = load_file(directory / "weights.safetensors")
    tensors = {name: changes.get(name, own) for name, own in {**tensors, **changes}.items()}
    save_file(
        {name: own for name, own in tensors.items() if own is not None},
        directory / "weights.safetensors",
    )
    change(directory, weights_sha256=sha256(directory / "weights.safetensors"))


@pytest.mark.parametrize(
    "change_tensor, message",
    [
        (lambda t: t.double(), r"conv2\.bias is F64 \[64\]; expected F32 \[64\]"),
        (lambda t: t.half(), r"conv2\.bias is F16 \[64\]; expected F32"),
        (lambda t: t.bfloat16(), r"conv2\.bias is BF16 \[64\]; expected F32"),
        (lambda t: t.int(), r"conv2\.bias is I32 \[64\]; expected F32"),
        (lambda t: t.bool(), r"conv2\.bias is BOOL \[64\]; expected F32"),
        (lambda t: t.to(torch.complex64), r"conv2\.bias is C64 \[64\]; expected F32"),
        (lambda t: t[:-1], r"conv2\.bias is F32 \[63\]; expected F32 \[64\]"),
        (lambda t: t[None], r"conv2\.bias is F32 \[1, 64\]; expected F32 \[64\]"),
        (lambda t: t * torch.nan, r"conv2\.bias holds numbers that are not finite"),
        (lambda t: t.index_fill(0, torch.tensor([3]), -torch.inf), r"conv2\.bias holds numbers"),
        (lambda _: None, r"'conv2\.bias' is missing"),
    ],
)
def test_tensors_of_another_kind_are_named(single, change_tensor, message):
    own = load_model(HAIRPIN_MODEL).networks()[0].get_parameter("conv2.bias")
    write_weights(single, **{"conv2.bias": change_tensor(own)})
    with pytest.raises(ModelError, match=rf"weights\.safetensors: {message}"):
        load_model(str(single)).networks()[0]


def test_foreign_tensors_and_no_tensors_are_refused(copy):
    write_weights(copy, **{"fc3\x1b": torch.zeros(2)})
    with pytest.raises(ModelError, match=r"safetensors: 'fc3\\x1b' does not belong there"):
        load_model(str(copy)).networks()[0]
    for content in (b"", b"\xff" * 100, (2**62).to_bytes(8, "little") + b"{}"):
        (copy / "weights.safetensors").write_bytes(content)
        change(copy, weights_sha256=sha256(copy / "weights.safetensors"))
        with pytest.raises(ModelError, match="damaged weights"):
            load_model(str(copy)).networks()[0]


def test_weights_whose_sums_overflow_are_told(single):
    network = load_model(HAIRPIN_MODEL).networks()[0]
    names = ("conv1.weight", "conv2.weight", "conv3.weight")
    write_weights(single, **{name: 1e20 * network.get_parameter(name) for name in names})
    hairpins = builders.random_hairpins(np.random.default_rng(0), [80, 90])
    with pytest.raises(ModelError, match="scores that are no numbers: its weights are too large"):
        load_model(str(single)).select(hairpins)


def test_damaged_weights_are_refused(copy):
    path = copy / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="digest differs from the card's"):
        load_model(str(copy)).networks()[0]
    path.unlink()
    with pytest.raises(ModelError, match="weights are missing"):
        load_model(str(copy)).networks()[0]


@pytest.mark.parametrize(
    "field, message",
    [
        ({"feature_schema": "do2018-v3"}, "made for feature schema 'do2018-v3', this premir"),
        (
            {"feature_schema": "do2018-v1", "unknown_letters": 0.02},
            "unknown_letters is 0.02; expected 0 with feature schema",
        ),
        ({"network": "enormous"}, "unknown network 'enormous'"),
    ],
)
def test_models_of_another_kind_are_refused(copy, field, message):
    change(copy, **field)
    with pytest.raises(ModelError, match=message):
        load_model(str(copy)).networks()[0]


def test_saving_a_model_again_keeps_what_is_of_the_same_weights_only(copy):
    before = load_model(str(copy)).card
    networks = load_model(str(copy)).networks()
    bare = {name: value for name, value in before.items() if name not in ("gates", "floor")}
    assert save_model(copy, networks, bare).card == before
    with torch.no_grad():
        networks[-1].get_parameter("fc2.bias").add_(1.0)
    assert not {"gates", "floor"} & set(save_model(copy, networks, before).card)


def test_what_no_card_may_hold_is_not_saved(copy):
    spec = load_model(str(copy))
    files = {path.name: path.read_bytes() for path in copy.iterdir()}
    with pytest.raises(ModelError, match=r"name is \"a\\nb\"; expected"):
        save_model(copy, spec.networks(), {**spec.card, "name": "a\nb"})
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == files


PUBLISHED = {
    "do2018-crossspecies-new-variable": (
        "1aed5f68243757e99ea4ba407d34d225376361c01120f0713a9602e544310ebc",
        None,
        "8966ecec5b4cc2f0e2af042541843597e63331cf686de4ce84c3dc8e3146d23b",
    ),
    "do2018-crossspecies-test-variable": (
        "df4b71a29022f024c356380be570d63c77b5a8126aff7004cb2af26df58fbfd1",
        None,
        "444550ab5575f2625bd0421b131bcc3ad6c077f18e5df4f442e2a3618fca5c75",
    ),
    "do2018-human-test-variable": (
        "54f3833c4c16ac5c4cc5d927556470fe7092b61df94b6097b3ae64687b7dafd4",
        None,
        "5eb3e7df798142410deaf89d5a48d45e84005d32cce576d8e2bb6f5f6ae6bde9",
    ),
    "premir-animal@3": (
        "3355f153b48e85e4afbc5e5f051cecd9dc03ddd1a3d78c5c0c9d94eb6ffaaba2",
        "74825b7ef123d5ce4fbc363dcb528f39a9ef64955978778665c862c68ccba9fe",
        "8b5a7017351bd38f8c376ea1006846b396e448f5e770fe09b761a750ab44ea77",
    ),
    "premir-plant@1": (
        "2ff8c9a1ea7cc0df3b07ba678ff727df7a9508240bdcec9fce4d88437929e4e6",
        "ed56364836350317555d4f606e419d470ed5e3c73571103e9e9c21fa6bf44d84",
        "1f09178b145156754f5bd19b32b4ac02ccf106d43e91af1c45372c3f406735ca",
    ),
}
"""Shipped models: SHA-256 of their weights, of their gates, and of what their cards say a scan
depends on. A name never stands for other weights: a changed model is a new line, never a new value.
"""


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_name_never_changes(name):
    spec = load_model(name)
    identity = ("name", "network", "feature_schema", "context_nt", "min_prob", "weights_sha256")
    said = {field: spec.card.get(field) for field in identity}
    if spec.unknown_letters:
        said["unknown_letters"] = spec.unknown_letters
    if alone := spec.card.get("gates", {}).get("alone"):
        said["alone"] = [alone["stem"], alone["fold"]]
    gates = spec.directory / GATES
    assert PUBLISHED[name] == (
        sha256(spec.directory / WEIGHTS),
        sha256(gates) if gates.exists() else None,
        hashlib.sha256(json.dumps(said).encode()).hexdigest(),
    )


def test_every_shipped_model_is_published():
    assert {spec.name for spec in list_models()} == set(PUBLISHED)


def test_a_model_that_is_shipped_no_longer_is_said_to_be(monkeypatch):
    monkeypatch.setitem(shipped.RETIRED, "premir-animal@0", "abc1234")
    with pytest.raises(
        ModelError, match=r"premir-animal@0: is shipped no longer; git show abc1234:"
    ):
        load_model("premir-animal@0")
    assert not set(shipped.RETIRED) & {model.name for model in list_models()}
