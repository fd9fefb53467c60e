"""The rounding error of PyTorch's float32 convolution, which ours is compared with.

    python3 xtask/golden/conv2d_error.py

writes crates/firebrick-core/tests/golden/conv2d_error.json. Needs torch.

For 3×3 convolutions with as many channels out as in, and for the result and both gradients: the root
mean square of the difference to the convolution in float64, divided by the root mean square of the
float64 result. Images are normally distributed, plain and rectified as after an activation; weights and
the incoming gradient are normally distributed. Each figure is a mean over some draws, on the CPU with
PyTorch's own choice of algorithm, so it holds for this processor, which the file names.
"""

import json
import math
import platform
from pathlib import Path

import torch
from torch.nn.functional import conv2d

OUT = Path(__file__).parents[2] / "crates/firebrick-core/tests/golden/conv2d_error.json"
CHANNELS = (16, 32, 64, 128, 256)
# Images of a batch, their side, and draws.
BATCH, SIDE, DRAWS = 4, 16, 3


def error(found, expected):
    size = expected.square().mean().sqrt()
    return ((found.double() - expected).square().mean().sqrt() / size).item()


def run(x, weight, cotangent, dtype):
    x, weight = (tensor.to(dtype).requires_grad_() for tensor in (x, weight))
    y = conv2d(x, weight, padding=1)
    y.backward(cotangent.to(dtype))
    return y.detach(), x.grad, weight.grad


def row(channels, rectified):
    sums = [0.0, 0.0, 0.0]
    for _ in range(DRAWS):
        x = torch.randn(BATCH, channels, SIDE, SIDE)
        x = x.relu() if rectified else x
        weight = torch.randn(channels, channels, 3, 3) / math.sqrt(9 * channels)
        cotangent = torch.randn(BATCH, channels, SIDE, SIDE)
        exact = run(x, weight, cotangent, torch.float64)
        found = run(x, weight, cotangent, torch.float32)
        sums = [total + error(*pair) / DRAWS for total, pair in zip(sums, zip(found, exact))]
    keys = ("output", "input_gradient", "weight_gradient")
    return {"channels": channels, "rectified": rectified, **dict(zip(keys, sums))}


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.split(': ')[1]}, {torch.backends.cpu.get_cpu_capability()}"
    return platform.processor()


def main():
    torch.manual_seed(0)
    document = {
        "command": "python3 xtask/golden/conv2d_error.py",
        "versions": {"torch": torch.__version__.split("+")[0], "processor": processor()},
        "batch": BATCH,
        "side": SIDE,
        "rows": [row(channels, rectified) for rectified in (False, True) for channels in CHANNELS],
    }
    OUT.write_text(json.dumps(document, indent=1) + "\n")
    for one in document["rows"]:
        print(one)


if __name__ == "__main__":
    main()
