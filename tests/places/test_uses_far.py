"""Every way to name data takes a URL: presets, predictions, scores, trees; here and far alike."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom
from far import BUCKET, Server, to_memory
from json_sets import write_msd, write_nnunet
from nets import saved, solid
from pair_sets import write_set
from same_bytes import content
from trees import write_tree, zip_tree
from unseen import add_nifti, add_series

from medprep import pipeline
from medprep.confidentiality.options import Deidentify
from medprep.confidentiality.run import deidentify
from medprep.errors import NothingDoneError
from medprep.evaluations.options import EvaluateFolders
from medprep.evaluations.run import evaluate_folders
from medprep.formats import itk
from medprep.geometry import Geometry
from medprep.predictions.options import PredictFolder
from medprep.predictions.run import predict_folder
from medprep.sources.base import SourceSet
from medprep.sources.detect import open_source
from medprep.stages.convert import Convert
from medprep.stages.extract import Extract
from medprep.stages.split import Split
from medprep.trees.options import ConvertTree
from medprep.trees.run import convert_tree
from medprep.workspace.database import CaseRow
from medprep.workspace.workspace import Workspace


def masks_tree(root: Path, slices: int = 3) -> Path:
    for kind, value in (("PATIENT_DICOM", 300), ("MASKS_DICOM/liver", 255)):
        for place in range(slices):
            pixels = np.zeros((4, 5), np.int16)
            pixels[1:3] = value
            path = root / "3Dircadb1.5" / kind / f"image_{place}"
            write_dicom(path, pixels, (0, 0, 2.0 * place))
    return root


def pairs(root: Path) -> Path:
    write_set(root)
    return root


def tree(root: Path) -> Path:
    write_tree(root, series=2, slices=3)
    zip_tree(root, root / "packed.zip")
    return root


@pytest.mark.parametrize("write", [masks_tree, pairs, tree, write_nnunet, write_msd])
def test_every_preset_is_found_as_on_the_disk(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    root = write(tmp_path / "set")
    here = open_source(root, key=b"key")
    there = open_source(_far(to_memory(root, f"preset-{write.__name__}")), key=b"key")

    def told(found: SourceSet) -> object:
        start = f"memory://preset-{write.__name__}" if found is there else str(root)
        files = [
            [str(path).removeprefix(start) for path in (*one.pictures, *one.masks)]
            for one in found.cases
        ]
        cases = [(one.case, one.patient, one.sequence, one.fold, one.organs) for one in found.cases]
        return found.preset, found.notes, cases, files, found.table

    assert told(there) == told(here)
    read = [path.read_bytes() for one in there.cases for path in (*one.pictures, *one.masks)]
    assert read == [path.read_bytes() for one in here.cases for path in (*one.pictures, *one.masks)]


def _far(url: str) -> Path:
    from medprep.places.paths import path_of

    return path_of(url)


def test_processes_read_a_bucket_themselves(s3: Server, phantom: Path, tmp_path: Path) -> None:
    source = s3.put(phantom, "two")
    for name, where, jobs in (("here", str(phantom), 1), ("far", source, 2)):
        pipeline.run([Split(where), Convert()], tmp_path / name, jobs=jobs)
    own, other = (_made(tmp_path / name) for name in ("far", "here"))
    assert own == other


def _made(work: Path) -> dict[str, str]:
    return {name: one for name, one in content(work).items() if not name.startswith("private")}


def test_memory_is_of_one_process(phantom: Path, tmp_path: Path) -> None:
    source = to_memory(phantom, "one-process")
    pipeline.run([Split(source)], tmp_path / "work")
    with pytest.raises(NothingDoneError, match="memory:// lives in one process: --jobs 1"):
        pipeline.run([Convert()], tmp_path / "work", jobs=2)


def rows(work: Path) -> dict[str, CaseRow]:
    with Workspace(work, readonly=True) as opened:
        return {row.name: row for row in opened.database.cases()}


def test_what_changed_in_the_bucket_is_noticed(s3: Server, phantom: Path, tmp_path: Path) -> None:
    source, work = s3.put(phantom, "changing"), tmp_path / "work"
    pipeline.run([Split(source), Convert()], work)
    before = rows(work)
    first = sorted(phantom.rglob("MR/1/**/InPhase/*.dcm"))[0]
    content_ = bytearray(first.read_bytes())
    content_[-1] ^= 1
    key = f"changing/{first.relative_to(phantom).as_posix()}"
    s3.client.put_object(Bucket=BUCKET, Key=key, Body=bytes(content_))
    done = pipeline.run([Convert()], work, overwrite=True)
    assert "was changed since 'split' saw it" in done.summaries[-1].failed["mr01-t1in"].message
    s3.forget()
    done = pipeline.run([Split(source), Convert()], work)
    assert done.summaries[-1].made == ["mr01-t1in"]
    after = rows(work)
    assert [n for n in after if after[n].picture_key != before[n].picture_key] == ["mr01-t1in"]


def test_keys_of_memory_and_archives_are_those_of_the_disk(phantom: Path, tmp_path: Path) -> None:
    packed = zip_tree(phantom, tmp_path / "set.zip")
    found = []
    for number, source in enumerate((phantom, packed, to_memory(phantom, "keys"))):
        pipeline.run([Split(str(source), leak_check=False)], tmp_path / f"w{number}")
        found.append(
            [(row.picture_key, row.mask_key) for row in rows(tmp_path / f"w{number}").values()]
        )
    assert found[0] == found[1] == found[2]


def test_predictions_and_trees(tmp_path: Path) -> None:
    source = tmp_path / "in"
    add_series(source / "dicom", "ANNA", 3)
    add_nifti(source / "deep" / "Case 1.nii.gz")
    key = str(tmp_path / "key")
    Path(key).write_bytes(b"k" * 32)
    weights = saved(tmp_path / "net.safetensors", solid())
    far = to_memory(source, "unseen")
    for name, where in (("here", str(source)), ("far", far)):
        out = str(tmp_path / name / "labels")
        predict_folder(PredictFolder(where, out, None, (str(weights),), device="cpu", id_key=key))
        convert_tree(ConvertTree(where, str(tmp_path / name / "tree"), id_key=key), jobs=1)
        deidentify(Deidentify(where, str(tmp_path / name / "clean"), id_key=key), jobs=1)
    own, other = (
        {n: c for n, c in content(tmp_path / name).items() if "private" not in n}
        for name in ("far", "here")
    )
    assert own == other
    assert len(own) > 8


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_scores(ending: str, tmp_path: Path) -> None:
    grid = Geometry.from_parts((4, 6, 7), (3, 1, 1))
    for folder, shift in (("truth", 0), ("net", 1)):
        for case in ("p1", "p2"):
            array = np.zeros(grid.shape, np.uint8)
            array[1:3, 1 + shift : 4, 2:5] = 1
            path = tmp_path / "set" / folder / f"{case}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if ending == ".nrrd":
                itk.write(path, array, grid)
            else:
                from medprep.formats import nifti
                from medprep.volume import LabelMap

                nifti.write(path, LabelMap(array, grid, {}))
    far = to_memory(tmp_path / "set", f"scored{ending}")
    found = [
        evaluate_folders(EvaluateFolders(f"{root}/truth", (f"{root}/net",))).results.evaluations
        for root in (tmp_path / "set", far)
    ]
    assert found[0] == found[1]
    assert "dice" in str(found[0])


def test_names_with_a_question_mark(tmp_path: Path) -> None:
    """S3 allows it in a key; only what a user writes may be a query."""
    masks_tree(tmp_path / "set" / "which?", slices=5)
    write_tree(tmp_path / "scans" / "which?", 2, 3)
    zip_tree(tmp_path / "scans" / "which?", tmp_path / "scans" / "packed?.zip")
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    for name, prefix in (("here", f"{tmp_path}/"), ("far", "memory://asked-")):
        for one in ("set", "scans"):
            if name == "far":
                to_memory(tmp_path / one, f"asked-{one}")
        out = tmp_path / name
        done = pipeline.run([Split(f"{prefix}set"), Convert(), Extract()], out / "work")
        assert done.exit_code == 0
        convert_tree(ConvertTree(f"{prefix}scans", str(out / "tree"), id_key=str(key)), jobs=1)
    for folder in ("work", "tree"):
        own, other = (_made(tmp_path / name / folder) for name in ("far", "here"))
        assert own == other
        assert any(name.endswith(".nii.gz") for name in own)


@pytest.mark.parametrize("lengths", [True, False])
def test_a_web_server(phantom: Path, tmp_path: Path, lengths: bool) -> None:
    pytest.importorskip("aiohttp")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def send_header(self, keyword: str, value: str) -> None:
            if lengths or keyword != "Content-Length":
                super().send_header(keyword, value)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=os.fspath(phantom)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/Train_Sets"
    try:
        pipeline.run([Split(url), Convert()], tmp_path / "far")
        pipeline.run([Split(str(phantom / "Train_Sets")), Convert()], tmp_path / "here")
    finally:
        server.shutdown()
        server.server_close()
    assert _made(tmp_path / "far") == _made(tmp_path / "here")
