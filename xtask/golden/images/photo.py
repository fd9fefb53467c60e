"""The image of all golden scripts in this folder, and how results are written."""

import base64

import numpy as np
from PIL import Image


def across_then_down(image, size, resample=Image.Resampling.BICUBIC, box=None, reducing_gap=None, one_call=Image.Image.resize):
    """Pillow's resize, always across first. Pillow 13 begins with what it expects to be faster; versions before it begin
    across, as we do, and the overshoot of sharp filters is cut off in between."""
    left, top, right, bottom = box or (0, 0, *image.size)
    if resample == Image.Resampling.NEAREST:
        return one_call(image, size, resample, box)
    narrow = one_call(image, (size[0], image.height), resample, (left, 0, right, image.height))
    return one_call(narrow, size, resample, (0, top, size[0], bottom))


# Also where torchvision calls it.
Image.Image.resize = across_then_down


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
