"""Models: from folded hairpins to scores."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from premir.scanner.errors import ModelError
from premir.scanner.files import sha256
from premir.scanner.score.card import CARD, MEMBERS, WEIGHTS, Card, read_card

if TYPE_CHECKING:
    import torch

    from premir.scanner.find.candidates import Extractor
    from premir.scanner.find.hairpins import Hairpins
    from premir.scanner.score.crossfit import CrossFit, Places, Wanted
    from premir.scanner.score.false_calls import FalseCalls
    from premir.scanner.score.gating import Gates
    from premir.scanner.score.inflation import Inflation
    from premir.scanner.score.networks.network import Network

DECIMALS = 6
"""Decimals of canonical log odds and probabilities: both are rounded before anything is compared
with them."""


@dataclass(frozen=True, slots=True)
class Model:
    """One or several networks, their calibration and their gates, as a directory holds them.

    Scores are log odds of pre-miRNA against other hairpins at a prior of 1:1: the mean over the
    networks (of a cross-fitted model, over those that have not seen the place), times the slope
    plus the intercept on the card. Networks are loaded when they are
    first asked for, once for each device; threads may share a model, and a process that gets it
    from another one loads its own.

    Attributes:
        directory: where its files are.
        card: what ``card.json`` holds, checked.
    """

    directory: Path
    card: Card
    _loaded: dict[Any, tuple[Network, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def __reduce__(self) -> tuple[type[Model], tuple[Path, Card]]:
        return Model, (self.directory, self.card)

    @property
    def name(self) -> str:
        """Its name."""
        return self.card["name"]

    @property
    def description(self) -> str:
        """One sentence."""
        return self.card["description"]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Its networks, by what :data:`premir.scanner.score.networks.NETWORKS` calls them."""
        return tuple(self.card["network"].split(MEMBERS))

    @property
    def context_nt(self) -> int:
        """Nucleotides folded on both sides of a candidate."""
        return self.card["context_nt"]

    @property
    def unknown_letters(self) -> float:
        """Share of letters other than A, C, G, T, U that a hairpin may hold, context included."""
        return float(self.card.get("unknown_letters", 0))

    def reading(self, extractor: Extractor) -> Extractor:
        """Return an extractor with the context and the unknown letters that it reads."""
        return replace(extractor, context_nt=self.context_nt, unknown_letters=self.unknown_letters)

    @property
    def longest(self) -> int:
        """Nucleotides of the longest hairpin that it can score, context included.

        Raises:
            ModelError: it names a network that there is not.
        """
        from premir.scanner.score.weights import network_classes

        return min(each.longest for each in network_classes(self))

    @property
    def margin(self) -> float:
        """How far, in log odds, :meth:`select` may lie from :meth:`score`: what its networks say.

        Raises:
            ModelError: as :attr:`longest`.
        """
        from premir.scanner.score.weights import network_classes

        return self._calibration()[0] * max(each.margin for each in network_classes(self))

    @property
    def min_prob(self) -> float:
        """Default reporting threshold."""
        return float(self.card.get("min_prob", 0.5))

    @property
    def false_calls(self) -> FalseCalls | None:
        """False calls per Mb of held-out genomes at each score, None where its card has none."""
        from premir.scanner.score.false_calls import FalseCalls

        table = self.card.get("false_calls_per_mb")
        return FalseCalls.of(table) if table is not None else None

    @property
    def inflation(self) -> Inflation | None:
        """What decoys miss of its false calls, None where its card does not know."""
        from premir.scanner.score.inflation import Inflation

        table = self.card.get("inflation")
        return Inflation.of(table) if table is not None else None

    @property
    def kin(self) -> npt.NDArray[np.float64] | None:
        """Shares of its false calls that have 0, 1, ... kin; None where its card does not know."""
        table = self.card.get("kin")
        return np.array(table["share"], np.float64) if table is not None else None

    def floor(self, min_prob: float) -> float:
        """Return the log odds by the first network below which no other one is asked.

        Args:
            min_prob: least probability of what is wanted.

        Returns:
            What the card says; minus infinity where it knows none, or none for so little.
        """
        table = self.card.get("floor")
        return table["log_odds"] if table and min_prob >= table["min_prob"] else -np.inf

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, as the card has it."""
        return self.card["weights_sha256"]

    @property
    def key(self) -> str:
        """Names all that scores depend on: models of one key give the same."""
        slope, intercept = self._calibration()
        fitted = f" {self.cross_fit}" if self.cross_fit is not None else ""
        return f"{self.digest} {slope!r} {intercept!r}{fitted}"

    @property
    def cross_fit(self) -> CrossFit | None:
        """How its networks share genomes; None where each of them scores everything."""
        from premir.scanner.score.crossfit import CrossFit

        table = self.card.get("cross_fit")
        return CrossFit(table["folds"], table["block_nt"]) if table is not None else None

    @property
    def files(self) -> list[Path]:
        """What it consists of: its card, and weights and gates where there are some."""
        return [self.directory / CARD, *sorted(self.directory.glob("*.safetensors"))]

    def found_digest(self) -> str:
        """Return the SHA-256 of the weights as they are on this machine, or ``missing``."""
        path = self.directory / WEIGHTS
        return sha256(path) if path.is_file() else f"missing ({path})"

    def gates(self) -> Gates | None:
        """Load its gates, None where it has none.

        Raises:
            ModelError: see :func:`premir.scanner.score.gating.load_gates`.
        """
        from premir.scanner.score.gating import load_gates

        return load_gates(self)

    def networks(
        self, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
    ) -> tuple[Network, ...]:
        """Return its networks, ready for inference.

        Args:
            device: where they shall compute.
            dtype: float32 by default.

        Raises:
            ModelError: weights missing, damaged, or made for another network or feature schema.
        """
        from premir.scanner.score.weights import load_networks

        key = (str(device), dtype)
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = load_networks(self, device, dtype)
            return self._loaded[key]

    def load(self, device: torch.device | str) -> None:
        """Load all that scores need, so that a fault shows before the work begins.

        Raises:
            ModelError: as :meth:`networks`.
        """
        import torch

        self.networks(device)
        self.networks(dtype=torch.float64)

    def select(
        self,
        hairpins: Hairpins | Sequence[str],
        device: torch.device | str = "cpu",
        places: Places | None = None,
        least: Wanted | None = None,
        floor: npt.NDArray[np.float64] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Score hairpins in batches, which is fast and right to :attr:`margin`.

        Args:
            hairpins: N folded hairpins, with the context that the model asks for; or sequences,
                which are folded.
            device: where to compute.
            places: where the hairpins lie, which decides what networks of a cross-fitted model
                score them; all do where None.
            least: gives the log odds below which nobody asks what a hairpin has: it may get minus
                infinity as soon as it can't reach them. It is called with an index of hairpins, and
                the most that each may have yet. None to score all.
            floor: float64 (N,), as :meth:`floor`: a hairpin that has less by the first network gets
                minus infinity. None to ask all networks.

        Returns:
            float32 (N,), log odds of pre-miRNA.

        Raises:
            ModelError: as :meth:`networks`, or sums of the weights overflow, or a hairpin is longer
                than :attr:`longest` or holds more unknown letters than :attr:`unknown_letters`.
        """
        import torch

        from premir.scanner.score.crossfit import mean_log_odds
        from premir.scanner.score.inference import batch_log_odds

        device, hairpins = torch.device(device), self._folded(hairpins)
        score, networks = partial(batch_log_odds, device=device), self.networks(device)
        wanted = self._uncalibrated(least) if least is not None else None
        log_odds = mean_log_odds(networks, hairpins, score, self.cross_fit, places, wanted, floor)
        return self.calibrated(log_odds).astype(np.float32)

    def score(
        self, hairpins: Hairpins | Sequence[str], places: Places | None = None
    ) -> npt.NDArray[np.float64]:
        """Score hairpins one at a time, in float64 on the CPU: the scores that are printed.

        Args:
            hairpins: as :meth:`select`.
            places: likewise.

        Returns:
            float64 (N,), log odds of pre-miRNA to six decimals, whatever else is among the
            hairpins.

        Raises:
            ModelError: as :meth:`select`.
        """
        import torch

        from premir.scanner.score.crossfit import mean_log_odds
        from premir.scanner.score.inference import single_log_odds

        networks, hairpins = self.networks(dtype=torch.float64), self._folded(hairpins)
        log_odds = mean_log_odds(networks, hairpins, single_log_odds, self.cross_fit, places)
        return self.calibrated(log_odds).round(DECIMALS) + 0.0  # there is one zero

    def calibrated(self, log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the model's log odds from the mean of its networks'.

        Args:
            log_odds: float64 (N,), by its networks.

        Raises:
            ModelError: they are no numbers.
        """
        slope, intercept = self._calibration()
        calibrated = slope * log_odds + intercept
        if np.isnan(calibrated).any():
            raise ModelError(
                f"{self.directory}: gives scores that are no numbers: its weights are too large"
            )
        return calibrated

    def lowest_selected(self, min_prob: float) -> float:
        """Return the log odds by :meth:`select` below which none reaches ``min_prob``."""
        lowest = min_prob - 0.5 * 10.0**-DECIMALS  # which may be rounded up to it
        return -np.inf if lowest <= 0 else log_odds_of(lowest) - self.margin

    def _uncalibrated(self, least: Wanted) -> Wanted:
        """Return what is wanted of the mean of the networks, from what is wanted of the model."""
        slope, intercept = self._calibration()
        return lambda index, most: (least(index, self.calibrated(most)) - intercept) / slope

    def _folded(self, hairpins: Hairpins | Sequence[str]) -> Hairpins:
        if isinstance(hairpins, Sequence):
            from premir.scanner.find.folding import fold

            hairpins = fold(hairpins)
        longest = int(hairpins.lengths.max(initial=0))
        if longest > self.longest:
            raise ModelError(
                f"{self.name}: reads hairpins of up to {self.longest} nt; one has {longest}"
            )
        unknown = hairpins.unknown
        if (unknown > self.unknown_letters * hairpins.lengths).any():
            raise ModelError(
                f"{self.name}: reads hairpins with up to {100 * self.unknown_letters:g} % of "
                f"letters other than A, C, G, T, U; one has {unknown.max()} of them"
            )
        return hairpins

    def _calibration(self) -> tuple[float, float]:
        fitted = self.card.get("calibration", {"slope": 1, "intercept": 0})
        return float(fitted["slope"]), float(fitted["intercept"])

    def here(self) -> Model:
        """Return a model that was found on another machine as it is found on this one.

        A shipped model lies where premir is installed, which need not be the same place.
        """
        from premir.scanner.score.shipped import SHIPPED

        shipped = SHIPPED / self.directory.name
        if not self.directory.is_dir() and shipped.is_dir():
            return replace(self, directory=shipped)
        return self


def read_model(directory: Path) -> Model:
    """Read the card of a model.

    Raises:
        ModelError: it cannot be used; see :func:`premir.scanner.score.card.read_card`.
    """
    return Model(directory, read_card(directory / CARD))


def probabilities(log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the probabilities that are printed: of log odds by :meth:`Model.score`, rounded."""
    with np.errstate(over="ignore"):
        return (1.0 / (1.0 + np.exp(-log_odds))).round(DECIMALS)


def log_odds_of(prob: float) -> float:
    """Return the log odds of a probability, infinite at 0 and 1."""
    with np.errstate(divide="ignore"):
        return float(np.log(prob) - np.log1p(-prob))
