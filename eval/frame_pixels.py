"""An image file -> BGR pixels, or a sentence why not. Pillow decodes: OpenCV takes half a JPEG for a whole one."""

import io
import logging
import os
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

MAX_PIXELS = 150_000_000
"""A 12-kilobyte PNG can claim gigabytes of pixels; the largest phone photographs that are in use have 108 million."""

MAX_ASPECT = 20
"""Longer side over shorter. Networks see a fixed height, so a strip of 1 x 3000 pixels would become a million wide."""

_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)
"""EXIF's tag, and its values for pictures that are turned by a quarter."""

# Whatever Pillow's parsers let through on broken files; found by mutating files of every format (tests).
BROKEN = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error)

# Without a handler of its own, Pillow's logger would print through logging's last resort onto stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class BrokenImage(ValueError):  # noqa: N818 - says what it is
    """The file cannot be read as a whole image; the message is a reason for people."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decodes the whole file: (H, W, 3) uint8, blue first, turned upright as its EXIF orientation says.

    Grey, palette, CMYK and 16-bit images are converted, transparency is dropped, of an animation the first picture is
    taken. Raises BrokenImage.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BrokenImage("the file is missing") from None
    except OSError as error:
        raise BrokenImage(f"cannot be opened: {error.strerror}") from error
    if not data:
        raise BrokenImage("the file is empty")
    return decode_image(data)


def image_size(path: Path) -> tuple[int, int] | None:
    """Width and height as `read_image` would give them, from the file's first bytes; None where it could not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                turned = image.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
                return (image.height, image.width) if turned else (image.width, image.height)
        except (*BROKEN, UnidentifiedImageError, Image.DecompressionBombError, zlib.error):
            return None


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """As read_image, from the file's bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _decode(data)
        except BrokenImage:
            raise
        except UnidentifiedImageError:
            raise BrokenImage("is no image of a known format") from None
        except MemoryError:
            raise BrokenImage("needs more memory than there is") from None
        except Image.DecompressionBombError as error:
            raise BrokenImage(f"too large: {error}") from error
        except (*BROKEN, zlib.error) as error:
            raise BrokenImage(f"cannot be decoded: {error}") from error


def _decode(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > MAX_PIXELS:
            raise BrokenImage(f"too large: {image.width} x {image.height} pixels, at most {MAX_PIXELS} are read")
        short, long = sorted((image.width, image.height))
        if long > MAX_ASPECT * short:
            raise BrokenImage(f"too narrow for people: {image.width} x {image.height} pixels")
        with _silence() if image.format == "TIFF" else nullcontext():
            image.load()
        upright = ImageOps.exif_transpose(image)
    rgb = np.asarray(_eight_bit(upright).convert("RGB"))
    return np.ascontiguousarray(rgb[..., ::-1])


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits to 8; Pillow's own conversion would clip everything above 255 to white."""
    if image.mode == "F":
        raise BrokenImage("holds floating-point values, whose white is not known")
    if not image.mode.startswith("I"):
        return image
    wide = np.asarray(image).astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise BrokenImage("holds 32-bit values, whose white is not known")
    return Image.fromarray((wide // 257).astype(np.uint8))


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps libtiff, which knows nothing of Python's stderr, from printing there; the exception says the same."""
    sys.stderr.flush()
    with Path(os.devnull).open("w") as nothing, os.fdopen(os.dup(2), "w") as kept:
        os.dup2(nothing.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept.fileno(), 2)
