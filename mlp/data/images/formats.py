"""Kinds of files that hold images: those that are read, their marks, and advice on the others.

The one table from which messages, endings and the audit's comparison of both come.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD = 1024  # bytes: as many of a file as decide on its format
_DRAWN, _RANGE = "render it as PNG", "map its values to 8 or 16 bits and save it as PNG"


@dataclass(frozen=True)
class Format:
    """A kind of file. `reader` is Pillow's name, "" where it is not read; then `advice` helps.

    `mark`: a regular expression of the first bytes; `brands`: what ISO media files call it.
    """

    name: str
    endings: tuple[str, ...]
    mark: bytes = rb"(?!)"
    reader: str = ""
    advice: str = "convert it to PNG or TIFF"
    brands: tuple[bytes, ...] = ()

    @property
    def refusal(self) -> str:
        """The reason why an image of this format cannot be used."""
        return f"{self.name}, which is not read: {self.advice}"


_SIDES = rb"(?!\x00\x00)..(?!\x00\x00).."  # width and height of a TGA file

# fmt: off
JPEG = Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"), rb"\xff\xd8\xff", "JPEG")
PNG = Format("PNG", (".png", ".apng"), rb"\x89PNG\r\n\x1a\n", "PNG")
TIFF = Format("TIFF", (".tif", ".tiff"), rb"II[*+]\x00|MM\x00[*+]|II\x00\*|MM\*\x00", "TIFF")
AVIF = Format("AVIF", (".avif", ".avifs"), reader="AVIF", brands=(b"avif", b"avis"))
PNM = Format("PBM/PGM/PPM", (".pbm", ".pgm", ".ppm", ".pnm"),
             rb"P[1-6](?:\s+(?:#[^\n\r]*[\n\r]+\s*)*\d+){2}\s", "PPM")
JPEG2000 = Format("JPEG 2000", (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
                  rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG2000")
# TGA has no mark at all; its fields leave little room
TGA = Format("TGA", (".tga",),
             rb".(?:\x00[\x02\x03\x0a\x0b]\x00{5}.{4}" + _SIDES + rb"[\x08\x0f\x10\x18\x20]"
             rb"|\x01[\x01\x09]\x00\x00.[\x00\x01][\x0f\x10\x18\x20].{4}" + _SIDES + rb"\x08)"
             rb"[\x00-\x3f]", "TGA")
PCX = Format("PCX", (".pcx",), rb"\x0a[\x00\x02-\x05]\x01[\x01\x02\x04\x08]", "PCX")
RAW = Format(
    "a camera's raw file",
    (".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos",
     ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw",
     ".x3f"),
    rb"II\*\x00\x10\x00\x00\x00CR|IIU\x00|IIR[OS]|II\x1a\x00\x00\x00HEAP|FUJIFILMCCD-RAW|FOVb",
    advice="develop it to JPEG, PNG or TIFF; the package rawpy can", brands=(b"crx ",),
)
VIDEO = Format(
    "a video",
    (".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm",
     ".wmv"),
    rb"\x1aE\xdf\xa3|FLV\x01|\x00\x00\x01[\xba\xb3]|0&\xb2u\x8ef\xcf\x11|.{4}ftyp|RIFF.{4}AVI ",
    advice="save the frames that count as images",
)
# In the order in which their marks are tried: those that may well begin something else come last.
# Not read on purpose: EPS runs Ghostscript, icons hold images of other sizes than they say,
# QOI is decoded in Python, of a video or a volume nobody knows which picture is meant.
FORMATS = (
    JPEG, PNG,
    # The length of BMP's second header decides: so many words begin with BM
    Format("BMP", (".bmp", ".dib"), rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00{3}", "BMP"),
    Format("WebP", (".webp",), rb"RIFF.{4}WEBP", "WEBP"),
    RAW,  # which may go on where a TIFF file begins
    TIFF,
    Format("GIF", (".gif",), rb"GIF8[79]a", "GIF"),
    AVIF, PNM, JPEG2000,
    Format("HEIC", (".heic", ".heif", ".hif"),
           advice="convert it to JPEG or PNG; the package pillow-heif can read it",
           brands=(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1",
                   b"msf1")),
    Format("JPEG XL", (".jxl",), rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n",
           advice="convert it to PNG; the package pillow-jxl-plugin can read it"),
    Format("PSD", (".psd", ".psb"), rb"8BPS"),
    Format("XCF", (".xcf",), rb"gimp xcf"),
    Format("EPS", (".eps", ".epsf", ".ps"), rb"%!PS|\xc5\xd0\xd3\xc6", advice=_DRAWN),
    Format("DDS", (".dds",), rb"DDS "),
    Format("QOI", (".qoi",), rb"qoif"),
    Format("a Sun raster", (".ras", ".sun"), rb"\x59\xa6\x6a\x95"),
    Format("XBM or XPM", (".xbm", ".xpm"), rb"/\* XPM \*/"),
    Format("OpenEXR", (".exr",), rb"v/1\x01", advice=_RANGE),
    Format("Radiance HDR", (".hdr",), rb"#\?RADIANCE|#\?RGBE", advice=_RANGE),
    Format("FITS", (".fits", ".fit", ".fts"), rb"SIMPLE  =", advice=_RANGE),
    Format("JPEG XR", (".jxr", ".wdp", ".hdp"), rb"II\xbc"),
    Format("DjVu", (".djvu", ".djv"), rb"AT&TFORM"),
    Format("BPG", (".bpg",), rb"BPG\xfb"),
    Format("FLIF", (".flif",), rb"FLIF"),
    Format("a NumPy array", (".npy", ".npz"), rb"\x93NUMPY",
           advice="save each image as PNG or TIFF"),
    Format("a microscope's file", (".czi", ".lif", ".mrxs", ".nd2", ".oib", ".oif", ".vsi"),
           advice="save the pictures that count as PNG or TIFF"),
    VIDEO,
    Format("PFM", (".pfm",), rb"P[Ff]\s+\d+\s+\d+\s", advice=_RANGE),
    Format("SGI", (".sgi", ".rgb", ".rgba", ".bw"),
           rb"\x01\xda[\x00\x01][\x01\x02]\x00[\x01-\x03]"),
    Format("an icon", (".ico", ".cur", ".icns"), rb"icns|\x00\x00[\x01\x02]\x00[^\x00]\x00",
           advice="save the size that counts as PNG"),
    Format("WMF or EMF", (".wmf", ".emf"), rb"\xd7\xcd\xc6\x9a|\x01\x00\x00\x00.{36} EMF",
           advice=_DRAWN),
    Format("DICOM", (".dcm", ".dicom"), rb".{128}DICM",
           advice="save it as PNG or TIFF; the package pydicom can read it"),
    Format("a volume (NIfTI, NRRD, MetaImage)", (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"),
           rb"NRRD00|.{344}(?:n\+1|ni1)\x00", advice="save the slices that count as PNG or TIFF"),
    Format("SVG", (".svg", ".svgz"),
           rb"(?:\xef\xbb\xbf)?(?:\s|<\?xml[^>]*>|<!--[^>]*-->|<!DOCTYPE svg[^>]*>)*<svg[\s>]",
           advice=_DRAWN),
    TGA, PCX,
)
# fmt: on
_MARKS = re.compile(b"|".join(rb"(%s)" % kind.mark for kind in FORMATS), re.DOTALL)
_NAMES = [kind.name for kind in FORMATS if kind.reader]
READABLE = f"{', '.join(_NAMES[:-1])} or {_NAMES[-1]}"


def by_name(name: str) -> Format | None:
    """The format that the ending of a file's name claims."""
    lower = name.lower()
    return next((kind for kind in FORMATS if lower.endswith(kind.endings)), None)


def by_content(data: bytes) -> Format | None:
    """The format of a file that begins with these bytes, of which the first HEAD are looked at."""
    head = data[:HEAD]
    found = _MARKS.match(head)
    kind = FORMATS[found.lastindex - 1] if found and found.lastindex else None
    return _boxed(head) if kind is VIDEO and head[4:8] == b"ftyp" else kind


def _boxed(head: bytes) -> Format:
    """The format of an ISO media file, by its brand or one that it is compatible with."""
    length = min(int.from_bytes(head[:4]), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))]
    found = [kind for brand in brands for kind in FORMATS if brand in kind.brands]
    return AVIF if AVIF in found else found[0] if found else VIDEO
