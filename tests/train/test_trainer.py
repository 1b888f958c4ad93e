from __future__ import annotations

from dataclasses import replace

import builders
import numpy as np
import pytest
import torch
from torch.nn import functional

from premir.scanner.errors import InputError, PlanMismatchError
from premir.scanner.score.networks import fixed
from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.fixed import FixedConvNet
from premir.scanner.score.networks.stem import StemConvNet
from premir.scanner.score.networks.variable import VariableConvNet
from premir.train.dataset import Dataset
from premir.train.recipes import RECIPES, recipe_of
from premir.train.trainer import Trainer, check_lengths, check_network

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def data(count=40, seed=0):
    rng = np.random.default_rng(seed)
    hairpins = builders.random_hairpins(rng, rng.integers(45, 110, count).tolist())
    labels = (np.arange(count) % 4 == 0).astype(np.int64)
    return Dataset(hairpins, labels, tuple(map(str, range(count))), {"x.fa": "0" * 64})


def make(recipe="paper", seed=0, network="variable", **changes):
    chosen = replace(recipe_of(recipe, network, "human-test"), group=16, **changes)
    return Trainer(network, chosen, seed, data(), CPU)


def weights(trainer):
    return {k: v.clone() for k, v in trainer.network.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[k], b[k]) for k in a)


def naive_epoch(recipe, seed, epoch, network, optimizer, dataset):
    """One sample after another, as the paper's Algorithm 1 is written."""
    positives, negatives = dataset.positives, dataset.negatives
    alpha = 2 * negatives / (positives + negatives)
    beta = 2 * positives / (positives + negatives)
    order = np.random.default_rng([seed, epoch]).permutation(len(dataset.hairpins))
    for first in range(0, order.size, recipe.group):
        optimizer.zero_grad()
        for n in order[first : first + recipe.group]:
            batch = PairingBatch.build(dataset.hairpins.take([n]), device=CPU)
            label = torch.tensor([dataset.labels[n]])
            loss = functional.cross_entropy(network(batch), label)
            if recipe.class_weights:
                loss = loss * (alpha if dataset.labels[n] else beta)
            loss.backward()
        optimizer.step()


@pytest.mark.parametrize("recipe", ["paper", "released"])
def test_an_epoch_is_algorithm_1_whatever_the_micro_batches(monkeypatch, recipe):
    monkeypatch.setattr(VariableConvNet, "training_cells", 60_000)
    trainer = make(recipe)
    torch.manual_seed(0)
    network = VariableConvNet()
    assert same(network.state_dict(), weights(trainer))
    optimizer = torch.optim.Adagrad(network.parameters(), lr=0.001)
    for epoch in range(2):
        trainer.train_epoch()
        naive_epoch(trainer.recipe, 0, epoch, network, optimizer, trainer.data)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(trainer.network.state_dict()[name], value, rtol=0, atol=2e-4)


def test_recipes_are_those_of_the_paper_and_of_the_code():
    paper, released = RECIPES["paper"], RECIPES["released"]
    assert (paper.epochs, paper.group, paper.learning_rate) == (40, 64, 0.001)
    assert paper.class_weights
    assert (released.epochs, released.group, released.learning_rate) == (40, 128, 0.001)
    assert not released.class_weights


def naive_fixed_epoch(recipe, seed, epoch, network, optimizer, dataset):
    """Whole groups on whole 400 x 400 maps; after its first epoch ``released`` is in eval mode."""
    alpha, beta = 4.0, 1.0
    if recipe == "paper":
        alpha = 2 * dataset.negatives / len(dataset.hairpins)
        beta = 2 * dataset.positives / len(dataset.hairpins)
    network.train(recipe != "released" or epoch == 0)
    order = np.random.default_rng([seed, epoch]).permutation(len(dataset.hairpins))
    for first in range(0, order.size, 16):
        group = order[first : first + 16]
        labels = torch.from_numpy(dataset.labels[group])
        batch = PairingBatch.build(dataset.hairpins.take(group), device=CPU)
        losses = functional.cross_entropy(network.forward_dense(batch), labels, reduction="none")
        weights = torch.where(labels == 1, alpha, beta)
        optimizer.zero_grad()
        loss = (weights * losses).sum()
        (loss if recipe == "paper" else loss / weights.sum()).backward()
        optimizer.step()


