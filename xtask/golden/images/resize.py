"""Golden values of resizing and fitting, from Pillow and torchvision.

    python3 xtask/golden/images/resize.py

writes crates/firebrick-types/tests/golden/resize.json. The script fails unless antialiasing and the box change the result
by far more than the tolerance.
"""

import json
import math
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL.Image import Resampling
from torchvision.transforms.v2 import functional
from torchvision.transforms.v2 import InterpolationMode

from photo import photo, shown

OUT = Path(__file__).parents[3] / "crates/firebrick-types/tests/golden/resize.json"
FILTERS = {
    "nearest": Resampling.NEAREST,
    "bilinear": Resampling.BILINEAR,
    "bicubic": Resampling.BICUBIC,
    "box": Resampling.BOX,
    "lanczos": Resampling.LANCZOS,
}
SIZES = [
    # Smaller, larger, mixed. Odd sizes: to an even one, edges of boxes may fall on centres of pixels, and rounding decides.
    ((61, 43, 3), (19, 13)),
    ((61, 43, 1), (21, 23)),
    ((23, 17, 3), (31, 29)),
    ((33, 45, 1), (63, 11)),
    # Far smaller: each pixel is a mean of hundreds.
    ((401, 301, 3), (7, 5)),
    # One pixel, one row, one column.
    ((1, 1, 3), (3, 2)),
    ((1, 9, 1), (4, 5)),
    ((13, 1, 3), (5, 2)),
    ((9, 7, 3), (1, 1)),
]
BOXES = [((61, 43, 3), (3.3, 4.6, 50.7, 40.1), (17, 11)), ((33, 45, 1), (10.0, 5.0, 21.5, 44.0), (24, 19))]

resizes = []
for source, size in SIZES:
    for name, resampling in FILTERS.items():
        resized = photo(*source).resize(size, resampling)
        resizes.append({"source": source, "filter": name, **shown(resized)})
for source, box, size in BOXES:
    for name, resampling in FILTERS.items():
        resized = photo(*source).resize(size, resampling, box)
        whole = photo(*source).resize(size, resampling)
        assert np.abs(np.asarray(resized, int) - np.asarray(whole, int)).max() > 30
        resizes.append({"source": source, "filter": name, "box": box, **shown(resized)})


def fitted(source, target, crop, filter, squash):
    """torchvision's Resize and CenterCrop with timm's crop_pct."""
    image = photo(*source)
    width, height = (math.floor(side / crop) for side in target)
    mode = InterpolationMode(filter)
    if squash:
        image = functional.resize(image, [height, width], mode)
    elif width == height:
        image = functional.resize(image, [width], mode)
    else:
        # As timm's ResizeKeepRatio: both sides cover the size.
        factor = max(width / source[0], height / source[1])
        image = functional.resize(image, [int(source[1] * factor), int(source[0] * factor)], mode)
    return functional.center_crop(image, list(target[::-1]))


fits = []
for source, target, crop, filter, squash in [
    ((61, 43, 3), (32, 32), 1.0, "bilinear", False),
    ((61, 43, 3), (20, 24), 1.0, "bilinear", True),
    ((61, 43, 3), (28, 28), 0.875, "bilinear", False),
    ((43, 62, 3), (28, 28), 0.875, "bicubic", False),
    ((61, 43, 1), (19, 19), 0.9, "bicubic", False),
    ((61, 43, 3), (28, 14), 0.875, "lanczos", True),
    ((400, 47, 1), (24, 16), 0.5, "bilinear", False),
    # Of the right size already, but only the centre is kept.
    ((32, 32, 3), (32, 32), 0.875, "bilinear", False),
]:
    fit = "squash" if squash else "crop"
    result = fitted(source, target, crop, filter, squash)
    fits.append({"source": source, "crop": crop, "filter": filter, "fit": fit, **shown(result)})

source = photo(61, 43, 3)
aliased = np.asarray(source.resize((20, 13), Resampling.NEAREST), int)
assert np.abs(aliased - np.asarray(source.resize((20, 13), Resampling.BILINEAR), int)).max() > 50
versions = {name: version(name) for name in ("pillow", "torchvision")}
OUT.parent.mkdir(parents=True, exist_ok=True)
OUT.write_text(json.dumps({"versions": versions, "resizes": resizes, "fits": fits}, indent=1) + "\n")
