"""Pictures in, labels on their own grid out: one net or several, slices or volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from nets import saved, solid
from plain_slices import predict_slices
from torch import Tensor, nn

from medprep.errors import CheckpointError, GeometryError, OptionError
from medprep.geometry import Geometry
from medprep.inference import predict as inference
from medprep.inference.options import PredictorOptions
from medprep.inference.predict import Predictor, load_predictor
from medprep.models import build
from medprep.models.checkpoint import load_model, save_model
from medprep.models.preparation import Spacing
from medprep.models.targets import Targets
from medprep.volume import Volume

CPU = torch.device("cpu")
KIDNEYS = Targets({1: "right_kidney", 2: "left_kidney"})
GRID = Geometry.from_parts((6, 20, 18), (4.0, 1.0, 1.5), (3, -7, 11))


def picture(*, grid: Geometry = GRID, seed: int = 0) -> Volume:
    values = np.random.default_rng(seed).integers(0, 800, grid.shape).astype(np.int16)
    return Volume(values, grid, "MR")


def test_old_weights_give_the_labels_they_always_gave(tmp_path: Path) -> None:
    path = saved(tmp_path / "old", old=True)
    net, _ = load_model(path, CPU)
    wanted = predict_slices(net, picture().array, (50.0, 700.0), CPU)
    predictor = load_predictor(path, "cpu")
    assert np.array_equal(predictor.predict(picture(), (50.0, 700.0)), wanted)
    assert len(np.unique(wanted)) > 1
    assert predictor.organs == {1: "liver", 2: "spleen"}
    assert predictor.wants_windows
    with pytest.raises(OptionError, match="a window of each volume, and none is given"):
        predictor.predict(picture())


def test_labels_come_back_on_the_pictures_grid(tmp_path: Path) -> None:
    preparation = solid(spacing=(2.0, 2.0, 2.0))
    predictor = load_predictor(saved(tmp_path / "net", preparation), "cpu")
    labels = predictor.predict(picture())
    assert labels.shape == GRID.shape
    assert labels.dtype == np.uint8
    assert not predictor.wants_windows
    # Each label was decided on the net's coarser grid: equal in pairs along the rows.
    assert np.array_equal(labels[:, ::2], labels[:, 1::2])


def test_several_channels_on_one_grid(tmp_path: Path) -> None:
    predictor = load_predictor(saved(tmp_path / "net", solid(channels=2)), "cpu")
    assert predictor.channels == 2
    labels = predictor.predict([picture(), picture(seed=1)])
    assert not np.array_equal(labels, predictor.predict([picture(seed=1), picture()]))
    other = Geometry.from_parts(GRID.shape, (4.0, 1.0, 1.5), (3, -7, 12))
    with pytest.raises(GeometryError, match="corners are"):
        predictor.predict([picture(), picture(grid=other)])
    with pytest.raises(OptionError, match="1 channels; the net takes 2"):
        predictor.predict(picture())


def test_nets_are_folded_on_a_cpu_and_loaded_once(tmp_path: Path) -> None:
    path = saved(tmp_path / "net", solid())
    predictor = load_predictor(path, "cpu")
    assert not any(isinstance(one, nn.BatchNorm3d) for one in predictor._nets[0].modules())
    assert load_predictor(path, PredictorOptions("cpu")) is predictor
    assert load_predictor(path, PredictorOptions("cpu", overlap=0.25)) is not predictor
    saved(path, solid(), seed=3)
    assert load_predictor(path, "cpu") is not predictor


def test_an_ensemble_is_no_one_of_its_nets(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{seed}", solid(), seed=seed) for seed in (1, 2, 3)]
    alone = [load_predictor(path, "cpu").predict(picture()) for path in paths]
    together = Predictor(paths, PredictorOptions("cpu")).predict(picture())
    assert not any(np.array_equal(together, one) for one in alone)
    thrice = Predictor([paths[0]] * 3, PredictorOptions("cpu")).predict(picture())
    assert np.array_equal(thrice, alone[0])


@pytest.mark.parametrize("spacing", [(2.02, 1.03, 1.0), (3.0, 1.4, 1.3), None])
def test_each_net_of_an_ensemble_sees_its_own_spacing(
    tmp_path: Path, spacing: Spacing | None
) -> None:
    first = saved(tmp_path / "a", solid(spacing=(2.0, 1.0, 1.0)))
    other = saved(tmp_path / "b", solid(spacing=spacing), seed=1)
    for paths in ([first, other], [other, first]):
        predictor = Predictor(paths, PredictorOptions("cpu"))
        own = [load_predictor(path, "cpu").preparations[0] for path in paths]
        assert predictor.preparations == own
        found = predictor.predict(picture())
        assert found.shape == GRID.shape
        alone = [load_predictor(path, "cpu").predict(picture()) for path in paths]
        assert not any(np.array_equal(found, one) for one in alone)
        # Decided on the first one's grid: equal to what that gives again and again.
        thrice = Predictor([paths[0]] * 3, PredictorOptions("cpu")).predict(picture())
        assert np.array_equal(thrice, alone[0])


def test_nets_for_other_things_do_not_go_together(tmp_path: Path) -> None:
    first = saved(tmp_path / "a", solid())
    for other in (solid(channels=2), solid(targets=KIDNEYS)):
        path = saved(tmp_path / "b", other)
        with pytest.raises(CheckpointError, match="an ensemble is of nets for the same"):
            Predictor([first, path], PredictorOptions("cpu"))
    with pytest.raises(OptionError, match="at least one file"):
        Predictor([], PredictorOptions("cpu"))


def test_weights_without_a_word_on_their_input_are_refused(tmp_path: Path) -> None:
    save_model(tmp_path / "foreign", "unet2d", build("unet2d", width=2), {"imported": "x.pth"})
    with pytest.raises(CheckpointError, match="wanted are weights that 'train' made") as raised:
        load_predictor(tmp_path / "foreign", "cpu")
    assert raised.value.path == str(tmp_path / "foreign")
    with pytest.raises(CheckpointError, match="no such file"):
        load_predictor(tmp_path / "nowhere", "cpu")


class Sided(nn.Module):
    """Calls what is bright in the first half of the columns a right kidney, else a left one."""

    def forward(self, x: Tensor) -> Tensor:
        bright = (x[:, :1] - x.mean()).relu()
        side = torch.linspace(1, -1, x.shape[-1]).expand_as(bright) * bright
        return torch.cat([torch.full_like(bright, 1e-3), side, -side], 1)


@pytest.mark.parametrize(
    ("direction", "swapped"),
    [
        (((0, 0, 1), (0, 1, 0), (1, 0, 0)), True),  # columns run to the left
        (((0, 1, 0), (0, 0, 1), (1, 0, 0)), False),  # columns run to the back
    ],
)
def test_sides_are_exchanged_along_the_axis_that_leads_across(
    direction: tuple[tuple[int, ...], ...],
    swapped: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = saved(tmp_path / "net", solid(targets=KIDNEYS))
    monkeypatch.setattr(inference, "fold", lambda net: Sided())
    grid = Geometry.from_parts((8, 16, 16), (1, 1, 1), direction=direction)
    values = np.zeros(grid.shape, np.int16)
    values[2:6, 4:9, 2:5] = 100
    values[2:6, 4:9, 11:15] = 100
    volume = Volume(values, grid)
    plain = Predictor([path], PredictorOptions("cpu")).predict(volume)
    assert set(np.unique(plain)) == {0, 1, 2}
    options = PredictorOptions("cpu", mirror=("columns",))
    found = Predictor([path], options).predict(volume)
    assert np.array_equal(found, plain) is swapped


def test_an_organ_of_one_side_is_not_mirrored_across(tmp_path: Path) -> None:
    path = saved(tmp_path / "net", solid(targets=Targets({1: "left_kidney"})))
    plain = Predictor([path], PredictorOptions("cpu"))
    across = Predictor([path], PredictorOptions("cpu", mirror=("columns",)))
    along = Predictor([path], PredictorOptions("cpu", mirror=("rows",)))
    assert plain.notes == ()
    assert "not mirrored from left to right" in across.notes[0]
    assert np.array_equal(across.predict(picture()), plain.predict(picture()))
    assert not np.array_equal(along.predict(picture()), plain.predict(picture()))


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--mirror is 'depth'"):
        PredictorOptions(mirror=("depth",))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="--overlap is 1"):
        PredictorOptions(overlap=1)
    flat = saved(tmp_path / "flat", old=True)
    with pytest.raises(OptionError, match="a net for slices sees nothing across them"):
        Predictor([flat], PredictorOptions("cpu", mirror=("slices",)))