@pytest.mark.parametrize("recipe", ["paper", "released", "released-train"])
def test_an_epoch_of_algorithm_2(monkeypatch, recipe):
    monkeypatch.setattr(fixed, "_PIECE", 60_000)
    # Plain gradient steps: AdaGrad makes steps of one size of what is zero but for rounding.
    trainer = make(recipe, network="fixed", optimizer="sgd", learning_rate=0.01, weight_decay=1e-3)
    torch.manual_seed(0)
    network = FixedConvNet()
    assert same(network.state_dict(), weights(trainer))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, weight_decay=1e-3)
    norms = []
    for epoch in range(2):
        trainer.train_epoch()
        naive_fixed_epoch(recipe, 0, epoch, network, optimizer, trainer.data)
        norms.append(weights(trainer)["norm1.running_mean"])
    assert not norms[0].eq(0).any()
    assert torch.equal(norms[0], norms[1]) == (recipe == "released")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(trainer.network.state_dict()[name], value, rtol=0, atol=2e-5)


def test_batch_norm_resumes(tmp_path):
    straight, first, second = (make("released", network="fixed") for _ in range(3))
    for trainer in (straight, straight, straight, first):
        trainer.train_epoch()
    first.save(tmp_path / "c.safetensors")
    second.resume(tmp_path / "c.safetensors")
    for _ in range(2):
        second.train_epoch()
    assert same(weights(second), weights(straight))


def test_recipes_of_the_fixed_network_are_those_of_the_authors():
    def told(recipe, protocol):
        found = recipe_of(recipe, "fixed", protocol)
        return found.epochs, found.weight_decay, found.train_mode_epochs

    assert recipe_of("paper", "fixed", "human-cv/2") == RECIPES["paper"]
    assert recipe_of("released", "variable", "crossspecies-new") == RECIPES["released"]
    for protocol in ("human-cv", "human-cv/2", "crossspecies-cv/5"):
        assert told("released", protocol) == (10, 0.0, 1)
    for protocol in ("human-test", "crossspecies-test", "custom"):
        assert told("released", protocol) == (40, 1e-5, 1)
    assert told("released", "crossspecies-new") == (80, 0.0, 1)
    assert told("released-train", "crossspecies-new") == (80, 0.0, None)
    released = recipe_of("released", "fixed", "human-test")
    assert (released.group, released.learning_rate, released.optimizer) == (64, 0.01, "adagrad")
    assert (released.class_weights, released.positive_weight, released.averaged) == (True, 4, True)


