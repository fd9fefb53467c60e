"""Geometry that Pillow and OpenCV leave to the user: torchvision's formulas, on pixel corners."""

import math
import random


def crop(side):
    """A random part of a square: left, top, width, height, drawn as torchvision's `RandomResizedCrop` does."""
    for _ in range(10):
        area = side * side * random.uniform(0.08, 1.0)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= side and 0 < height <= side:
            return random.randint(0, side - width), random.randint(0, side - height), width, height
    return 0, 0, side, side


def affine(side, degrees, scale, shear):
    """The six numbers that lead from a point of the result to one of the image; degrees are clockwise."""
    turn, slant = math.radians(degrees), math.radians(shear)
    matrix = [
        math.cos(turn),
        -math.cos(turn) * math.tan(slant) - math.sin(turn),
        math.sin(turn),
        -math.sin(turn) * math.tan(slant) + math.cos(turn),
    ]
    a, b, c, d = (value / scale for value in (matrix[3], -matrix[1], -matrix[2], matrix[0]))
    centre = side / 2
    return [a, b, centre - (a + b) * centre, c, d, centre - (c + d) * centre]


def corners(side, distortion):
    """Where the corners of a square are shown, drawn as torchvision's `RandomPerspective` does."""
    bound = int(distortion * (side // 2)) + 1

    def corner(right, lower):
        x, y = random.randrange(bound), random.randrange(bound)
        return [side - bound + x if right else x, side - bound + y if lower else y]

    return [corner(False, False), corner(True, False), corner(True, True), corner(False, True)]


def rectangle(side, share):
    """A square of this share of the area at a random place: left, top, its side."""
    length = round(side * math.sqrt(share))
    return random.randint(0, side - length), random.randint(0, side - length), length


def jitter(values):
    """Random factors of brightness, contrast and saturation, in random order: `[(name, factor)]`."""
    names = ["brightness", "contrast", "saturation"]
    factors = [(name, random.uniform(1 - values[name], 1 + values[name])) for name in names]
    random.shuffle(factors)
    return factors
