"""Made-up photos, the same bytes as those of `bench/src/photo.rs`: whole numbers throughout."""

import numpy


def noise(rows, columns, seed):
    """A value of 0 to 255 for each point of a lattice."""
    y, x = numpy.arange(rows, dtype=numpy.uint32), numpy.arange(columns, dtype=numpy.uint32)
    lattice = (
        x[None] * numpy.uint32(374_761_393)
        + y[:, None] * numpy.uint32(668_265_263)
        + numpy.uint32(seed * 2_246_822_519 % 2**32)
    )
    lattice = (lattice ^ (lattice >> numpy.uint32(13))) * numpy.uint32(1_274_126_177)
    return ((lattice ^ (lattice >> numpy.uint32(16))) & numpy.uint32(255)).astype(numpy.int64)


def clouds(side, cell, seed):
    """Noise on a lattice of `cell` pixels, linear in between."""
    lattice = noise(side // cell + 1, side // cell + 1, seed)
    at = numpy.arange(side)
    first, part = at // cell, at % cell
    rows = lattice[first] * (cell - part)[:, None] + lattice[first + 1] * part[:, None]
    mixed = rows[:, first] * (cell - part) + rows[:, first + 1] * part
    return mixed // (cell * cell)


def photo(side, index):
    """`[side, side, 3]` in 8 bits: shapes with edges, soft light, texture that is weaker the finer it is.

    No value is at either end, so that `autocontrast` has something to do.
    """
    seed = 16 * index
    light, cell, weight = 0, side // 4, 32
    while cell >= 2:
        seed += 1
        light = light + (clouds(side, cell, seed) - 128) * weight
        cell, weight = cell // 2, weight // 2
    shape = numpy.where(clouds(side, side // 4, 16 * index + 9) > 120, 150, 90)
    grain = noise(side, side, 16 * index + 10) // 32 - 4
    grey = shape + light // 40 + grain
    tint = [(clouds(side, side // 4, 16 * index + 11 + channel) - 128) // 3 for channel in range(3)]
    pixels = numpy.stack([grey + one for one in tint], axis=-1)
    return pixels.clip(8, 243).astype(numpy.uint8)
