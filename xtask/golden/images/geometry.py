"""Golden values of geometric augmentations, from torchvision v2 on Pillow images, and from OpenCV for the lens.

    python3 xtask/golden/images/geometry.py

writes crates/firebrick-regularize/tests/golden/geometry.json: for each case a spec, the parameters that it drew, and the
image that comes of them. The script fails unless each case differs from the image by far more than the tolerance.
"""

import json
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode, functional

from photo import photo, shown

OUT = Path(__file__).parents[3] / "crates/firebrick-regularize/tests/golden/geometry.json"
COLOUR, GREY = (61, 43, 3), (33, 45, 1)
FILL = 51  # 0.2 of full intensity
cases = []


def case(spec, source, params, transform, changes=True):
    image = photo(*source)
    result = transform(image)
    if changes and result.size == image.size and image.size > (1, 1):
        assert np.abs(np.asarray(result, int) - np.asarray(image, int)).max() > 30, spec
    cases.append({"spec": spec, "source": source, "params": params, **shown(result)})


def fill(image):
    return [FILL] * len(image.getbands())


# Moves of whole pixels: bit for bit.
for source in (COLOUR, GREY, (1, 1, 3), (1, 9, 1), (13, 1, 3)):
    case("hflip", source, {}, functional.horizontal_flip, source[0] > 1)
    case("vflip", source, {}, functional.vertical_flip, source[1] > 1)
for size, source in (([20, 30], COLOUR), ([21, 16], GREY), ([44, 24], GREY)):
    width, height, _ = source
    top, left = int(round((height - size[0]) / 2.0)), int(round((width - size[1]) / 2.0))
    params = {"top": top, "left": left, "height": size[0], "width": size[1]}
    case(f"center_crop({size})", source, params, lambda image: functional.center_crop(image, size))
case(
    "center_crop(5, pad_if_needed=true)",
    (13, 1, 3),
    {"top": -2, "left": 4, "height": 5, "width": 5},
    lambda image: functional.center_crop(image, [5, 5]),
)
for size, top, left, source in (([20, 30], 3, 17, COLOUR), ([45, 7], 0, 26, GREY)):
    params = {"top": top, "left": left, "height": size[0], "width": size[1]}
    case(f"random_crop({size})", source, params, lambda image: functional.crop(image, top, left, *size))
for x, y, source in ((7, -4, COLOUR), (-20, 13, GREY), (40, 0, GREY)):
    case(
        "translate(fill=0.2)",
        source,
        {"x": x, "y": y},
        lambda image: functional.affine(image, 0.0, [x, y], 1.0, [0.0, 0.0], fill=fill(image)),
    )

# Resizing.
for name in ("nearest", "bilinear", "bicubic", "lanczos"):
    mode = InterpolationMode(name)
    size = {"width": 28, "height": 20}
    case(f"resize(20, {name})", COLOUR, size, lambda image: functional.resize(image, [20], mode))
    for top, left, height, width, out, source in (
        (5, 9, 30, 41, [24, 24], COLOUR),
        (11, 2, 13, 17, [32, 27], COLOUR),
        (1, 0, 40, 33, [9, 40], GREY),
        (0, 0, 1, 1, [3, 4], (1, 1, 3)),
    ):
        params = {"top": top, "left": left, "height": height, "width": width, "size": {"width": out[1], "height": out[0]}}
        case(
            f"random_resized_crop({out}, filter={name})",
            source,
            params,
            lambda image: functional.resized_crop(image, top, left, height, width, out, mode),
        )

