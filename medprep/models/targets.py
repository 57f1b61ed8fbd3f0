"""What a net is asked for: classes that exclude each other, or regions that may overlap."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import CheckpointError, LabelError, OptionError

_MOST_LABELS = 255


@dataclass(frozen=True)
class Channel:
    """One output of a net that is asked for regions.

    Parameters
    ----------
    name
        Of the region or organ.
    labels
        The labels that belong to it.
    paint
        The label that it becomes where no later channel lies over it; None paints nothing.
    """

    name: str
    labels: tuple[int, ...]
    paint: int | None


@dataclass(frozen=True)
class Targets:
    """Organs by label, and the regions that are made of several.

    Without regions a net has a channel for the background and for each organ, of which the largest
    counts (softmax). With regions it has a channel of its own (sigmoid) for each region, those of
    most organs first, then for each organ that is not what is left of a region: of ``liver`` and
    ``tumour`` with the region ``whole_liver`` of both, the channels are ``whole_liver`` and
    ``tumour``. Painted in that order they give the labels again, as in nnU-Net's region-based
    training (Isensee et al. 2020, arXiv:2011.00848).

    Parameters
    ----------
    names
        Label to organ, from 1 without gaps.
    regions
        Region to the organs in it; the one that comes first is what is left of a region where
        smaller ones lie over it. They are kept in the order of their channels: those of most organs
        first, of as many as they are given. Targets of another order are other targets.

    Raises
    ------
    OptionError
        If labels have gaps, a name comes twice, or a region holds what is no organ.
    """

    names: Mapping[int, str]
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = {int(label): str(name) for label, name in sorted(self.names.items())}
        given = [(str(name), tuple(members)) for name, members in self.regions.items()]
        given.sort(key=lambda one: -len(set(one[1])))
        regions = OrderedDict(given)  # unlike those of dict, two are equal in the same order only
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "regions", regions)
        if not names or list(names) != list(range(1, len(names) + 1)) or len(names) > _MOST_LABELS:
            raise OptionError(
                f"labels are {', '.join(map(str, names)) or 'none'}; wanted are 1, 2, ... without "
                f"gaps, at most {_MOST_LABELS}"
            )
        called = [*names.values(), *regions]
        if len(set(called)) < len(called):
            raise OptionError(f"an organ or region is named twice in: {', '.join(called)}")
        for name, members in regions.items():
            strangers = [one for one in members if one not in names.values()]
            if strangers or not members:
                raise OptionError(
                    f"the region {name} holds {', '.join(strangers) or 'nothing'}; the organs are "
                    f"{', '.join(names.values())}"
                )

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Targets:
        """Read what `to_dict` gave.

        Raises
        ------
        CheckpointError
            If the record holds no targets.
        """
        try:
            names = {int(label): name for label, name in record["names"].items()}
            return cls(names, _in_order(names, record["regions"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"no targets in this record: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Give the targets as plain values for JSON, in which no list is sorted."""
        return {
            "names": {str(label): name for label, name in self.names.items()},
            # Without any as ever: the same net gives the same bytes.
            "regions": [[name, list(members)] for name, members in self.regions.items()] or {},
        }

    @property
    def exclusive(self) -> bool:
        """Whether the channels exclude each other: softmax, not sigmoid."""
        return not self.regions

    @property
    def channels(self) -> int:
        """How many outputs the net has."""
        return len(self.names) + 1 if self.exclusive else len(self.overlapping)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """What the outputs are called, in order."""
        if self.exclusive:
            return "background", *self.names.values()
        return tuple(channel.name for channel in self.overlapping)

    @cached_property
    def overlapping(self) -> tuple[Channel, ...]:
        """The channels where there are regions, in the order in which they are painted."""
        labels = {name: label for label, name in self.names.items()}
        found: list[Channel] = []
        covered: set[int] = set()
        painted: set[int] = set()
        # The last that is painted takes what it likes.
        for name, members in reversed([*self.regions.items()]):
            inside = tuple(labels[one] for one in members)
            left = [label for label in inside if label not in covered]
            paint = left[0] if left else None
            found.append(Channel(name, tuple(sorted(set(inside))), paint))
            covered.update(inside)
            painted.update(left[:1])
        own = [
            Channel(n, (label,), label) for label, n in self.names.items() if label not in painted
        ]
        return (*reversed(found), *own)

    def encode(self, labels: NDArray[Any]) -> NDArray[np.int64] | NDArray[np.float32]:
        """Give what the net is to answer.

        Parameters
        ----------
        labels
            Any shape, whole numbers from 0 to the last label.

        Returns
        -------
        ndarray
            Classes: int64 of the same shape. Regions: float32 (K, ...), 0 and 1.

        Raises
        ------
        LabelError
            If a label has no name.
        """
        last = len(self.names)
        highest = int(labels.max(initial=0))
        if highest > last:
            raise LabelError(f"a label of {highest}; those with a name are 1 to {last}")
        if self.exclusive:
            return labels.astype(np.int64)
        table = np.zeros((self.channels, last + 1), np.float32)
        for row, channel in zip(table, self.overlapping, strict=True):
            row[list(channel.labels)] = 1
        return np.asarray(table[:, labels])

    def decode(self, logits: NDArray[Any]) -> NDArray[np.uint8]:
        """Give the labels that a net's answer means.

        Parameters
        ----------
        logits
            (K, ...), before any activation. Of probabilities give those of classes as they are,
            those of regions less a half: only what is largest and what is above 0 counts.

        Returns
        -------
        ndarray
            Labels of shape ``(...)``.
        """
        if len(logits) != self.channels:
            raise LabelError(f"an answer of {len(logits)} channels; wanted are {self.channels}")
        labels = np.zeros(logits.shape[1:], np.uint8)
        if not self.exclusive:
            for channel, answer in zip(self.overlapping, logits, strict=True):
                if channel.paint is not None:
                    labels[answer > 0] = channel.paint
            return labels
        # Several times quicker than argmax along the first axis.
        best = np.array(logits[0])
        for label in range(1, self.channels):
            np.copyto(labels, label, where=logits[label] > best)
            np.maximum(best, logits[label], out=best)
        return labels


def default_regions(names: Mapping[int, str]) -> dict[str, tuple[str, ...]]:
    """Give the regions where none were given: each organ is one by itself, in label order."""
    return {f"{name} alone": (name,) for _, name in sorted(names.items())}


def _in_order(names: Mapping[int, str], stored: Any) -> dict[str, Any]:
    """Give stored regions in the order in which a net was trained.

    Older records hold them by name, sorted. So were those that a workspace gave; the default ones
    were not.
    """
    if not isinstance(stored, Mapping):
        return dict(stored)
    found = {name: tuple(members) for name, members in stored.items()}
    default = default_regions(names)
    return default if found == default else found
