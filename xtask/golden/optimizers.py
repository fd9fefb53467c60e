"""Golden values of the optimizers, from PyTorch in float64 on the CPU.

    python3 xtask/golden/optimizers.py

writes crates/firebrick-optim/tests/golden/optimizers.json. Needs torch.

Each case steps the same start by the same gradients, which change sign and shrink, and keeps values
and state after 1, 3, 10 and 50 steps. A case names the case it differs from by one option; the
script fails unless that option moves the result by at least a hundred times the tolerance of the
test in f32.
"""

import json
import math
import platform
from pathlib import Path

import torch

OUT = Path(__file__).parents[2] / "crates/firebrick-optim/tests/golden/optimizers.json"
TOLERANCE = 1e-5
STEPS = 50
KEEP = (1, 3, 10, 50)

INITIAL = [1.0, -0.5, 0.25, 0.0, 2.0, -1.5, 0.01]
# One entry never has a gradient, one loses it after ten steps.
GRADIENTS = [
    [
        0.0 if i == 3 or (i == 5 and k >= 10) else math.cos(0.7 * k + 1.3 * i) * 0.93**k * (1 + i / 3)
        for i in range(len(INITIAL))
    ]
    for k in range(STEPS)
]
MOMENTUM = [0.95 - 0.3 * k / STEPS for k in range(STEPS)]

# name: (spec, PyTorch's class and arguments, the case it must differ from, whether momentum is cycled)
SGD, ADAM, ADAMW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
CASES = {
    "sgd": ("sgd(0.05)", SGD, dict(lr=0.05), None, False),
    "sgd_decay": ("sgd(0.05, weight_decay=0.1)", SGD, dict(lr=0.05, weight_decay=0.1), "sgd", False),
    "sgd_momentum": ("sgd(0.05, 0.9)", SGD, dict(lr=0.05, momentum=0.9), "sgd", False),
    "sgd_dampening": (
        "sgd(0.05, momentum=0.9, dampening=0.3)",
        SGD, dict(lr=0.05, momentum=0.9, dampening=0.3), "sgd_momentum", False,
    ),
    "sgd_nesterov": (
        "sgd(0.05, momentum=0.9, nesterov=true)",
        SGD, dict(lr=0.05, momentum=0.9, nesterov=True), "sgd_momentum", False,
    ),
    "sgd_all": (
        "sgd(0.05, momentum=0.8, weight_decay=0.1, nesterov=true)",
        SGD, dict(lr=0.05, momentum=0.8, weight_decay=0.1, nesterov=True), "sgd_nesterov", False,
    ),
    "sgd_cycled": ("sgd(0.05, momentum=0.9)", SGD, dict(lr=0.05, momentum=0.9), "sgd_momentum", True),
    "adam": ("adam(0.02)", ADAM, dict(lr=0.02), None, False),
    "adam_beta1": ("adam(0.02, beta1=0.7)", ADAM, dict(lr=0.02, betas=(0.7, 0.999)), "adam", False),
    "adam_beta2": ("adam(0.02, beta2=0.8)", ADAM, dict(lr=0.02, betas=(0.9, 0.8)), "adam", False),
    "adam_eps": ("adam(0.02, eps=0.1)", ADAM, dict(lr=0.02, eps=0.1), "adam", False),
    "adam_decay": ("adam(0.02, weight_decay=0.1)", ADAM, dict(lr=0.02, weight_decay=0.1), "adam", False),
    "adam_amsgrad": (
        "adam(0.02, beta2=0.8, amsgrad=true)",
        ADAM, dict(lr=0.02, betas=(0.9, 0.8), amsgrad=True), "adam_beta2", False,
    ),
    "adam_cycled": ("adam(0.02)", ADAM, dict(lr=0.02), "adam", True),
    "adamw": ("adamw(0.02)", ADAMW, dict(lr=0.02), "adam", False),
    "adamw_beta1": ("adamw(0.02, beta1=0.7)", ADAMW, dict(lr=0.02, betas=(0.7, 0.999)), "adamw", False),
    "adamw_beta2": ("adamw(0.02, beta2=0.8)", ADAMW, dict(lr=0.02, betas=(0.9, 0.8)), "adamw", False),
    "adamw_eps": ("adamw(0.02, eps=0.1)", ADAMW, dict(lr=0.02, eps=0.1), "adamw", False),
    "adamw_decay": ("adamw(0.02, weight_decay=0.3)", ADAMW, dict(lr=0.02, weight_decay=0.3), "adamw", False),
    "adamw_amsgrad": (
        "adamw(0.02, beta2=0.8, amsgrad=true)",
        ADAMW, dict(lr=0.02, betas=(0.9, 0.8), amsgrad=True), "adamw_beta2", False,
    ),
}


def run(optimizer_class, arguments, cycled):
    parameter = torch.nn.Parameter(torch.tensor(INITIAL, dtype=torch.float64))
    optimizer = optimizer_class([parameter], foreach=False, **arguments)
    after = {}
    for k, gradient in enumerate(GRADIENTS):
        if cycled:
            group = optimizer.param_groups[0]
            if "betas" in group:
                group["betas"] = (MOMENTUM[k], group["betas"][1])
            else:
                group["momentum"] = MOMENTUM[k]
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        if k + 1 in KEEP:
            state = {
                name: value.tolist()
                for name, value in optimizer.state[parameter].items()
                if name != "step" and value is not None
            }
            after[k + 1] = {"value": parameter.detach().tolist(), "state": state}
    return after


def main():
    results = {}
    cases = []
    for name, (spec, optimizer_class, arguments, base, cycled) in CASES.items():
        after = results[name] = run(optimizer_class, arguments, cycled)
        if base is not None:
            here, there = after[STEPS]["value"], results[base][STEPS]["value"]
            moved = max(abs(a - b) for a, b in zip(here, there)) / max(abs(b) for b in there)
            assert moved >= 100 * TOLERANCE, f"{name} moves {base} by {moved:.1e} only"
        cases.append(
            {"spec": spec, "lr": arguments["lr"], "momentum": MOMENTUM if cycled else None, "after": after}
        )
    document = {
        "command": "python3 xtask/golden/optimizers.py",
        "versions": {"torch": torch.__version__.split("+")[0], "python": platform.python_version()},
        "initial": INITIAL,
        "gradients": GRADIENTS,
        "cases": cases,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    # One line for each case, so that a change shows where it is.
    lines = ",\n".join(
        f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(item)}" for item in value) + "\n ]"
        if isinstance(value, list)
        else f" {json.dumps(key)}: {json.dumps(value)}"
        for key, value in document.items()
    )
    OUT.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
