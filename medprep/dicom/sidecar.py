"""The JSON beside a volume, in the words of BIDS, without a word about the patient.

Numbers pass if they are finite; text only if it is one of the words below. So what somebody typed
into a header (a name in ImageType, say) cannot come out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from medprep.dicom.dictionary import Tags
from medprep.dicom.makers import b_value, maker
from medprep.dicom.values import hint
from medprep.geometry import Geometry
from medprep.version import VERSION

_DIGITS = 10
_MILLI = 1e-3

_NUMBERS = {
    "MagneticFieldStrength": ("MagneticFieldStrength", 1.0),
    "ImagingFrequency": ("ImagingFrequency", 1.0),
    "SliceThickness": ("SliceThickness", 1.0),
    "SpacingBetweenSlices": ("SpacingBetweenSlices", 1.0),
    "EchoNumber": ("EchoNumbers", 1.0),
    "EchoTime": ("EchoTime", _MILLI),
    "RepetitionTime": ("RepetitionTime", _MILLI),
    "InversionTime": ("InversionTime", _MILLI),
    "FlipAngle": ("FlipAngle", 1.0),
    "NumberOfAverages": ("NumberOfAverages", 1.0),
    "EchoTrainLength": ("EchoTrainLength", 1.0),
    "PercentPhaseFOV": ("PercentPhaseFieldOfView", 1.0),
    "PercentSampling": ("PercentSampling", 1.0),
    "PhaseEncodingSteps": ("NumberOfPhaseEncodingSteps", 1.0),
    "PixelBandwidth": ("PixelBandwidth", 1.0),
    "KVP": ("KVP", 1.0),
    "XRayTubeCurrent": ("XRayTubeCurrent", 1.0),
    "ExposureTime": ("ExposureTime", _MILLI),
}
"""Key of the sidecar to DICOM keyword, and the factor to BIDS units."""


def _words(text: str, separator: str | None = None) -> frozenset[str]:
    return frozenset(text.split(separator))


_MODALITIES = _words("CR CT DX IO MG MR NM OT PT PX RF US XA")
_POSITIONS = _words("HFP HFS HFDR HFDL FFDR FFDL FFP FFS LFP LFS RFP RFS AFDR AFDL PFDR PFDL")
_ACQUISITIONS = _words("2D 3D")
_AXES = _words("ROW COL")
_SEQUENCES = _words("SE IR GR EP RM")
_VARIANTS = _words("SK MTC SS TRSS SP MP OSP NONE")
_OPTIONS = _words(
    "PER RG CG PPG FC PFF PFP SP FS SAT1 SAT2 ACC_GEMS CARD_GEMS CINE_GEMS CS_GEMS EDR_GEMS "
    "EPI_GEMS FAST_GEMS FILTERED_GEMS FLTR_GEMS FR_GEMS FSA_GEMS FSI_GEMS FSL_GEMS FSP_GEMS "
    "FSS_GEMS GRAPH_GEMS IFLOW_GEMS IR_GEMS MP_GEMS MRCP_GEMS NPW_GEMS PFF_GEMS PFP_GEMS "
    "PROP_GEMS SEQ_GEMS SQUARE_GEMS SS_GEMS T2FLAIR_GEMS TRF_GEMS VASCTOF_GEMS VB_GEMS WE "
    "HELIX HELICAL_CT NORMAL_CT DVOLUME_CT OTHER NONE"
) | _words("HELICAL MODE,AXIAL MODE,CINE MODE,SCOUT MODE", ",")
_IMAGE_TYPES = (
    _words(  # PS3.3 C.7.6.1.1.2, C.7.6.16, C.8.2, C.8.3, C.8.9, C.8.13, C.8.15
        "ORIGINAL DERIVED PRIMARY SECONDARY AXIAL LOCALIZER MPR OTHER NONE MIXED VOLUME RESAMPLED "
        "ADDITION SUBTRACTION DIVISION MULTIPLICATION FILTERED MAXIMUM MAX_IP MIN_IP MEAN MEDIAN "
        "STD_DEVIATION QUANTITY DETECTOR ENERGY_PROP_WT ATTENUATION PERFUSION DIFFUSION TENSOR "
        "DIFFUSION_ANISO DIFFUSION_ATTNTD DIFFUSION_RATIO PERFUSION_ANISO PERFUSION_RATIO VELOCITY "
        "ANGIO ANGIO_TIME ASL CINE DIXON DYNAMIC FLOW_ENCODED FLUID_ATTENUATED FMRI "
        "METABOLITE_MAP MULTIECHO PROTON_DENSITY REALTIME STIR TAGGING TEMPERATURE T1 T2 T2_STAR "
        "TOF CARDIAC CARDIAC_CASCORE CARDIAC_CTA CARDIAC_GATED CARDRESP_GATED RESP_GATED "
        "STATIC WHOLE_BODY GATED TOMO RECON EMISSION TRANSMISSION REPROJECTION REGISTERED"
    )
    | _words(
        "DENSITY MAP,DIFFUSION MAP,IMAGE ADDITION,MODULUS SUBTRACT,PHASE MAP,PHASE SUBTRACT,"
        "PROJECTION IMAGE,T1 MAP,T2 MAP,VELOCITY MAP,GATED TOMO,RECON TOMO,WHOLE BODY,"
        "CSA MPR,CSA 3D EDITOR,MIP THIN,CT_SOM5 SEQ,CT_SOM5 SPI,CT_SOM5 TOP,CT_SOM5 SPI DUAL,"
        "CT_SOM7 SEQ,CT_SOM7 SPI,CT_SOM7 TOP,CT_SOM7 SPI DUAL,SINGLE PLANE",
        ",",
    )
    | _words(  # as the makers write them
        "M P R I MAG MAGNITUDE PHASE REAL IMAGINARY ND NORM DIS2D DIS3D DFC MOSAIC FIL CSAPARALLEL "
        "POSDISP COMPOSED COMB COMB_SUM MFSPLIT MSUM MIP MINIP SUB ADC TRACEW FA EXP COLFA "
        "CALC_BVALUE MOCO GLM BOLD TTEST TTP RELCBF RELCBV RELMTT CBF CBV MTT UNI DENOISED SWI "
        "PROJECTION SH SOS T2MAP T1MAP W F IP OP OPP WATER FAT IN_PHASE OUT_PHASE OPP_PHASE "
        "M_FFE M_SE M_IR M_TSE M_B0 M_B1 M_PCA P_FFE P_SE P_IR P_PCA R_FFE R_SE R_IR I_FFE I_SE "
        "I_IR FFE SE TSE IR PCA B0 B1 PHASE_MAP FIELDMAPHZ FIELD_MAP PROTON DENSITY EPI PROPELLER "
        "REFORMATTED AVERAGE HELIX GDC PROCESSED"
    )
)
_KERNELS = _words(
    "STANDARD SOFT BONE BONEPLUS LUNG DETAIL EDGE CHEST ULTRA SMOOTH SHARP BRAIN BODY HD STND "
    "A B C D E F L S EA EB EC ED IB IC UA UB UC UD YA YB YC YD YE"
)
_KERNEL = re.compile(
    r"[A-Z][a-z]?\d{2}[a-z]?"  # Siemens: B30f, Br40d
    r"|F[CL]\d{2}"  # Canon: FC08
    r"|\d{1,2}",  # strength of an iterative reconstruction; Hitachi
    re.ASCII,
)


def sidecar(
    tags: Tags, geometry: Geometry, notes: Sequence[str], facts: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """Describe a volume in BIDS terms (MRI common metadata; CT as dcm2niix names it).

    Parameters
    ----------
    tags
        Of one slice; what is empty or unusable gives no key.
    geometry
        The grid of the volume.
    notes
        What a person should know.
    facts
        More of medprep's own, taken as they are.

    Returns
    -------
    dict
        Ready for JSON. Times in seconds, lengths in mm, ImagingFrequency in MHz, PixelBandwidth in
        Hz, DiffusionBValue in s/mm2, XRayTubeCurrent in mA. No names, ids, UIDs, dates, times of
        day or free text. `Geometry.from_dict` reads the grid back from it.
    """
    record: dict[str, Any] = {
        "Modality": _one(tags.get("Modality"), _MODALITIES),
        "Manufacturer": maker(tags),
        "PatientPosition": _one(tags.get("PatientPosition"), _POSITIONS),
        "ImageType": _several(tags.get("ImageType"), _IMAGE_TYPES),
        "MRAcquisitionType": _one(tags.get("MRAcquisitionType"), _ACQUISITIONS),
        "ScanningSequence": _few(tags.get("ScanningSequence"), _SEQUENCES),
        "SequenceVariant": _few(tags.get("SequenceVariant"), _VARIANTS),
        "ScanOptions": _few(tags.get("ScanOptions"), _OPTIONS),
        "InPlanePhaseEncodingDirectionDICOM": _one(
            tags.get("InPlanePhaseEncodingDirection"), _AXES
        ),
        "ConvolutionKernel": _kernel(tags.get("ConvolutionKernel")),
    }
    for key, (keyword, factor) in _NUMBERS.items():
        value = hint(tags, keyword)
        # Headers write 0 for what they do not know; none of these quantities can be 0.
        record[key] = None if value is None or value <= 0 else _rounded(value * factor)
    diffusion = b_value(tags)
    record["DiffusionBValue"] = None if diffusion is None else _rounded(diffusion)
    record["ConversionSoftware"] = "medprep"
    record["ConversionSoftwareVersion"] = VERSION
    own = {
        **geometry.to_dict(),
        "spacing_mm": [_rounded(step) for step in geometry.spacing_mm],
        "orientation_lps": geometry.orientation,
        "notes": list(notes),
    }
    known = {key: value for key, value in record.items() if value not in (None, [])}
    return {**known, **own, **facts}


def _parts(value: object) -> tuple[str, ...]:
    """Give the words of a text value; none of what is no text."""
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, tuple):
        return ()
    return tuple(part.strip() for part in given if isinstance(part, str))


def _several(value: object, words: frozenset[str]) -> list[str]:
    return [part for part in _parts(value) if part in words]


def _few(value: object, words: frozenset[str]) -> str | list[str] | None:
    """Give one word as it is and several as a list, which are the two forms BIDS allows."""
    found = _several(value, words)
    return found[0] if len(found) == 1 else found


def _one(value: object, words: frozenset[str]) -> str | None:
    return next(iter(_several(value, words)), None)


def _kernel(value: object) -> str | list[str] | None:
    parts = _parts(value)
    known = frozenset(part for part in parts if part in _KERNELS or _KERNEL.fullmatch(part))
    return _few(parts, known)


def _rounded(value: float) -> float:
    """Take off the noise of a factor: 0.0035, not 0.0034999999999999996; 3, not 3.0."""
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() else short
