"""Images that Python and Rust draw alike from a seed, and short forms of results.

Rust's twin is crates/firebrick-regularize/src/augment/golden/seeded_images.rs.
"""

import numpy as np
from PIL import Image

MULTIPLIER, INCREMENT, MASK = 6364136223846793005, 1442695040888963407, (1 << 64) - 1


def seeded(width, height, channels, kind, seed):
    """`[height, width, channels]`, u8. Kinds: noise, scene (a slope with some noise), narrow (8 values), flat."""
    state, values = seed, []
    for index in range(width * height * channels):
        state = (state * MULTIPLIER + INCREMENT) & MASK
        byte = state >> 56
        x, y, channel = index // channels % width, index // channels // width, index % channels
        values.append(
            {
                "noise": byte,
                "scene": 30 + (5 * x + 3 * y + 20 * channel) % 160 + (byte >> 3),
                "narrow": 100 + 15 * channel + (byte >> 5),
                "flat": 90 + 40 * channel,
            }[kind]
        )
    return np.array(values, dtype=np.uint8).reshape(height, width, channels)


def to_pil(pixels):
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def from_pil(image):
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def short(pixels, most=48):
    """The bytes in hexadecimal; of more than `most` bytes only their 64-bit FNV-1a hash, written `#…`."""
    data = np.ascontiguousarray(pixels).tobytes()
    if len(data) <= most:
        return data.hex()
    state = 0xCBF29CE484222325
    for byte in data:
        state = ((state ^ byte) * 0x100000001B3) & MASK
    return f"#{state:016x}"
