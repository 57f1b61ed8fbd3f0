"""Weights that were made with the nets' original code.

Each net says in its ``ORIGINAL`` what its tensors are called there. Tensors are paired by name, so
their order does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from medprep.errors import CheckpointError, OptionError
from medprep.models.tokens import PATCH

_LISTED = 12

Net = TypeVar("Net", bound=nn.Module)
Naming = str | Callable[..., str | list[str]]


def _as_it_is(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors


@dataclass(frozen=True)
class Original:
    """How a net's tensors relate to those of its original.

    Parameters
    ----------
    names
        Patterns for the start of our name, and what stands there in the original: text, or what
        makes it of the pattern's groups (numbers come as int). A list means that our tensor is
        those of the original, one below the other. The first pattern that fits counts. None where
        no original's weights fit.
    sizes
        For a field of the config: our tensor and its axis that has this size.
    without
        For a tensor: what its absence says of the config.
    tokens
        Our tensor whose second axis counts the tokens of 16 x 16 x 16 voxels.
    unseen
        Fields of the config that change no shape, and for each another field: the published value
        is only believed where that one has its published value too.
    adapt
        Brings the names and forms of other releases of the original to the one we know.
    """

    names: Sequence[tuple[str, Naming]] | None
    sizes: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    without: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tokens: str | None = None
    unseen: Mapping[str, str] = field(default_factory=dict)
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = _as_it_is


def original_of(net: nn.Module) -> Original:
    """Give how a net relates to its original; one that does not say bears the same names."""
    found: Original = getattr(net, "ORIGINAL", Original(names=()))
    return found


def original_names(net: nn.Module) -> dict[str, list[str]]:
    """Give for each of a net's tensors the names of its parts in the original, mostly one.

    Raises
    ------
    CheckpointError
        If there is no original whose weights would fit.
    """
    rules = original_of(net).names
    if rules is None:
        raise CheckpointError(
            f"{type(net).__name__} is our own form of a published net: no original's weights fit; "
            "weights that medprep saved do"
        )
    return {name: _translate(name, rules) for name in net.state_dict()}


def load_original(net: Net, state_dict: Mapping[str, Tensor]) -> Net:
    """Fill a net with tensors that bear the names of its original.

    Parameters
    ----------
    net
        Made by `build` with the sizes of the original.
    state_dict
        In any order, any floating type. Never-used tensors of the authors' UNETR may be missing,
        as later releases of MONAI lack them.

    Returns
    -------
    Module
        The same net.

    Raises
    ------
    CheckpointError
        If a tensor is missing, unknown or of another shape; all are listed, and the net is as it
        was.
    """
    names = original_names(net)
    return fill(net, original_of(net).adapt(dict(state_dict)), names)


def fill(net: Net, given: Mapping[str, Tensor], names: Mapping[str, Sequence[str]]) -> Net:
    """Fill a net with tensors, where ``names`` says for each of its own what parts make it.

    Raises
    ------
    CheckpointError
        As `load_original`.
    """
    own = net.state_dict()
    wanted = {
        part: _part_shape(own[name], len(parts)) for name, parts in names.items() for part in parts
    }
    spare = {part for name in getattr(net, "never_used", ()) for part in names[name]}
    absent = wanted.keys() - given.keys()
    _require_match(absent - spare, wanted, given)
    filled = {
        name: torch.cat([given[part] for part in parts]) if len(parts) > 1 else given[parts[0]]
        for name, parts in names.items()
        if absent.isdisjoint(parts)
    }
    net.load_state_dict({**own, **filled})
    return net


def sizes_of(
    net: nn.Module, shapes: Mapping[str, Sequence[int]], *, skip: Container[str] = ()
) -> dict[str, Any]:
    """Read off the shapes of a net's tensors what its config must say.

    Parameters
    ----------
    net
        Any net of the kind.
    shapes
        By our names; more or fewer than the net's do no harm.
    skip
        Fields that are known and not read.

    Returns
    -------
    dict
        The fields that could be read. The volume's shape is taken to be a cube.

    Raises
    ------
    OptionError
        If the number of tokens is that of no cube.
    """
    original = original_of(net)
    found: dict[str, Any] = {
        size: shapes[name][axis]
        for size, (name, axis) in original.sizes.items()
        if name in shapes and size not in skip
    }
    for name, says in original.without.items():
        found.update({} if name in shapes else says)
    if original.tokens is not None and original.tokens in shapes and "shape" not in skip:
        found["shape"] = _cube(shapes[original.tokens][1])
    return found


def _cube(tokens: int) -> tuple[int, int, int]:
    side = round(tokens ** (1 / 3))
    if side**3 != tokens:
        raise OptionError(
            f"these weights are for {tokens} tokens of {PATCH} x {PATCH} x {PATCH} voxels, no "
            "cube; say the shape the net was trained with"
        )
    return (PATCH * side, PATCH * side, PATCH * side)


def _translate(name: str, rules: Sequence[tuple[str, Naming]]) -> list[str]:
    for pattern, naming in rules:
        match = re.match(pattern, name)
        if match is not None:
            found = naming if isinstance(naming, str) else naming(*map(int, match.groups()))
            starts = [found] if isinstance(found, str) else found
            return [start + name[match.end() :] for start in starts]
    return [name]


def _part_shape(tensor: Tensor, parts: int) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    return shape if parts == 1 else (shape[0] // parts, *shape[1:])


def _require_match(
    missing: set[str], wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, Tensor]
) -> None:
    other = [
        f"{name} is {tuple(given[name].shape)}, wanted {shape}"
        for name, shape in wanted.items()
        if name in given and tuple(given[name].shape) != shape
    ]
    problems = [
        f"{len(names)} {what}: {'; '.join(names[:_LISTED])}{'; ...' * (len(names) > _LISTED)}"
        for what, names in (
            ("missing", sorted(missing)),
            ("unknown", sorted(given.keys() - wanted.keys())),
            ("of another shape", other),
        )
        if names
    ]
    if problems:
        raise CheckpointError(
            f"these tensors are not those of this net: {' | '.join(problems)}; build "
            "it with the sizes it was trained with"
        )
