#!/usr/bin/env python3
"""Makes tests/fixtures: image files that only other encoders write, and what Pillow makes of them.

usage: pip install pillow numpy; python3 datasets/tests/golden.py

`*.rgb` and `*.grey` are raw pixels, rows from the top, channels interleaved.
"""
import io
import pathlib
import struct

import numpy as np
from PIL import Image

OUT = pathlib.Path(__file__).parent / "fixtures"
OUT.mkdir(exist_ok=True)


def photo(width, height):
    """Edges, gradients and a little texture; src/decode/tests.rs has the same formula."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    value = 3 * x + 5 * y + 40 * c + 90 * (((x // 8) + (y // 6) + c) % 2) + (x * y * (c + 1)) % 23
    return Image.fromarray((value % 256).astype(np.uint8))


def smooth(width, height):
    """For lossy files."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    planes = [255 * x // (width - 1), 255 * y // (height - 1), 255 - 255 * x // (width - 1)]
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8))


def save(name, data):
    (OUT / name).write_bytes(data)


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


# JPEGs. CMYK with real black, so that a wrong sign shows.
image = smooth(40, 24)
red, green, blue = (255 - np.asarray(image).astype(int)[..., c] for c in range(3))
black = np.minimum(np.minimum(red, green), blue) // 2
planes = [np.clip((plane - black) * 255 // (255 - black), 0, 255) for plane in (red, green, blue)]
cmyk = Image.fromarray(np.stack([*planes, black], -1).astype(np.uint8), "CMYK")
data = encoded(cmyk, format="JPEG", quality=95)
save("cmyk.jpg", data)
# The same file with Adobe's colour transform set from 0 (CMYK) to 2 (YCCK): other colours, but Pillow
# says which.
at = data.index(b"Adobe") + 11
assert data[at] == 0
data = data[:at] + b"\x02" + data[at + 1:]
save("ycck.jpg", data)
save("progressive.jpg", encoded(image, format="JPEG", quality=90, progressive=True))
for name in ("cmyk", "ycck", "progressive"):
    save(f"{name}.rgb", Image.open(OUT / f"{name}.jpg").convert("RGB").tobytes())

# Files that the image crate cannot write: lossy WebP, palettes, one bit a pixel.
save("lossy.webp", encoded(image, format="WEBP", quality=90))
save("lossy.rgb", Image.open(OUT / "lossy.webp").convert("RGB").tobytes())
palette = photo(40, 24).quantize(16)
save("palette.png", encoded(palette, format="PNG"))
save("palette.bmp", encoded(palette, format="BMP"))
save("palette.rgb", palette.convert("RGB").tobytes())
save("bilevel.png", encoded(photo(40, 24).convert("1"), format="PNG"))
save("bilevel.grey", photo(40, 24).convert("1").convert("L").tobytes())
save("cmyk.tiff", encoded(cmyk, format="TIFF", compression="tiff_lzw"))
save("cmyk_tiff.rgb", cmyk.convert("RGB").tobytes())

# A TIFF of three planes, each one tile larger than the image: the tiff crate 0.11 asserts on it.
tile, size = 16, (10, 6)
entries = [(256, 3, 1, size[0]), (257, 3, 1, size[1]), (258, 3, 3, 200), (259, 3, 1, 1), (262, 3, 1, 2), (277, 3, 1, 3),
           (284, 3, 1, 2), (322, 3, 1, tile), (323, 3, 1, tile), (324, 4, 3, 210), (325, 4, 3, 230), (339, 3, 3, 250)]
data = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
data = bytearray(data.ljust(300, b"\0"))
struct.pack_into("<3H", data, 200, 8, 8, 8)
struct.pack_into("<3I", data, 210, *(300 + plane * tile * tile for plane in range(3)))
struct.pack_into("<3I", data, 230, *[tile * tile] * 3)
struct.pack_into("<3H", data, 250, 1, 1, 1)
save("planar_tiles.tiff", bytes(data) + bytes([77]) * (3 * tile * tile))

save("luma.grey", photo(61, 43).convert("L").tobytes())
