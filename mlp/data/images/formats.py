"""Kinds of files that hold images: those that are read, their marks, and advice on the others.

The one table from which messages, endings and the audit's comparison of both come.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD = 1024  # bytes: as many of a file as decide on its format


@dataclass(frozen=True)
class Format:
    """A kind of file. `reader` is Pillow's name, "" where it is not read; then `advice` helps."""

    name: str
    endings: tuple[str, ...]
    reader: str = ""
    advice: str = "convert it to PNG or TIFF"

    @property
    def refusal(self) -> str:
        """The reason why an image of this format cannot be used."""
        return f"{self.name}, which is not read: {self.advice}"


# Left to others on purpose: EPS runs Ghostscript, icons hold images of other sizes than they say,
# QOI is decoded in Python, of a video or a volume nobody knows which picture is meant.
JPEG = Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"), "JPEG")
PNG = Format("PNG", (".png", ".apng"), "PNG")
BMP = Format("BMP", (".bmp", ".dib"), "BMP")
WEBP = Format("WebP", (".webp",), "WEBP")
TIFF = Format("TIFF", (".tif", ".tiff"), "TIFF")
GIF = Format("GIF", (".gif",), "GIF")
AVIF = Format("AVIF", (".avif", ".avifs"), "AVIF")
PNM = Format("PBM/PGM/PPM", (".pbm", ".pgm", ".ppm", ".pnm"), "PPM")
JPEG2000 = Format("JPEG 2000", (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"), "JPEG2000")
TGA = Format("TGA", (".tga",), "TGA")
PCX = Format("PCX", (".pcx",), "PCX")
HEIC = Format(
    "HEIC", (".heic", ".heif", ".hif"), "",
    "convert it to JPEG or PNG; the package pillow-heif can read it",
)  # fmt: skip
JXL = Format(
    "JPEG XL", (".jxl",), "", "convert it to PNG; the package pillow-jxl-plugin can read it"
)
RAW = Format(
    "a camera's raw file",
    (
        ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef",
        ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2",
        ".srf", ".srw", ".x3f",
    ),
    "",
    "develop it to JPEG, PNG or TIFF; the package rawpy can",
)  # fmt: skip
VIDEO = Format(
    "a video",
    (
        ".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm",
        ".wmv",
    ),
    "",
    "save the frames that count as images",
)  # fmt: skip
DICOM = Format(
    "DICOM", (".dcm", ".dicom"), "", "save it as PNG or TIFF; the package pydicom can read it"
)
VOLUME = Format(
    "a volume (NIfTI, NRRD, MetaImage)", (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"), "",
    "save the slices that count as PNG or TIFF",
)  # fmt: skip
NUMPY = Format("a NumPy array", (".npy", ".npz"), "", "save each image as PNG or TIFF")
MICROSCOPE = Format(
    "a microscope's file", (".czi", ".lif", ".mrxs", ".nd2", ".oib", ".oif", ".vsi"), "",
    "save the pictures that count as PNG or TIFF",
)  # fmt: skip
SVG = Format("SVG", (".svg", ".svgz"), "", "render it as PNG")
EPS = Format("EPS", (".eps", ".epsf", ".ps"), "", "render it as PNG")
METAFILE = Format("WMF or EMF", (".wmf", ".emf"), "", "render it as PNG")
ICON = Format("an icon", (".ico", ".cur", ".icns"), "", "save the size that counts as PNG")
PSD = Format("PSD", (".psd", ".psb"))
XCF = Format("XCF", (".xcf",))
DDS = Format("DDS", (".dds",))
QOI = Format("QOI", (".qoi",))
SGI = Format("SGI", (".sgi", ".rgb", ".rgba", ".bw"))
SUN = Format("a Sun raster", (".ras", ".sun"))
X11 = Format("XBM or XPM", (".xbm", ".xpm"))
EXR = Format("OpenEXR", (".exr",), "", "map its values to 8 or 16 bits and save it as PNG")
HDR = Format("Radiance HDR", (".hdr",), "", "map its values to 8 or 16 bits and save it as PNG")
PFM = Format("PFM", (".pfm",), "", "map its values to 8 or 16 bits and save it as PNG")
FITS = Format("FITS", (".fits", ".fit", ".fts"), "", EXR.advice)
JXR = Format("JPEG XR", (".jxr", ".wdp", ".hdp"))
DJVU = Format("DjVu", (".djvu", ".djv"))
BPG = Format("BPG", (".bpg",))
FLIF = Format("FLIF", (".flif",))

FORMATS = (
    JPEG, PNG, BMP, WEBP, TIFF, GIF, AVIF, PNM, JPEG2000, TGA, PCX, HEIC, JXL, RAW, VIDEO, DICOM,
    VOLUME, NUMPY, MICROSCOPE, SVG, EPS, METAFILE, ICON, PSD, XCF, DDS, QOI, SGI, SUN, X11, EXR,
    HDR, PFM, FITS, JXR, DJVU, BPG, FLIF,
)  # fmt: skip
_NAMES = [kind.name for kind in FORMATS if kind.reader]
READABLE = f"{', '.join(_NAMES[:-1])} or {_NAMES[-1]}"

# The first bytes of each; a camera's raw file may go on where a TIFF file begins
_STARTS: dict[Format, tuple[bytes, ...]] = {
    JPEG: (b"\xff\xd8\xff",),
    PNG: (b"\x89PNG\r\n\x1a\n",),
    GIF: (b"GIF87a", b"GIF89a"),
    RAW: (
        b"II*\x00\x10\x00\x00\x00CR", b"IIU\x00", b"IIRO", b"IIRS", b"II\x1a\x00\x00\x00HEAP",
        b"FUJIFILMCCD-RAW", b"FOVb",
    ),
    TIFF: (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+", b"II\x00*", b"MM*\x00"),
    JPEG2000: (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    JXL: (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"),
    PSD: (b"8BPS",),
    XCF: (b"gimp xcf",),
    EPS: (b"%!PS", b"\xc5\xd0\xd3\xc6"),
    METAFILE: (b"\xd7\xcd\xc6\x9a",),
    ICON: (b"icns",),
    DDS: (b"DDS ",),
    QOI: (b"qoif",),
    SUN: (b"\x59\xa6\x6a\x95",),
    X11: (b"/* XPM */",),
    EXR: (b"v/1\x01",),
    HDR: (b"#?RADIANCE", b"#?RGBE"),
    FITS: (b"SIMPLE  =",),
    JXR: (b"II\xbc",),
    DJVU: (b"AT&TFORM",),
    BPG: (b"BPG\xfb",),
    FLIF: (b"FLIF",),
    NUMPY: (b"\x93NUMPY",),
    VOLUME: (b"NRRD00",),
    VIDEO: (
        b"\x1aE\xdf\xa3", b"FLV\x01", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3",
        b"0&\xb2u\x8ef\xcf\x11",
    ),
}  # fmt: skip
# Width and height of a TGA file, its bits a pixel and flags
_TGA = rb"(?!\x00\x00)..(?!\x00\x00)..%s[\x00-\x3f]"
# Formats whose first bytes may well begin something else, as regular expressions
_PATTERNS = (
    # The length of BMP's second header decides: so many words begin with BM
    (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", BMP),
    (rb"RIFF.{4}WEBP", WEBP),
    (rb"RIFF.{4}AVI ", VIDEO),
    (rb"P[1-6](?:\s+(?:#[^\n\r]*[\n\r]+\s*)*\d+){2}\s", PNM),
    (rb"P[Ff]\s+\d+\s+\d+\s", PFM),
    (rb"\x01\xda[\x00\x01][\x01\x02]\x00[\x01-\x03]", SGI),
    (rb"\x0a[\x00\x02\x03\x04\x05]\x01[\x01\x02\x04\x08]", PCX),
    (rb"\x00\x00[\x01\x02]\x00[^\x00]\x00", ICON),
    (rb"\x01\x00\x00\x00.{36} EMF", METAFILE),
    (rb".{128}DICM", DICOM),
    (rb".{344}(?:n\+1|ni1)\x00", VOLUME),
    (rb"(?:\xef\xbb\xbf)?(?:\s|<\?xml[^>]*>|<!--[^>]*-->|<!DOCTYPE svg[^>]*>)*<svg[\s>]", SVG),
    # TGA has no mark at all; its fields leave little room
    (rb".\x00[\x02\x03\x0a\x0b]\x00{5}.{4}" + _TGA % rb"[\x08\x0f\x10\x18\x20]", TGA),
    (rb".\x01[\x01\x09]\x00\x00.[\x00\x01][\x0f\x10\x18\x20].{4}" + _TGA % rb"\x08", TGA),
)
_COMPILED = tuple((re.compile(pattern, re.DOTALL), kind) for pattern, kind in _PATTERNS)
_BRANDS = {
    AVIF: (b"avif", b"avis"),
    HEIC: (
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1",
    ),
    RAW: (b"crx ",),
}  # fmt: skip


def by_name(name: str) -> Format | None:
    """The format that the ending of a file's name claims."""
    lower = name.lower()
    return next((kind for kind in FORMATS if lower.endswith(kind.endings)), None)


def by_content(data: bytes) -> Format | None:
    """The format of a file that begins with these bytes, of which the first HEAD are looked at."""
    head = data[:HEAD]
    for kind, starts in _STARTS.items():
        if head.startswith(starts):
            return kind
    if head[4:8] == b"ftyp":
        return _boxed(head)
    return next((kind for pattern, kind in _COMPILED if pattern.match(head)), None)


def _boxed(head: bytes) -> Format:
    """The format of an ISO media file, by its brand or one that it is compatible with."""
    length = min(int.from_bytes(head[:4]), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))]
    found = [kind for brand in brands for kind, own in _BRANDS.items() if brand in own]
    return AVIF if AVIF in found else found[0] if found else VIDEO