# Affine.
for name in ("nearest", "bilinear"):
    mode = InterpolationMode(name)
    for degrees, expand, source in (
        (15.0, False, COLOUR),
        (-37.3, True, COLOUR),
        (90.0, False, GREY),
        (128.5, False, GREY),
        (20.0, False, (1, 9, 1)),
        (20.0, True, (1, 1, 3)),
    ):
        case(
            f"rotate(filter={name}, fill=0.2, expand={str(expand).lower()})",
            source,
            {"degrees": degrees},
            lambda image: functional.rotate(image, degrees, mode, expand, fill=fill(image)),
            source[0] > 1,
        )
    for source in (COLOUR, GREY, (13, 1, 3)):
        for factor in (0.7, 1.35):
            case(
                f"scale(filter={name}, fill=0.2)",
                source,
                {"scale": factor},
                lambda image: functional.affine(image, 0.0, [0, 0], factor, [0.0, 0.0], mode, fill(image)),
            )
        case(
            f"shear(filter={name}, fill=0.2)",
            source,
            {"x": 14.5, "y": -6.0},
            lambda image: functional.affine(image, 0.0, [0, 0], 1.0, [14.5, -6.0], mode, fill(image)),
        )
        pose = {"degrees": -23.0, "translate": [5.0, -3.0], "scale": 1.2, "shear": [8.0, 3.0]}
        case(
            f"affine(filter={name}, fill=0.2)",
            source,
            pose,
            lambda image: functional.affine(image, -23.0, [5, -3], 1.2, [8.0, 3.0], mode, fill(image)),
        )
    for corners, source in (
        ([[4, 6], [55, 2], [58, 40], [9, 33]], COLOUR),
        ([[0, 11], [27, 0], [32, 39], [7, 44]], GREY),
    ):
        right, lower = source[0] - 1, source[1] - 1
        start = [[0, 0], [right, 0], [right, lower], [0, lower]]
        case(
            f"perspective(filter={name}, fill=0.2)",
            source,
            {"corners": corners},
            lambda image: functional.perspective(image, start, corners, mode, fill(image)),
        )


def lens(image, k1, k2):
    """OpenCV's map, whose pixels have their centres at whole numbers, read in double precision as Pillow reads."""
    width, height = image.size
    focal = np.hypot(width, height) / 2
    camera = np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1]])
    u, v = cv2.initUndistortRectifyMap(camera, np.array([k1, k2, 0, 0]), None, camera, image.size, cv2.CV_32FC1)
    pixels = np.asarray(image, np.float64).reshape(height, width, -1)
    inside = (u >= -0.5) & (u < width - 0.5) & (v >= -0.5) & (v < height - 0.5)
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    at = lambda x, y: pixels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    dx, dy = (u - left)[..., None], (v - top)[..., None]
    upper = at(left, top) * (1 - dx) + at(left + 1, top) * dx
    lower = at(left, top + 1) * (1 - dx) + at(left + 1, top + 1) * dx
    result = np.where(inside[..., None], upper * (1 - dy) + lower * dy, FILL).astype(np.uint8)
    return Image.fromarray(result.squeeze(-1) if result.shape[-1] == 1 else result)


for source in (COLOUR, GREY):
    for k1, k2 in ((0.3, 0.0), (-0.2, 0.1)):
        case("lens(fill=0.2)", source, {"k1": k1, "k2": k2}, lambda image: lens(image, k1, k2))

# Elastic: a displacement by a formula, and its Gaussian filter.
width, height = 24, 18
y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
noise = np.stack([np.sin(12.9898 * x + 78.233 * y), np.cos(3.7 * x * y + y)]).astype(np.float64)
smooth = functional.gaussian_blur(torch.tensor(noise)[:, None], [17, 17], [2.0, 2.0])[:, 0].numpy()
pixels = 9.0 * smooth
# torchvision's displacements are shares of half the image.
shares = torch.tensor(np.stack([pixels[0] * 2 / width, pixels[1] * 2 / height], -1)[None])
image = functional.pil_to_tensor(photo(width, height, 3)).to(torch.float64)
moved = functional.elastic(image, shares, InterpolationMode.BILINEAR, fill=None)
assert (moved - image).abs().max() > 30
elastic = {
    "smooth": [[round(value, 12) for value in plane.reshape(-1).tolist()] for plane in smooth],
    "moved": [round(value, 6) for value in moved.permute(1, 2, 0).reshape(-1).tolist()],
}

versions = {name: version(name) for name in ("pillow", "torchvision", "opencv-python-headless")}
OUT.parent.mkdir(parents=True, exist_ok=True)
OUT.write_text(json.dumps({"versions": versions, "cases": cases, "elastic": elastic}, indent=1) + "\n")
print(len(cases), OUT.stat().st_size)
