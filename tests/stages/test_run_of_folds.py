"""Which net labels which case, and who scores what: from roles alone, without a training."""

from __future__ import annotations

import pytest

from medprep.errors import OptionError
from medprep.stages.run_names import families, members, require_free_names
from medprep.stages.runs import Run
from medprep.workspace.database import Artifact, CaseRow


def net(fold: int, **options: object) -> Artifact:
    facts = {"options": {"fold": fold, **options}, "names": {"1": "liver"}, "leaks": ""}
    return Artifact("train", f"u-fold{fold}", f"key{fold}", (), (), facts)


def row(name: str, fold: str, part: int | None = None, roles: str = "") -> CaseRow:
    return CaseRow(name, name, "", "MR", "nifti", True, fold, part, 1, 1, "p", "m", roles)


def asked(run: Run, one: CaseRow) -> tuple[str, list[int]]:
    kind, nets = run.of(one)
    return kind, [net.facts["options"]["fold"] for net in nets]


def test_cross_validation_asks_the_one_net_that_never_saw_the_patient() -> None:
    run = Run("u", tuple(map(net, range(3))))
    assert asked(run, row("a", "train", 0)) == ("val", [0])
    assert asked(run, row("b", "train", 2)) == ("val", [2])
    assert asked(run, row("c", "test")) == ("test", [0, 1, 2])
    assert asked(run, row("d", "")) == ("", [0, 1, 2])
    assert asked(run, row("e", "train")) == ("train", [0, 1, 2])


def test_nested_folds_ask_the_nets_that_the_patient_did_not_choose_either() -> None:
    """Two outer folds of two inner ones: who is tested by nets 0 and 1 chose net 2 or 3."""
    run = Run("u", tuple(map(net, range(4))))
    rows = [row("a", "train", roles="xxvt"), row("b", "train", roles="tvxx")]
    assert [asked(run, one) for one in rows] == [("test", [0, 1]), ("test", [2, 3])]
    held = run.held(rows)
    assert [(one.called, one.fold) for one in held] == [("u", "test")]
    assert held[0].parts == {"a": "folds 0, 1", "b": "folds 2, 3"}


def test_a_case_that_a_fold_leaves_out_is_never_predicted_as_unseen() -> None:
    run = Run("u", tuple(map(net, range(2))))
    assert asked(run, row("a", "train", roles="t-")) == ("train", [0, 1])
    assert asked(run, row("b", "val", roles="v-")) == ("val", [0])


def test_one_net_is_scored_by_one_fold_and_several_by_both() -> None:
    rows = [row("a", "train", 0), row("b", "train", 1), row("c", "test")]
    alone = Run("u-fold0", (net(0),)).held(rows)
    assert [(one.called, one.fold, [r.name for r in one.rows]) for one in alone] == [
        ("u-fold0", "test", ["c"])
    ]
    both = Run("u", (net(0), net(1))).held(rows)
    assert [(one.called, one.fold, [r.name for r in one.rows]) for one in both] == [
        ("u", "test", ["c"]),
        ("u-out-of-fold", "val", ["a", "b"]),
    ]
    assert (both[0].parts, both[1].parts) == ({}, {"a": "fold 0", "b": "fold 1"})
    assert Run("u", (net(0),)).held([row("a", "train")])[0].fold == ""


def test_nets_that_were_trained_otherwise_are_named() -> None:
    assert Run("u", (net(0, steps=1), net(1, steps=1))).notes() == []
    assert Run("u", (net(0, steps=1), net(1, steps=2))).notes() == [
        "the nets of u were trained with different steps"
    ]


def test_names() -> None:
    runs = ["a-fold10", "a-fold2", "b", "my-fold-fold0", "-fold1"]
    assert families(runs) == ("a", "my-fold")
    assert members("a", runs) == ["a-fold2", "a-fold10"]
    require_free_names("a", all_folds=True, known=runs)
    require_free_names("my-fold", all_folds=False, known=runs)
    with pytest.raises(OptionError, match="'b' is already the name of one net"):
        require_free_names("b", all_folds=True, known=runs)
    for name in ("a", "a-out-of-fold"):
        with pytest.raises(OptionError, match="the nets of all folds together"):
            require_free_names(name, all_folds=False, known=runs)