def naive_annealed(recipe, seed, network, dataset):
    """AdamW, one step after another; returns the running mean of the weights."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1.0, weight_decay=recipe.weight_decay)
    mean = {name: value.clone() for name, value in network.state_dict().items()}
    step, steps = 0, recipe.epochs * -(-len(dataset.hairpins) // recipe.group)
    for epoch in range(recipe.epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(dataset.hairpins))
        for first in range(0, order.size, recipe.group):
            group = order[first : first + recipe.group]
            rate = recipe.learning_rate * (1 + np.cos(np.pi * step / steps)) / 2
            optimizer.param_groups[0]["lr"] = rate * min(1, (step + 1) / recipe.warm_up)
            batch = PairingBatch.build(dataset.hairpins.take(group), device=CPU)
            optimizer.zero_grad()
            functional.cross_entropy(
                network(batch), torch.from_numpy(dataset.labels[group])
            ).backward()
            optimizer.step()
            step += 1
            old = min(recipe.mean_weights, step / (step + 3))
            for name, value in network.state_dict().items():
                mean[name] = old * mean[name] + (1 - old) * value
    return mean


def annealed(**changes):
    return make("annealed", network="stem", epochs=3, warm_up=4, mean_weights=0.8, **changes)


def test_annealed_lowers_the_rate_and_comes_to_the_mean_of_the_weights():
    trainer = annealed(dropout=0.0)
    torch.manual_seed(0)
    network = StemConvNet()
    expected = naive_annealed(trainer.recipe, 0, network, trainer.data)
    for _ in range(3):
        trainer.train_epoch()
    found = trainer.chosen_network().state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=2e-5)
    assert not any(torch.allclose(found[k], v, atol=1e-4) for k, v in weights(trainer).items())


def test_annealed_resumes_and_hangs_on_its_epochs(tmp_path):
    straight, first, second = (annealed() for _ in range(3))
    for trainer in (straight, straight, straight, first):
        trainer.train_epoch()
    first.save(tmp_path / "c.safetensors")
    second.resume(tmp_path / "c.safetensors")
    for _ in range(2):
        second.train_epoch()
    assert same(weights(second), weights(straight))
    assert same(second.mean.state_dict(), straight.mean.state_dict())
    longer = make("annealed", network="stem", epochs=4, warm_up=4, mean_weights=0.8)
    with pytest.raises(PlanMismatchError, match="recipe"):
        longer.resume(tmp_path / "c.safetensors")


def test_without_the_numbers_a_network_sees_nothing_of_them():
    trainer = annealed(ablate="numbers")
    for _ in range(2):
        trainer.train_epoch()
    network = trainer.chosen_network()
    assert not network.fc1.weight[:, network.number_inputs].any()
    one, other = (data(seed=0).hairpins.take([3]) for _ in range(2))
    other = replace(other, mfe=other.mfe - 1000)  # stands in the numbers alone
    logits = [
        network(PairingBatch.build(each, device=CPU)).tolist()
        for network in (trainer.chosen_network(), annealed().chosen_network())
        for each in (one, other)
    ]
    assert logits[0] == logits[1]
    assert logits[2] != logits[3]
    with pytest.raises(InputError, match="--network variable: reads no numbers of the fold"):
        check_network("variable", trainer.recipe)


def test_hairpins_that_a_network_cannot_read_are_named():
    hairpins = builders.random_hairpins(np.random.default_rng(0), [80, 401])
    long = Dataset(hairpins, np.array([0, 1]), ("short", "long"), {})
    check_lengths("variable", long)
    expected = "^--network fixed: reads hairpins of up to 400 nt; long has 401$"
    with pytest.raises(InputError, match=expected):
        check_lengths("fixed", data(), long)


@pytest.mark.parametrize("encoding", ["onehot", "soft0.1"])
def test_without_pairing_the_matrix_changes_nothing(encoding):
    trainer = make(ablate="pairing", encoding=encoding)
    for _ in range(3):
        trainer.train_epoch()
    assert (trainer.plain_network().conv1.weight[:, 0] == 0).all()
    hairpins = trainer.data.hairpins
    unpaired = replace(hairpins, pairs=np.full_like(hairpins.pairs, -1))
    with torch.inference_mode():
        a, b = (trainer.network(PairingBatch.build(h, device=CPU)) for h in (hairpins, unpaired))
    assert torch.equal(a, b)


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "sgd"])
def test_every_optimizer_resumes(tmp_path, optimizer):
    changes = {"optimizer": optimizer, "weight_decay": 1e-4, "learning_rate": 1e-4}
    straight, first, second = (make(**changes) for _ in range(3))
    for trainer in (straight, straight, first):
        trainer.train_epoch()
    first.save(tmp_path / "c.safetensors")
    second.resume(tmp_path / "c.safetensors")
    second.train_epoch()
    assert same(weights(second), weights(straight))


@pytest.mark.parametrize("changes", [{}, {"dropout": 0.3}, {"encoding": "soft0.1"}])
def test_resumed_training_takes_the_same_path(tmp_path, changes):
    straight = make(**changes)
    losses = [straight.train_epoch() for _ in range(4)]
    first = make(**changes)
    for _ in range(2):
        first.train_epoch()
    first.save(tmp_path / "checkpoint.safetensors")
    second = make(seed=0, **changes)
    second.resume(tmp_path / "checkpoint.safetensors")
    assert second.epoch == 2
    for _ in range(2):
        second.train_epoch()
    assert second.losses == losses
    assert same(weights(second), weights(straight))


@pytest.mark.parametrize("changes", [{"dropout": 0.5}, {"encoding": "soft0.2"}])
def test_dropout_and_encoding_change_the_path(changes):
    plain, changed = make(), make(**changes)
    plain.train_epoch()
    changed.train_epoch()
    assert changed.losses != plain.losses


def test_dropout_is_for_training_only():
    trainer = make(dropout=0.5)
    trainer.train_epoch()
    batch = PairingBatch.build(trainer.data.hairpins, device=CPU)
    with torch.inference_mode():
        a, b = trainer.network(batch), trainer.network(batch)
    assert torch.equal(a, b)
    network = VariableConvNet()
    network.load_state_dict(trainer.network.state_dict())
    with torch.inference_mode():
        assert torch.equal(a, network(batch))


def test_probabilities_of_an_epoch_are_those_of_its_loss():
    trainer = make(class_weights=False)
    loss = trainer.train_epoch()
    labels, seen = trainer.data.labels, trainer.seen
    of_label = np.where(labels == 1, seen, 1 - seen)
    assert -np.log(of_label).mean() == pytest.approx(loss, rel=1e-4)


def test_seeds_and_learning_matter():
    trainer, other = make(), make(seed=1)
    assert not same(weights(trainer), weights(other))
    losses = [trainer.train_epoch() for _ in range(12)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "changes, field", [({"seed": 1}, "seed"), ({"learning_rate": 0.1}, "recipe")]
)
def test_checkpoint_of_another_training_is_refused(tmp_path, changes, field):
    path = tmp_path / "checkpoint.safetensors"
    make().save(path)
    with pytest.raises(PlanMismatchError, match=f"belongs to another training: {field} is"):
        make(**changes).resume(path)


def test_more_epochs_may_be_added(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    make(epochs=1).save(path)
    make(epochs=5).resume(path)


def test_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"checkpoint\.safetensors: damaged checkpoint"):
        make().resume(path)
