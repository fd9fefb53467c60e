"""The image of all golden scripts in this folder, and how results are written."""

import base64

import numpy as np
from PIL import Image


def photo(width, height, channels):
    """Edges, gradients and a little texture; `firebrick_types::testkit::photo` has the same formula."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    value = 3 * x + 5 * y + 40 * c + 90 * ((x // 8 + y // 6 + c) % 2) + (x * y * (c + 1)) % 23
    pixels = (value % 256).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def shown(image):
    """Width, height and pixels, rows from the top, channels interleaved."""
    pixels = base64.b64encode(image.tobytes()).decode()
    return {"width": image.width, "height": image.height, "pixels": pixels}
