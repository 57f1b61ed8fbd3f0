"""NRRD and MetaImage, through SimpleITK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from medprep.errors import FormatError
from medprep.geometry import Geometry

_WRITERS = {".nrrd": "NrrdImageIO", ".mha": "MetaImageIO"}


def write(path: Path, array: NDArray[Any], geometry: Geometry) -> None:
    """Write a volume, compressed, in one file.

    Parameters
    ----------
    path
        ``.nrrd`` or ``.mha``, or the temporary name of one; the caller sees to atomicity.
    array
        ``[slice, row, column]``, in colour with a last axis of 3.
    geometry
        Its grid; LPS is ITK's own system.

    Raises
    ------
    FormatError
        If the name tells no format, or SimpleITK cannot write it.
    """
    import SimpleITK as sitk

    kind = next((name for ending, name in _WRITERS.items() if ending in path.name), None)
    if kind is None:
        raise FormatError(f"wanted is one of {', '.join(_WRITERS)}", path=path)
    picture = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
    picture.SetSpacing(geometry.spacing_mm[::-1])
    picture.SetOrigin(geometry.origin_mm)
    picture.SetDirection(geometry.direction[:, ::-1].ravel().tolist())
    writer = sitk.ImageFileWriter()
    writer.SetImageIO(kind)
    writer.SetUseCompression(True)
    # ITK looks at the name's ending before it asks the writer it was given.
    named = path.with_name(path.name + next(e for e in _WRITERS if _WRITERS[e] == kind))
    writer.SetFileName(str(named))
    try:
        writer.Execute(picture)
        named.replace(path)
    except RuntimeError as error:
        raise FormatError(f"SimpleITK cannot write it ({error})", path=path) from error
    finally:
        named.unlink(missing_ok=True)
