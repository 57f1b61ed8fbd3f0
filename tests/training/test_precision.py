"""Mixed precision and compilers are looked for, not assumed."""

from __future__ import annotations

import pytest
import torch

from medprep.errors import OptionError
from medprep.training import precision
from medprep.training.precision import choose_precision, require_compiler

CPU = torch.device("cpu")


def test_a_cpu_computes_in_float32_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"amx_bf16"}))
    assert choose_precision("auto", CPU) == "float32"
    assert choose_precision("bf16", CPU) == "bf16"


def test_a_cpu_without_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx2", "avx512f"}))
    assert choose_precision("float32", CPU) == "float32"
    with pytest.raises(OptionError, match=r"does not compute in it.*avx512_bf16"):
        choose_precision("bf16", CPU)


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision.shutil, "which", lambda name: None)
    with pytest.raises(OptionError, match=r"C\+\+ compiler"):
        require_compiler(CPU)
