"""Pillow, with NumPy where it ends, for `peer_augment.py`."""

import io
import random

import numpy
import peer_geometry
from peer import Missing
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

BILINEAR = Image.Resampling.BILINEAR
ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
    "sharpness": ImageEnhance.Sharpness,
}


def ways(case):
    """`(name, how a photo is brought into the form, the change)`."""
    change = operation(case)
    if not case.get("jpegs"):
        return [("Pillow", Image.fromarray, change)]
    return [("Pillow", bytes, lambda photo: change(Image.open(io.BytesIO(photo)).convert("RGB")))]


def through(corners, side):
    """The eight numbers of the perspective that shows the corners of a square there."""
    right = side - 1
    rows, sides = [], []
    for (x, y), (u, v) in zip(corners, [(0, 0), (right, 0), (right, right), (0, right)]):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        sides += [u, v]
    return numpy.linalg.solve(numpy.array(rows, dtype=float), numpy.array(sides, dtype=float))


def operation(case):
    """The change of one photo."""
    values, output, side, name = case["values"], case["output"], case["side"], case["operation"]
    if name == "photo":
        mean, std = (numpy.array(case["normalize"][key], numpy.float32) for key in ("mean", "std"))
        scale, shift = (1 / (255 * std))[:, None, None], (mean / std)[:, None, None]

        def photo(image):
            left, top, width, height = peer_geometry.crop(side)
            image = image.resize((output, output), BILINEAR, (left, top, left + width, top + height))
            if random.random() < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            for change, factor in peer_geometry.jitter(values):
                image = ENHANCERS[change](image).enhance(factor)
            planes = numpy.asarray(image).transpose(2, 0, 1)
            tensor = numpy.multiply(planes, scale, dtype=numpy.float32, order="C")
            tensor -= shift
            return tensor

        return photo
    if name in ENHANCERS:
        return lambda image: ENHANCERS[name](image).enhance(values["factor"])

    def perspective(image):
        numbers = through(peer_geometry.corners(side, values["distortion"]), side)
        return image.transform(image.size, Image.Transform.PERSPECTIVE, numbers, BILINEAR)

    def erase(image):
        left, top, length = peer_geometry.rectangle(side, values["share"])
        image = image.copy()
        image.paste(0, (left, top, left + length, top + length))
        return image

    def hue(image):
        colour, saturation, value = image.convert("HSV").split()
        return Image.merge("HSV", (colour.point(turned), saturation, value)).convert("RGB")

    turned = [(value + int(255 * values.get("turn", 0))) % 256 for value in range(256)]
    numbers = ()
    if name == "affine":
        numbers = peer_geometry.affine(side, values["degrees"], values["scale"], values["shear"])
    margin = (side - output) // 2
    changes = {
        "hflip": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "vflip": lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        "resize": lambda image: image.resize((output, output), BILINEAR),
        "center_crop": lambda image: image.crop((margin, margin, margin + output, margin + output)),
        "rotate": lambda image: image.rotate(values["degrees"], BILINEAR),
        "affine": lambda image: image.transform(image.size, Image.Transform.AFFINE, numbers, BILINEAR),
        "perspective": perspective,
        "hue": hue,
        "posterize": lambda image: ImageOps.posterize(image, values["bits"]),
        "solarize": lambda image: ImageOps.solarize(image, values["threshold"]),
        "equalize": ImageOps.equalize,
        "autocontrast": ImageOps.autocontrast,
        "invert": ImageOps.invert,
        "grayscale": lambda image: image.convert("L").convert("RGB"),
        "blur": lambda image: image.filter(ImageFilter.GaussianBlur(values["sigma"])),
        "erase": erase,
    }
    if name not in changes:
        raise Missing({"cifar": "it has no TrivialAugment"}.get(name, f"it has no {name}"))
    return changes[name]
