"""A state comes back as it was, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from medprep.errors import CheckpointError
from medprep.training.state import (
    LAST,
    PREVIOUS,
    State,
    best_name,
    read_checked,
    remove_states,
    saved_state,
    saved_states,
    write_checked,
)


def trained(steps: int, *, sgd: bool = False) -> tuple[nn.Module, Optimizer]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    parameters = list(net.parameters())
    optimiser = SGD(parameters, 0.1, momentum=0.9) if sgd else AdamW(parameters, 0.1)
    for _ in range(steps):
        step(net, optimiser)
    return net, optimiser


def step(net: nn.Module, optimiser: Optimizer) -> None:
    optimiser.zero_grad()
    net(torch.arange(12.0).reshape(4, 3)).square().sum().backward()
    optimiser.step()


def weights(net: nn.Module) -> dict[str, list[float]]:
    return {name: tensor.tolist() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("sgd", [False, True])
def test_what_is_read_goes_on_as_what_was_written(sgd: bool, tmp_path: Path) -> None:
    net, optimiser = trained(3, sgd=sgd)
    state = State("k", step=3, patch=[8, 8], log=[[3, 0.1 + 0.2, 1e-3, None]])
    state.save(tmp_path, net, optimiser)
    other, moments = trained(0, sgd=sgd)
    assert State.load(tmp_path / LAST, "k", other, moments) == state
    assert weights(other) == weights(net)
    step(net, optimiser)
    step(other, moments)
    assert weights(other) == weights(net)


def test_a_state_of_before_options_were_kept_in_it(tmp_path: Path) -> None:
    net, optimiser = trained(1)
    State("k", step=1, patch=[8, 8], settled={"steps": 7}).save(tmp_path, net, optimiser)
    tensors, record = read_checked(tmp_path / LAST)
    del record["settled"]
    write_checked(tmp_path / LAST, tensors, record)
    assert State.load(tmp_path / LAST, "k", net, optimiser) == State("k", step=1, patch=[8, 8])


def test_the_state_before_is_kept(tmp_path: Path) -> None:
    net, optimiser = trained(1)
    for number in (1, 2, 3):
        State("k", step=number).save(tmp_path, net, optimiser)
    found = [State.load(path, "k", net, optimiser).step for path in saved_states(tmp_path)]
    assert found == [3, 2]


@pytest.mark.parametrize("place", [8, 40, -1, -100])
def test_one_other_byte_is_found(place: int, tmp_path: Path) -> None:
    net, optimiser = trained(2)
    State("k", step=2).save(tmp_path, net, optimiser)
    content = bytearray((tmp_path / LAST).read_bytes())
    content[place] ^= 1
    (tmp_path / LAST).write_bytes(content)
    with pytest.raises(CheckpointError):
        State.load(tmp_path / LAST, "k", net, optimiser)


def test_a_state_without_its_best_weights_is_of_no_use(tmp_path: Path) -> None:
    net, optimiser = trained(1)
    state = State("k", step=4, best_step=4, best_dice=0.5)
    state.save_best(tmp_path, net)
    state.save(tmp_path, net, optimiser)
    State.load(tmp_path / LAST, "k", net, optimiser)
    (tmp_path / best_name(4)).write_bytes(b"half")
    with pytest.raises(CheckpointError):
        State.load(tmp_path / LAST, "k", net, optimiser)


def test_best_weights_of_both_states_are_kept_and_no_others(tmp_path: Path) -> None:
    net, optimiser = trained(1)
    state = State("k")
    for number in (10, 20, 30):
        state.step = state.best_step = number
        state.best_dice = number / 100
        state.save_best(tmp_path, net)
        state.save(tmp_path, net, optimiser)
    assert {path.name for path in tmp_path.glob("best-*")} == {best_name(20), best_name(30)}
    for path in saved_states(tmp_path):
        State.load(path, "k", net, optimiser)
    remove_states(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_leaves_the_net_as_it_was(tmp_path: Path) -> None:
    net, optimiser = trained(2)
    State("k", step=2).save(tmp_path, net, optimiser)
    other = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))  # all but one tensor would fit
    before = weights(other)
    with pytest.raises(CheckpointError, match=r"0\.weight is \[2, 3\], wanted is \[2, 4\]"):
        State.load(tmp_path / LAST, "k", other, AdamW(other.parameters()))
    assert weights(other) == before


def test_best_weights_of_both_states_are_kept_after_one_was_gone_on_from(tmp_path: Path) -> None:
    net, optimiser = trained(1)
    state = State("k")
    for number in (10, 20, 30):
        if number == 30:
            state = State.load(tmp_path / LAST, "k", net, optimiser)
        state.step = state.best_step = number
        state.best_dice = number / 100
        state.save_best(tmp_path, net)
        state.save(tmp_path, net, optimiser)
    for path in saved_states(tmp_path):
        State.load(path, "k", net, optimiser)


def test_of_another_training_or_net(tmp_path: Path) -> None:
    net, optimiser = trained(1)
    State("k", patch=[8, 16]).save(tmp_path, net, optimiser)
    assert saved_state(tmp_path, "k") == State("k", patch=[8, 16])
    assert saved_state(tmp_path, "other") is None
    with pytest.raises(CheckpointError, match="other data or options"):
        State.load(tmp_path / LAST, "other", net, optimiser)
    wider = nn.Linear(5, 2)
    with pytest.raises(CheckpointError, match="does not fit"):
        State.load(tmp_path / LAST, "k", wider, AdamW(wider.parameters()))
    (tmp_path / PREVIOUS).write_bytes((tmp_path / LAST).read_bytes())
    (tmp_path / LAST).write_bytes(b"")
    assert saved_state(tmp_path, "k") == State("k", patch=[8, 16])
    State("later", patch=[8, 8]).save(tmp_path, net, optimiser)
    State("k", patch=[8, 24]).save(tmp_path, net, optimiser)
    State("other", patch=[8, 8]).save(tmp_path, net, optimiser)
    assert saved_state(tmp_path, "k") == State("k", patch=[8, 24]), "what is gone on from"
