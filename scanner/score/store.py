"""Trained networks on disk: safetensors weights beside a JSON card, checked when loaded."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from premir.scanner.errors import ModelError
from premir.scanner.files import sha256, whole_file, write_json
from premir.scanner.score.card import check_new_card, read_card

if TYPE_CHECKING:
    import torch

    from premir.scanner.score.networks.variable import VariableConvNet

DEFAULT_MODEL = "premir-animal@1"
HAIRPIN_MODEL = "do2018-crossspecies-new-variable"
"""For sequences without flanks: hairpins cut as those of the benchmark are."""
_SHIPPED = Path(__file__).parent / "shipped"
WEIGHTS, CARD = "weights.safetensors", "card.json"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model card says, as far as a scan depends on it.

    Attributes:
        name: the model's name.
        directory: where its files are.
        network: key of :data:`premir.scanner.score.networks.variable.NETWORKS`.
        feature_schema: definition of the tensors it was trained on.
        context_nt: nucleotides folded on both sides of a candidate.
        min_prob: default reporting threshold.
        description: one sentence.
        digest: SHA-256 of the weights.
        card: the whole card.
    """

    name: str
    directory: Path
    network: str
    feature_schema: str
    context_nt: int
    min_prob: float
    description: str
    digest: str
    card: dict[str, Any]

    @property
    def files(self) -> list[Path]:
        """What the model consists of: its card, and weights and gates where there are some."""
        return [self.directory / CARD, *sorted(self.directory.glob("*.safetensors"))]


def list_models() -> list[ModelSpec]:
    """Return the models that premir ships, by name."""
    return [read_spec(path.parent) for path in sorted(_SHIPPED.glob(f"*/{CARD}"))]


def find_model(name: str) -> ModelSpec:
    """Find a shipped model by name, or a model directory by path.

    Raises:
        ModelError: neither exists, or its card is damaged.
    """
    for directory in (_SHIPPED / name, Path(name)):
        try:
            found = (directory / CARD).is_file()
        except OSError as error:
            raise ModelError(f"{name}: cannot be read: {error.strerror}") from error
        if found:
            return read_spec(directory)
    known = ", ".join(path.parent.name for path in sorted(_SHIPPED.glob(f"*/{CARD}")))
    raise ModelError(
        f"{name}: no such model; give one of {known}, or a directory with {CARD} and {WEIGHTS}"
    )


def read_spec(directory: Path) -> ModelSpec:
    """Read a model card.

    Raises:
        ModelError: it cannot be used; see :func:`premir.scanner.score.card.read_card`.
    """
    card = read_card(directory / CARD)
    return ModelSpec(
        name=card["name"],
        directory=directory,
        network=card["network"],
        feature_schema=card["feature_schema"],
        context_nt=card["context_nt"],
        min_prob=float(card.get("min_prob", 0.5)),
        description=card["description"],
        digest=card["weights_sha256"],
        card=card,
    )


def on_this_machine(spec: ModelSpec) -> ModelSpec:
    """Return a model that was found on another machine as it is found on this one.

    A shipped model lies where premir is installed, which need not be the same place.
    """
    shipped = _SHIPPED / spec.directory.name
    if not spec.directory.is_dir() and shipped.is_dir():
        return replace(spec, directory=shipped)
    return spec


def digest_of_weights(spec: ModelSpec) -> str:
    """Return the SHA-256 of a model's weights as they are on this machine, or ``missing``."""
    path = spec.directory / WEIGHTS
    return sha256(path) if path.is_file() else f"missing ({path})"


def load_network(spec: ModelSpec, *, dtype: torch.dtype | None = None) -> VariableConvNet:
    """Load the weights of a model, ready for inference.

    Args:
        spec: which model.
        dtype: float32 by default.

    Raises:
        ModelError: weights missing, damaged, or made for another network or feature schema.
    """
    import torch

    from premir.kernels.pairing import FEATURE_SCHEMA
    from premir.scanner.score.networks import NETWORKS

    path = spec.directory / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{path}: weights are missing")
    if sha256(path) != spec.digest:
        raise ModelError(f"{path}: digest differs from the card's; fetch or train the model again")
    if spec.network not in NETWORKS:
        raise ModelError(f"{spec.directory / CARD}: unknown network {spec.network!r}")
    if spec.feature_schema != FEATURE_SCHEMA:
        raise ModelError(
            f"{spec.directory / CARD}: made for feature schema {spec.feature_schema!r}, "
            f"this premir computes {FEATURE_SCHEMA!r}"
        )
    network = NETWORKS[spec.network]()
    network.load_state_dict(_read_weights(path, network), strict=True)
    network.to(dtype or torch.float32).eval().requires_grad_(False)
    return network


def _read_weights(path: Path, network: VariableConvNet) -> dict[str, torch.Tensor]:
    """Read the tensors of a network; float32 alone, as anything else would be rounded unseen.

    Raises:
        ModelError: damaged, or a tensor is missing, foreign, of another type or shape, or not
            finite; it is named.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    expected = network.state_dict()
    try:
        with safe_open(path, "pt") as file:
            for name in sorted(set(expected).symmetric_difference(file.keys())):
                what = "is missing" if name in expected else "does not belong there"
                raise ModelError(f"{path}: {name[:60]!r} {what}")
            for name, own in expected.items():
                piece = file.get_slice(name)
                found, wanted = (piece.get_dtype(), piece.get_shape()), ("F32", list(own.shape))
                if found != wanted:
                    raise ModelError(
                        f"{path}: {name} is {found[0]} {found[1]}; expected {wanted[0]} {wanted[1]}"
                    )
            tensors = {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: damaged weights: {error}") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{path}: {name} holds numbers that are not finite")
    return tensors


def save_model(directory: Path, network: VariableConvNet, card: dict[str, Any]) -> ModelSpec:
    """Write weights and card; the card gets the digest of the weights.

    Gates stay where the directory holds some that were built for the very same weights.

    Raises:
        ModelError: no card may hold what is in this one; nothing is written.
    """
    from safetensors.torch import save_file

    own = {name: value for name, value in card.items() if name != "gates"}
    check_new_card(directory / CARD, own)
    directory.mkdir(parents=True, exist_ok=True)
    with whole_file(directory / WEIGHTS) as temporary:
        save_file(network.state_dict(), temporary)
        temporary.chmod(0o644)  # safetensors makes files that only their owner may read
    own["weights_sha256"] = sha256(directory / WEIGHTS)
    with suppress(ModelError):
        gates = read_card(directory / CARD).get("gates")
        if gates and gates["weights_sha256"] == own["weights_sha256"]:
            own["gates"] = gates
    write_json(directory / CARD, own)
    return read_spec(directory)
