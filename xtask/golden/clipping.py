"""Golden values of gradient clipping, from PyTorch and timm in float64 on the CPU.

    python3 xtask/golden/clipping.py

writes crates/firebrick-core/tests/golden/clipping.json. The limits are applied in our order: value, norm
of each tensor, AGC, joint norm. AGC leaves out the head, as timm does. The script fails unless each limit
changes the result by far more than the tolerance.
"""

import json
import math
from importlib.metadata import version
from pathlib import Path

import torch
from timm.utils.agc import adaptive_clip_grad

OUT = Path(__file__).parents[2] / "crates/firebrick-core/tests/golden/clipping.json"
# The matrices lie `[in, out]`; the last module is the head.
SHAPES = {
    "conv.weight": [3, 2, 2, 2],
    "conv.bias": [3],
    "hidden.weight": [4, 5],
    "norm.weight": [5],
    "fc.weight": [5, 3],
    "fc.bias": [3],
}
HEAD = "fc."


def values(name, phase, scale):
    index = torch.arange(math.prod(SHAPES[name]), dtype=torch.float64)
    # Small and large units, so that some are clipped and some are not.
    return (scale * torch.sin(1.3 * index + len(name) + phase) * (0.2 + (index % 7) / 3)).reshape(SHAPES[name])


def clip(limits):
    parameters = {name: torch.nn.Parameter(values(name, 0.0, 0.5)) for name in SHAPES}
    for name, one in parameters.items():
        one.grad = values(name, 2.0, 2.0 if "hidden" in name else 0.02)
    everything = list(parameters.values())
    if "value" in limits:
        torch.nn.utils.clip_grad_value_(everything, limits["value"])
    if "tensor_norm" in limits:
        for one in everything:
            torch.nn.utils.clip_grad_norm_([one], limits["tensor_norm"])
    if "agc" in limits:
        for name, one in parameters.items():
            if name.startswith(HEAD):
                continue
            # timm's matrices are `[out, in]`.
            turned = torch.nn.Parameter(one.detach().T if one.dim() == 2 else one.detach())
            turned.grad = (one.grad.T if one.dim() == 2 else one.grad).clone()
            adaptive_clip_grad([turned], clip_factor=limits["agc"], eps=1e-3)
            one.grad = turned.grad.T if one.dim() == 2 else turned.grad
    if "norm" in limits:
        torch.nn.utils.clip_grad_norm_(everything, limits["norm"])
    return {name: one.grad.reshape(-1).tolist() for name, one in parameters.items()}


def main():
    plain = clip({})
    cases = []
    for limits in [
        {"value": 0.01},
        {"tensor_norm": 0.05},
        {"agc": 0.05},
        {"agc": 0.5},
        {"norm": 0.5},
        {"value": 0.5, "tensor_norm": 1.0, "agc": 0.05, "norm": 0.1},
    ]:
        clipped = clip(limits)
        moved = max(abs(a - b) for name in SHAPES for a, b in zip(clipped[name], plain[name]))
        assert moved > 1e-3, f"{limits} change nothing"
        cases.append({"limits": limits, "clipped": clipped})
    document = {
        "command": "python3 xtask/golden/clipping.py",
        "versions": {package: version(package).split("+")[0] for package in ("torch", "timm")},
        "parameters": [
            {
                "path": name,
                "shape": SHAPES[name],
                "value": values(name, 0.0, 0.5).reshape(-1).tolist(),
                "gradient": plain[name],
            }
            for name in SHAPES
        ],
        "cases": cases,
    }
    lines = ",\n".join(
        f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(case)}" for case in value) + "\n ]"
        if isinstance(value, list)
        else f" {json.dumps(key)}: {json.dumps(value)}"
        for key, value in document.items()
    )
    OUT.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
