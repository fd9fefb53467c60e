"""Golden values of penalties: their value and gradient, from PyTorch's autograd in float64 on the CPU.

    python3 xtask/golden/penalties.py

writes crates/firebrick-regularize/tests/golden/penalties.json. Each penalty is written as its formula and
differentiated by PyTorch; max_norm comes from `torch.renorm`. Matrices of linear layers lie `[in, out]`, so a
unit is a column. The script fails where a penalty is the same for two parameters, or 0.
"""

import json
import math
from importlib.metadata import version
from pathlib import Path

import torch

OUT = Path(__file__).parents[2] / "crates/firebrick-regularize/tests/golden/penalties.json"
SHAPES = {"wide.weight": [3, 5], "tall.weight": [6, 2], "conv.weight": [4, 2, 2, 1], "fc.bias": [3]}


def values(name):
    index = torch.arange(math.prod(SHAPES[name]), dtype=torch.float64)
    value = (torch.sin(1.7 * index + len(name)) * (0.2 + (index % 5) / 3)).reshape(SHAPES[name])
    value.reshape(-1)[1] = 0.0
    if name == "conv.weight":
        value[2] = 0.0
    return value


def units(value):
    """One row for each unit."""
    return value.T if value.dim() == 2 else value.reshape(value.shape[0], -1)


def norms(value):
    squares = units(value).square().sum(1)
    # The norm of a unit that is 0 has no gradient; its subgradient 0 is the convention.
    return torch.where(squares > 0, squares.clamp_min(1e-300).sqrt(), squares)


def orthogonal(value):
    rows = units(value)
    gram = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    return (gram - torch.eye(len(gram), dtype=value.dtype)).square().sum()


PENALTIES = {
    "l1(0.3)": lambda w: 0.3 * w.abs().sum(),
    "l2(0.3)": lambda w: 0.3 * w.square().sum(),
    "elastic_net(0.2, 0.4)": lambda w: 0.2 * w.abs().sum() + 0.4 * w.square().sum(),
    "group_lasso(0.3)": lambda w: 0.3 * math.sqrt(units(w).shape[1]) * norms(w).sum(),
    "orthogonal(0.3)": lambda w: 0.3 * orthogonal(w),
}
# L2-SP: alpha / 2 times the squared distance from the pretrained weights, beta / 2 times the squared norm of the new ones, as in equation 3
# of Li et al. 2018, with alpha = 0.6 and beta = 0.4.
L2_SP = "l2_sp(0.3, fresh=0.2)"
ALPHA, BETA = 0.6, 0.4
FRESH = "fc.bias"


def start(name):
    """The pretrained weights of a parameter."""
    index = torch.arange(math.prod(SHAPES[name]), dtype=torch.float64)
    return (torch.cos(0.9 * index + len(name)) * (0.1 + (index % 3) / 4)).reshape(SHAPES[name])


def l2_sp(name, value):
    if name == FRESH:
        return BETA / 2 * torch.linalg.vector_norm(value) ** 2
    return ALPHA / 2 * torch.nn.functional.mse_loss(value, start(name), reduction="sum")


LOGITS = [[2.0, -1.0, 0.5], [0.1, 0.2, -0.3], [5.0, -5.0, 0.0], [0.0, 0.0, 0.0]]


def main():
    cases = []
    for spec, penalty in PENALTIES.items():
        seen = set()
        for name in SHAPES:
            if len(SHAPES[name]) == 1 and spec.startswith(("group", "orth")):
                continue
            value = values(name).requires_grad_()
            charge = penalty(value)
            charge.backward()
            assert charge.item() > 0 and charge.item() not in seen, spec
            seen.add(charge.item())
            cases.append({"spec": spec, "path": name, "value": charge.item(), "gradient": value.grad.reshape(-1).tolist()})
    seen = set()
    for name in SHAPES:
        value = values(name).requires_grad_()
        charge = l2_sp(name, value)
        charge.backward()
        assert charge.item() > 0 and charge.item() not in seen
        # The starting point counts.
        assert name == FRESH or (charge - ALPHA / 2 * value.square().sum()).abs() > 1e-3
        seen.add(charge.item())
        case = {"spec": L2_SP, "path": name, "value": charge.item(), "gradient": value.grad.reshape(-1).tolist()}
        if name != FRESH:
            case["start"] = start(name).reshape(-1).tolist()
        cases.append(case)
    constrained = []
    for name in SHAPES:
        if len(SHAPES[name]) == 1:
            continue
        value = values(name)
        limit = 0.8
        rows = torch.renorm(units(value), p=2, dim=0, maxnorm=limit)
        projected = rows.T if value.dim() == 2 else rows.reshape(value.shape)
        assert 1 <= (norms(value) > limit).sum() < len(norms(value)) or name == "tall.weight"
        constrained.append({"spec": f"max_norm({limit})", "path": name, "projected": projected.reshape(-1).tolist()})
    outputs = []
    for spec, factor in {"confidence(0.7)": -0.7, "entropy(0.7)": 0.7}.items():
        logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
        charge = factor * torch.distributions.Categorical(logits=logits).entropy().mean()
        charge.backward()
        outputs.append({"spec": spec, "value": charge.item(), "gradient": logits.grad.reshape(-1).tolist()})
    document = {
        "command": "python3 xtask/golden/penalties.py",
        "versions": {"torch": version("torch").split("+")[0]},
        "parameters": [{"path": name, "shape": SHAPES[name], "value": values(name).reshape(-1).tolist()} for name in SHAPES],
        "penalties": cases,
        "constraints": constrained,
        "logits": LOGITS,
        "outputs": outputs,
    }
    lines = ",\n".join(
        f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(case)}" for case in value) + "\n ]"
        if isinstance(value, list)
        else f" {json.dumps(key)}: {json.dumps(value)}"
        for key, value in document.items()
    )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
