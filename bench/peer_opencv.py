"""OpenCV, with NumPy where it ends, for `peer_augment.py`: the quickest way in a few calls."""

import random

import cv2
import numpy
import peer_geometry
from peer import Missing

LEVELS = numpy.arange(256, dtype=numpy.float64)


def table(levels):
    """Levels as a table for `cv2.LUT`."""
    return numpy.clip(levels, 0, 255).astype(numpy.uint8)


def decoded(photo):
    return cv2.imdecode(numpy.frombuffer(photo, numpy.uint8), cv2.IMREAD_COLOR_RGB)


def ways(case):
    """`(name, how a photo is brought into the form, the change)`."""
    change = operation(case)
    if not case.get("jpegs"):
        return [("OpenCV", numpy.copy, change)]
    return [("OpenCV", bytes, lambda photo: change(decoded(photo)))]


def brightness(image, factor):
    return cv2.convertScaleAbs(image, alpha=factor)


def contrast(image, factor):
    mean = round(cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0])
    return cv2.LUT(image, table(mean + factor * (LEVELS - mean)))


def saturation(image, factor):
    return cv2.addWeighted(image, factor, grayscale(image), 1 - factor, 0)


def grayscale(image):
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def equalize(image):
    return cv2.merge([cv2.equalizeHist(plane) for plane in cv2.split(image)])


def autocontrast(image):
    planes = []
    for plane in cv2.split(image):
        least, most, _, _ = cv2.minMaxLoc(plane)
        planes.append(cv2.LUT(plane, table((LEVELS - least) * (255 / max(most - least, 1)))))
    return cv2.merge(planes)


def operation(case):
    """The change of one photo."""
    values, output, side, name = case["values"], case["output"], case["side"], case["operation"]
    colours = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    if name == "photo":
        pairs = zip(case["normalize"]["mean"], case["normalize"]["std"])
        tables = [((LEVELS / 255 - mean) / std).astype(numpy.float32) for mean, std in pairs]

        def photo(image):
            left, top, width, height = peer_geometry.crop(side)
            part = image[top : top + height, left : left + width]
            image = cv2.resize(part, (output, output), interpolation=cv2.INTER_LINEAR)
            if random.random() < 0.5:
                image = cv2.flip(image, 1)
            for change, factor in peer_geometry.jitter(values):
                image = colours[change](image, factor)
            tensor = numpy.empty((3, output, output), numpy.float32)
            for channel, plane in enumerate(cv2.split(image)):
                cv2.LUT(plane, tables[channel], tensor[channel])
            return tensor

        return photo
    if name in colours:
        return lambda image: colours[name](image, values["factor"])

    def hue(image):
        image = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
        image[..., 0] += int(255 * values["turn"])
        return cv2.cvtColor(image, cv2.COLOR_HSV2RGB_FULL)

    def perspective(image):
        right = side - 1
        start = numpy.array([[0, 0], [right, 0], [right, right], [0, right]], numpy.float32)
        end = numpy.array(peer_geometry.corners(side, values["distortion"]), numpy.float32)
        matrix = cv2.getPerspectiveTransform(start, end)
        return cv2.warpPerspective(image, matrix, (side, side), flags=cv2.INTER_LINEAR)

    def erase(image):
        left, top, length = peer_geometry.rectangle(side, values["share"])
        image = image.copy()
        image[top : top + length, left : left + length] = 0
        return image

    def elastic(image):
        moves = []
        for places in numpy.meshgrid(line, line):
            drawn = generator.random((side, side), numpy.float32)
            drawn *= values["alpha"]
            drawn -= values["alpha"] / 2
            reach = int(8 * values["sigma"] + 1) | 1
            moves.append(places + cv2.GaussianBlur(drawn, (reach, reach), values["sigma"]))
        return cv2.remap(image, moves[0], moves[1], cv2.INTER_LINEAR)

    line, generator = numpy.arange(side, dtype=numpy.float32), numpy.random.default_rng(0)
    matrix = None
    if name == "affine":
        a, b, right, c, d, down = peer_geometry.affine(
            side, values["degrees"], values["scale"], values["shear"]
        )
        # OpenCV counts from the centres of pixels.
        matrix = numpy.array([[a, b, right + (a + b - 1) / 2], [c, d, down + (c + d - 1) / 2]])
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), values.get("degrees", 0), 1.0)
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    kernel = numpy.ones((3, 3), numpy.float32)
    kernel[1, 1] = 5
    kernel *= (1 - values.get("factor", 1)) / 13
    kernel[1, 1] += values.get("factor", 1)
    solarized = table(numpy.where(LEVELS < values.get("threshold", 0), LEVELS, 255 - LEVELS))
    mask = 256 - (1 << (8 - values.get("bits", 8)))
    posterized = table(numpy.arange(256) & mask)
    margin = (side - output) // 2
    inner = slice(margin, margin + output)
    changes = {
        "hflip": lambda image: cv2.flip(image, 1),
        "vflip": lambda image: cv2.flip(image, 0),
        # Its bilinear filter has no antialiasing, its area filter has.
        "resize": lambda image: cv2.resize(image, (output, output), interpolation=cv2.INTER_AREA),
        "center_crop": lambda image: image[inner, inner].copy(),
        "rotate": lambda image: cv2.warpAffine(image, turn, (side, side), flags=cv2.INTER_LINEAR),
        "affine": lambda image: cv2.warpAffine(image, matrix, (side, side), flags=inverse),
        "perspective": perspective,
        "hue": hue,
        "sharpness": lambda image: cv2.filter2D(image, -1, kernel),
        "posterize": lambda image: cv2.LUT(image, posterized),
        "solarize": lambda image: cv2.LUT(image, solarized),
        "equalize": equalize,
        "autocontrast": autocontrast,
        "invert": cv2.bitwise_not,
        "grayscale": grayscale,
        "blur": lambda image: cv2.GaussianBlur(image, (values["kernel"],) * 2, values["sigma"]),
        "elastic": elastic,
        "erase": erase,
    }
    if name not in changes:
        raise Missing({"cifar": "it has no TrivialAugment"}.get(name, f"it has no {name}"))
    return changes[name]
