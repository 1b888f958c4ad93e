"""The network of deepMiRGene, after its description: two LSTMs and an attention."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from premir.kernels.codes import UNKNOWN
from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.network import Network

LONGEST = 400
LETTERS = 16
"""Four nucleotides by four kinds of place: opens a pair, closes one, unpaired, in the loop. Unknown
letters are none of them."""
_DROPOUT = 0.1


class RecurrentNet(Network):
    """LSTM 20 -> LSTM 10 -> attention over places -> FC 400 -> FC 100 -> FC 2.

    After Park, Min, Choi and Yoon, "Deep Recurrent Neural Network-Based Identification of Precursor
    microRNAs" (2017): letters are one of 16, nucleotide and kind of place; each place's output is
    multiplied by its attention, a softmax over the hairpin, and all of them, the last one at place
    400, go through two sigmoid layers. A tenth of the units that enter each layer is dropped in
    training, in an LSTM the same ones at all places. Theirs drops a tenth of the recurrent units
    too; this one does not. Weights begin as theirs do (Glorot uniform, orthogonal within the
    LSTMs, forget gates open).
    """

    title = "LSTMs with attention, as deepMiRGene"
    cells: ClassVar[dict[str, int]] = {"cpu": 1 << 22, "cuda": 1 << 25}
    training_cells = 1 << 22
    longest = LONGEST

    def __init__(self) -> None:
        super().__init__()
        self.lstm1 = nn.LSTM(LETTERS, 20, batch_first=True)
        self.lstm2 = nn.LSTM(20, 10, batch_first=True)
        self.attention = nn.Linear(10, 1)
        self.fc1 = nn.Linear(LONGEST * 10, 400)
        self.fc2 = nn.Linear(400, 100)
        self.fc3 = nn.Linear(100, 2)
        for name, weight in self.named_parameters():
            _begin(name, weight)

    @property
    def last_layer(self) -> nn.Linear:
        """The layer that turns hidden units into logits."""
        return self.fc3

    @staticmethod
    def map_sizes(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """One for all: any lengths may share a batch."""
        return np.zeros(lengths.size, np.int64)

    def forward(self, batch: PairingBatch) -> Tensor:
        """Return logits (N, 2); class 1 is pre-miRNA."""
        count, width = batch.lengths.numel(), int(batch.host_lengths.max())
        device = batch.codes.device
        record = torch.repeat_interleave(
            torch.arange(count, device=device), batch.lengths, output_size=batch.codes.numel()
        )
        position = torch.arange(record.numel(), device=device) - batch.offsets[record]
        seen = torch.zeros(count, width, LETTERS, dtype=batch.dtype, device=device)
        known = batch.codes < UNKNOWN
        letter = 4 * batch.codes.clamp(max=UNKNOWN - 1).long() + _kinds(batch, record)
        seen[record, position, letter] = known.to(batch.dtype)
        lengths = torch.from_numpy(batch.host_lengths)
        for lstm in (self.lstm1, self.lstm2):
            seen = _along(lstm, self._thinned(seen), lengths)
        energy = self.attention(seen)[:, :, 0]
        inside = torch.arange(width, device=device) < batch.lengths[:, None]
        weight = energy.masked_fill(~inside, -torch.inf).softmax(dim=1)
        places = seen.new_zeros(count, LONGEST, seen.shape[2])
        weighted = (seen * weight[:, :, None])[record, position]
        places[record, position + (LONGEST - batch.lengths)[record]] = weighted
        hidden = functional.dropout(places.flatten(1), _DROPOUT, self.training)
        hidden = functional.dropout(self.fc1(hidden).sigmoid(), _DROPOUT, self.training)
        logits: Tensor = self.fc3(self.fc2(hidden).sigmoid())
        return logits

    def _thinned(self, seen: Tensor) -> Tensor:
        """Drop channels of (N, W, C) in training, in each hairpin the same ones at all places."""
        if not self.training:
            return seen
        return seen * functional.dropout(torch.ones_like(seen[:, :1]), _DROPOUT)


def _kinds(batch: PairingBatch, record: Tensor) -> Tensor:
    """Return of each nucleotide, int64 (T,), what kind of place it has, as in :data:`LETTERS`."""
    pairs = batch.pairs.long()
    here = torch.arange(pairs.numel(), device=pairs.device)
    partner = torch.where(pairs >= 0, pairs + batch.offsets[record], -1)
    before = torch.where(partner >= 0, here, -1).cummax(dim=0).values
    behind = torch.where(partner >= 0, here, here.numel()).flip(0).cummin(dim=0).values.flip(0)
    loop = (before >= 0) & (partner[before] == behind)
    unpaired = torch.where(loop, 3, 2)
    return torch.where(partner < 0, unpaired, (partner < here).long())


def _along(lstm: nn.LSTM, seen: Tensor, lengths: Tensor) -> Tensor:
    """Run an LSTM over hairpins, (N, W, C), each as far as it goes."""
    packed = pack_padded_sequence(seen, lengths, batch_first=True, enforce_sorted=False)
    out, _ = lstm(packed)
    padded: Tensor = pad_packed_sequence(out, batch_first=True, total_length=seen.shape[1])[0]
    return padded


def _begin(name: str, weight: Tensor) -> None:
    """Give a parameter its first values."""
    if weight.dim() == 1:
        nn.init.zeros_(weight)
        if "bias_ih" in name:
            quarter = weight.numel() // 4
            nn.init.ones_(weight[quarter : 2 * quarter])
    elif "weight_hh" in name:
        for gate in weight.chunk(4):
            nn.init.orthogonal_(gate)
    elif "weight_ih" in name:
        for gate in weight.chunk(4):
            nn.init.xavier_uniform_(gate)
    else:
        nn.init.xavier_uniform_(weight)
