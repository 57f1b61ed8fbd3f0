"""A tree into a folder: everything converted or named, under public names, whatever happens."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_files import write_dicom
from trees import write_objects, write_tree, zip_tree

from medprep.dicom.stacks import Policy
from medprep.errors import NothingDoneError, OptionError, SourceError
from medprep.trees.options import ConvertTree
from medprep.trees.run import convert_tree
from medprep.trees.survey import survey


def run(source: Path, output: Path, **options: object) -> dict[str, np.ndarray]:
    """Convert and give each volume's array as [slice, row, column]."""
    outcome = convert_tree(ConvertTree(str(source), str(output), **options))  # type: ignore[arg-type]
    assert not outcome.failed
    return volumes(output)


def volumes(output: Path) -> dict[str, np.ndarray]:
    return {
        path.name.removesuffix(".nii.gz"): np.asarray(nibabel.load(path).dataobj).T
        for path in sorted(output.glob("*.nii.gz"))
    }


def medprep(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medprep_cli", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_each_series_becomes_a_volume_with_a_sidecar(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=3, slices=4)
    before = snapshot(tmp_path / "in")
    found = run(tmp_path / "in", tmp_path / "out")
    assert snapshot(tmp_path / "in") == before
    assert len(found) == 3
    numbers = sorted(int(array[0, 1, 1]) for array in found.values())
    assert numbers == [0, 1, 2]
    for name, array in found.items():
        record = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        assert record["shape"] == list(array.shape) == [4, 4, 4]
        assert np.array_equal(np.diff(array[:, 1, 1].astype(int)), [1, 1, 1])


def test_names_and_sidecars_tell_nobody_who_it_is(tmp_path: Path) -> None:
    for number in range(3):
        write_dicom(
            tmp_path / "in" / f"Meier^Anna-{number}.dcm", np.eye(4, dtype=np.int16),
            (0, 0, number), PatientID="SECRET-ID", PatientName="Meier^Anna",
            StudyDate="20200229", SeriesDescription="t1 Meier", StudyInstanceUID="1.2.77.88",
            ImageType=["ORIGINAL", "PRIMARY", "MEIER"], Manufacturer="Meier Inc",
        )  # fmt: skip
    run(tmp_path / "in", tmp_path / "out")
    for path in (tmp_path / "out").rglob("*"):
        if "private" in path.relative_to(tmp_path / "out").parts or path.is_dir():
            continue
        content = path.read_bytes() if path.suffix == ".json" else b""
        for secret in (b"SECRET", b"eier", b"MEIER", b"2020", b"1.2.77"):
            assert secret not in content
            assert secret not in path.name.encode()
    private = tmp_path / "out" / "private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private.iterdir())
    assert "SECRET-ID" in (private / "sources.csv").read_text()


def test_an_output_in_the_tree_is_no_part_of_it(tmp_path: Path) -> None:
    write_tree(tmp_path, series=2, slices=3)
    told = []
    for _ in range(2):
        outcome = convert_tree(ConvertTree(str(tmp_path), str(tmp_path / "out")))
        told.append((len(outcome.made), len(outcome.kept), outcome.found.strangers))
        passed = (tmp_path / "out" / "private" / "not-converted.csv").read_text()
        assert passed.splitlines() == ['"kind","path","why"']
    assert told == [(2, 0, ()), (0, 2, ())]


def test_one_key_gives_one_name_in_two_folders(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=1, slices=3)
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef0123")
    names = [list(run(tmp_path / "in", tmp_path / out, id_key=str(key))) for out in ("a", "b")]
    assert names[0] == names[1]
    others = list(run(tmp_path / "in", tmp_path / "c"))
    assert others != names[0]
    with pytest.raises(OptionError, match="at least"):
        (tmp_path / "short").write_bytes(b"x")
        run(tmp_path / "in", tmp_path / "d", id_key=str(tmp_path / "short"))


def test_a_zip_archive_gives_the_same_volumes(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=2, slices=3)
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef0123")
    plain = run(tmp_path / "in", tmp_path / "a", id_key=str(key))
    zip_tree(tmp_path / "in", tmp_path / "all.zip")
    packed = run(tmp_path / "all.zip", tmp_path / "b", id_key=str(key))
    assert plain.keys() == packed.keys()
    assert all(np.array_equal(plain[name], packed[name]) for name in plain)


def test_what_is_there_is_kept_and_a_stranger_is_not_taken_for_it(tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    write_tree(source, series=2, slices=3)
    run(source, output)
    options = ConvertTree(str(source), str(output))
    again = convert_tree(options)
    assert len(again.kept) == 2
    assert not again.made
    assert len(convert_tree(options, overwrite=True).made) == 2
    for path in source.rglob("f*"):
        path.write_bytes(path.read_bytes().replace(b"1.2.3.10000", b"1.2.3.90000"))
    refused = convert_tree(options, overwrite=True)
    assert [failure.code for failure in refused.failed.values()] == ["other-data"] * 2


def test_more_processes_give_the_same_bytes(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=4, slices=3)
    (tmp_path / "key").write_bytes(b"0123456789abcdef0123")
    outs = []
    for jobs in (1, 2):
        output = tmp_path / f"out{jobs}"
        convert_tree(
            ConvertTree(str(tmp_path / "in"), str(output), id_key=str(tmp_path / "key")), jobs=jobs
        )
        outs.append({p.name: p.read_bytes() for p in output.iterdir() if p.is_file()})
    assert outs[0] == outs[1]


@pytest.mark.parametrize("form", ["nii", "nrrd", "mha"])
def test_other_formats_hold_the_same_volume(tmp_path: Path, form: str) -> None:
    import SimpleITK as sitk

    write_tree(tmp_path / "in", series=1, slices=3)
    (wanted,) = run(tmp_path / "in", tmp_path / "a").values()
    convert_tree(ConvertTree(str(tmp_path / "in"), str(tmp_path / "b"), format=form))  # type: ignore[arg-type]
    (path,) = (tmp_path / "b").glob(f"*.{form}")
    picture = sitk.ReadImage(str(path))
    assert np.array_equal(sitk.GetArrayFromImage(picture), wanted)
    assert picture.GetSpacing() == pytest.approx((1, 1, 2))


@pytest.mark.parametrize(("form", "bits"), [("png", 8), ("png16", 16)])
def test_slices_as_png(tmp_path: Path, form: str, bits: int) -> None:
    from medprep.formats import png

    write_tree(tmp_path / "in", series=1, slices=3)
    convert_tree(ConvertTree(str(tmp_path / "in"), str(tmp_path / "out"), format=form))  # type: ignore[arg-type]
    (sidecar,) = (tmp_path / "out").glob("*.json")
    folder = sidecar.with_suffix("")
    pictures = [png.read(path) for path in sorted(folder.glob("*.png"))]
    assert [picture.dtype.itemsize * 8 for picture in pictures] == [bits] * 3
    if bits == 16:
        assert [picture[1, 1] for picture in pictures] == [0, 1, 2]
    else:
        assert json.loads(sidecar.read_text())["window"]["low"] == 0


def test_monochrome1_keeps_its_numbers_and_looks_as_it_is_meant_to(tmp_path: Path) -> None:
    from medprep.formats import png

    ramp = np.arange(16, dtype=np.int16).reshape(4, 4)
    write_dicom(tmp_path / "in" / "0", ramp, PhotometricInterpretation="MONOCHROME1")
    (volume,) = run(tmp_path / "in", tmp_path / "a").values()
    assert np.array_equal(volume[0], ramp)
    convert_tree(
        ConvertTree(str(tmp_path / "in"), str(tmp_path / "b"), format="png", window="0,15")
    )
    (picture,) = (tmp_path / "b").rglob("*.png")
    assert np.array_equal(png.read(picture), 255 - 17 * ramp)
    (sidecar,) = (tmp_path / "b").rglob("*.json")
    assert json.loads(sidecar.read_text())["inverted"] is True


def test_time_points_one_file_each_or_one_stack(tmp_path: Path) -> None:
    for time_point in (1, 2, 3):
        for place in range(2):
            write_dicom(
                tmp_path / "in" / f"t{time_point}-{place}", np.full((4, 4), 10 * time_point + place,
                np.int16), (0, 0, 3 * place), TemporalPositionIdentifier=str(time_point),
                RepetitionTime="2500",
            )  # fmt: skip
    single = run(tmp_path / "in", tmp_path / "a")
    assert [name[-5:] for name in single] == ["_t001", "_t002", "_t003"]
    assert [int(array[1, 0, 0]) for array in single.values()] == [11, 21, 31]
    (stacked,) = run(tmp_path / "in", tmp_path / "b", stack=True).values()
    assert stacked.shape == (3, 2, 4, 4)
    (path,) = (tmp_path / "b").glob("*.nii.gz")
    assert nibabel.load(path).header.get_zooms()[3] == pytest.approx(2.5)


def test_colour_only_when_it_is_asked_for(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[..., 0] = 200
    for place in range(2):
        write_dicom(
            tmp_path / "in" / f"{place}", pixels, (0, 0, place), SamplesPerPixel=3,
            PhotometricInterpretation="RGB", PlanarConfiguration=0,
        )  # fmt: skip
    with pytest.raises(NothingDoneError, match="colour"):
        run(tmp_path / "in", tmp_path / "a")
    convert_tree(ConvertTree(str(tmp_path / "in"), str(tmp_path / "b"), colour=True))
    (path,) = (tmp_path / "b").glob("*.nii.gz")
    values = np.asarray(nibabel.load(path).dataobj)
    assert values.shape == (4, 4, 2)
    assert (values["R"] == 200).all()
    assert not values["G"].any()


def test_gaps_and_tilt_by_policy(tmp_path: Path) -> None:
    ramp = np.arange(16, dtype=np.int16).reshape(4, 4)
    for place in (0, 1, 2, 5, 6):
        write_dicom(tmp_path / "gap" / f"{place}", ramp + 100 * place, (0, 0, 2 * place))
    for place in range(4):
        write_dicom(tmp_path / "tilt" / f"{place}", ramp, (0, place, 2 * place))
    refused = convert_tree_failure(tmp_path / "gap", tmp_path / "a")
    assert "6 mm apart, the others 2 mm" in refused
    assert "gap/2 and" in refused.replace(os.sep, "/")
    (filled,) = run(tmp_path / "gap", tmp_path / "b", policy=Policy(gaps="resample")).values()
    assert [int(plane[0, 0]) for plane in filled] == [0, 100, 200, 300, 400, 500, 600]
    parts = run(tmp_path / "gap", tmp_path / "c", policy=Policy(gaps="split"))
    assert [len(array) for array in parts.values()] == [3, 2]
    assert "sideways" in convert_tree_failure(tmp_path / "tilt", tmp_path / "d")
    (straight,) = run(tmp_path / "tilt", tmp_path / "e", policy=Policy(tilt="resample")).values()
    assert straight.shape == (4, 7, 4)
    run(tmp_path / "tilt", tmp_path / "f", policy=Policy(tilt="keep"))
    (path,) = (tmp_path / "f").glob("*.nii.gz")
    assert nibabel.load(path).affine[:3, 2] == pytest.approx((0, -1, 2))


def convert_tree_failure(source: Path, output: Path) -> str:
    """Give what is said of a tree of one series that cannot be a volume."""
    done = medprep("convert", source, "--output", output)
    assert done.returncode == 8
    assert not list(output.glob("*.nii.gz"))
    assert "failed" in (output / "private" / "not-converted.csv").read_text()
    return done.stderr


def test_ten_thousand_files_with_some_that_are_not_to_be_read(tmp_path: Path) -> None:
    tree, output = tmp_path / "in", tmp_path / "out"
    files = write_tree(tree, series=100, slices=100)
    broken = files[150], files[2250], files[9950]
    for path, content in zip(broken, (b"", b"DICM" * 3, files[0].read_bytes()[:200]), strict=True):
        path.rename(path.with_suffix(".dcm"))
        path.with_suffix(".dcm").write_bytes(content)
    (tree / "dangling").symlink_to(tree / "nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tree / "fifo")
    objects = write_objects(tree / "others", 20)
    (tree / "README.txt").write_text("no DICOM")
    done = medprep("convert", tree, "--output", output)
    assert done.returncode == 8, done.stderr
    named = [*(path.with_suffix(".dcm") for path in broken), tree / "dangling", tree / "fifo"]
    for path in [*named, *objects]:
        assert str(path) in done.stderr
    assert "no DICOM: 1 file\n" in done.stderr
    # A series whose slice is broken has a gap in its middle, or is one slice shorter at its end.
    refused = [line for line in done.stderr.splitlines() if line.startswith("FAILED")]
    assert len(volumes(output)) + len(refused) == 100
    assert 1 <= len(refused) <= 3


def test_killed_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=60, slices=20, side=64)
    output = tmp_path / "out"
    words = [
        sys.executable,
        "-m",
        "medprep_cli",
        "convert",
        str(tmp_path / "in"),
        "-o",
        str(output),
    ]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    while len(list(output.glob("*.nii.gz"))) < 5 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(volumes(output)) >= 5  # each is whole: nibabel has read it
    assert medprep("convert", tmp_path / "in", "-o", output).returncode == 0
    assert len(volumes(output)) == 60
    assert not [path for path in output.rglob("*") if path.name.endswith(".part")]


def test_the_command_line_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=1, slices=2)
    for words in (
        ("convert", tmp_path / "in"),
        ("convert", "--output", tmp_path / "out"),
        ("convert", "--stack"),
        ("convert", tmp_path / "in", "-o", tmp_path / "out", "extract"),
        ("convert", tmp_path / "in", "-o", tmp_path / "out", "--stack", "--format", "png"),
    ):
        assert medprep(*words).returncode == 2
    assert medprep("convert", tmp_path / "no", "-o", tmp_path / "out").returncode == 1
    assert not (tmp_path / "out").exists()
    with pytest.raises(SourceError):
        run(tmp_path / "no", tmp_path / "out")


def test_scan_tells_what_there_is_and_writes_nothing(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=3, slices=4)
    write_objects(tmp_path / "in" / "others", 2)
    before = snapshot(tmp_path)
    done = medprep("scan", tmp_path / "in", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["patients"], found["series"], len(found["volumes"])) == (3, 3, 3)
    assert found["volumes"][0]["spacing_mm"] == [2.0, 1.0, 1.0]
    assert [one["role"] for one in found["others"]] == [
        "structured report (SR)", "presentation state (PR)",
    ]  # fmt: skip
    table = medprep("scan", tmp_path / "in", "--csv").stdout.splitlines()
    assert len(table) == 4
    assert medprep("scan", tmp_path / "in").returncode == 0
    assert snapshot(tmp_path) == before


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=2, slices=4)
    done = medprep("convert", tmp_path / "in", "-o", tmp_path / "out", "--dry-run")
    assert done.stdout.count("4 x 4 x 4") == 2
    assert not (tmp_path / "out").exists()


def test_an_empty_tree_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(NothingDoneError, match="no DICOM among 0 files"):
        run(tmp_path / "in", tmp_path / "out")
    assert survey(tmp_path / "in", b"").volumes == ()


@pytest.mark.parametrize(
    "patient",
    [
        "../../etc/x", "/etc/passwd", "C:\\Windows\\x", "CON", "nul\0byte", "x" * 300, "trailing.",
        "\N{GRINNING FACE}", "a/b", "..", "",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_no_name_in_a_header_becomes_a_path(tmp_path: Path, patient: str) -> None:
    for place in range(2):
        write_dicom(
            tmp_path / "in" / f"{place}", np.eye(4, dtype=np.int16), (0, 0, place),
            PatientID=patient[:64], PatientName=patient, SeriesDescription=patient[:64],
            StudyInstanceUID=patient[:64].encode("ascii", "ignore").decode(),
            SpecificCharacterSet="ISO_IR 192",
        )  # fmt: skip
    before = {path for path in tmp_path.rglob("*") if "out" not in path.parts}
    run(tmp_path / "in", tmp_path / "out")
    assert {path for path in tmp_path.rglob("*") if "out" not in path.parts} == before
    (name,) = [path.name for path in (tmp_path / "out").glob("*.nii.gz")]
    assert re.fullmatch(r"p[0-9a-f]{10}-000\.nii\.gz", name)


def test_ids_that_differ_in_case_or_signs_only_stay_apart(tmp_path: Path) -> None:
    for number, patient in enumerate(("Anna", "ANNA", "an na", "an/na")):
        for place in range(2):
            write_dicom(
                tmp_path / "in" / f"{number}{place}", np.full((4, 4), number, np.int16),
                (0, 0, place), PatientID=patient,
            )  # fmt: skip
    found = run(tmp_path / "in", tmp_path / "out")
    assert len({name.split("-")[0].casefold() for name in found}) == 4


def test_a_loop_of_links_is_walked_once(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=1, slices=3)
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in", target_is_directory=True)
    (array,) = run(tmp_path / "in", tmp_path / "out").values()
    assert array.shape == (3, 4, 4)


def test_a_file_that_changes_between_scan_and_read_is_not_read(tmp_path: Path) -> None:
    from medprep.dicom.series import read_plan
    from medprep.errors import DicomError

    (path, *_) = write_tree(tmp_path, series=1, slices=3)
    (found,) = survey(tmp_path, b"").volumes
    path.write_bytes(path.read_bytes() + b"\0\0")
    assert found.plan is not None
    with pytest.raises(DicomError, match="changed since it was found"):
        read_plan(found.plan)


def test_a_full_disk_is_told_and_nothing_half_written_stays(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    write_tree(tmp_path / "in", series=1, slices=40, side=64)
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "
        "from medprep_cli.main import main; "
        f"main(['convert', {str(tmp_path / 'in')!r}, '-o', {str(tmp_path / 'out')!r}, "
        "'--format', 'nii'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 8, done.stderr
    assert "cannot write" in done.stderr
    assert not [path for path in (tmp_path / "out").iterdir() if path.name != "private"]
