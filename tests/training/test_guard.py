"""What a training is guarded against."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from medprep.training.guard import is_finite, is_out_of_memory, not_finite, smaller_patch


def test_the_message_names_each_case_once() -> None:
    error = not_finite("loss", math.nan, 4, ("b", "a", "b"), 0.1, "Nothing was saved before")
    assert "the loss is nan at step 5, in a batch of a, b;" in error.message
    assert "--lr (it is 0.1). Nothing was saved before" in error.message


def test_finite_weights() -> None:
    net = nn.BatchNorm1d(2)
    assert is_finite(net)
    net.running_var[1] = math.inf  # type: ignore[index]
    assert not is_finite(net)


def test_a_real_failure_to_allocate_is_told_from_others() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"))
    assert is_out_of_memory(MemoryError())
    for said in (
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    ):
        assert is_out_of_memory(RuntimeError(said))
    assert not is_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"))
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


@given(st.lists(st.integers(1, 12), min_size=2, max_size=3), st.sampled_from([8, 16]))
def test_smaller_patches_end(sides: list[int], multiple: int) -> None:
    patch: tuple[int, ...] | None = tuple(side * multiple for side in sides)
    seen = []
    while patch is not None:
        assert all(side % multiple == 0 and side >= multiple for side in patch)
        seen.append(math.prod(patch))
        patch = smaller_patch(patch, multiple)
    assert all(after <= 0.75 * before for before, after in pairwise(seen))


def test_the_longest_sides_give_way() -> None:
    assert smaller_patch((32, 64, 32), 16) == (32, 48, 32)
    assert smaller_patch((32, 32), 16) == (16, 32)
    assert smaller_patch((16, 16), 16) is None
