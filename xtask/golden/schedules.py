"""Golden values of the schedules, from PyTorch.

    python3 xtask/golden/schedules.py

writes crates/firebrick-optim/tests/golden/schedules.json. Needs torch.

The script fails unless each option moves some rate, or momentum, by at least a hundred times the
tolerance of the test.
"""

import json
import platform
from pathlib import Path

import torch
from torch.optim import lr_scheduler

OUT = Path(__file__).parents[2] / "crates/firebrick-optim/tests/golden/schedules.json"
TOLERANCE = 1e-12


def optimizer(lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def follow(sgd, scheduler, updates, momentum=False):
    """Rates, and momentum if asked for, of each update."""
    rates, momenta = [], []
    for k in range(updates):
        rates.append(sgd.param_groups[0]["lr"])
        momenta.append(sgd.param_groups[0]["momentum"])
        sgd.step()
        if k + 1 < updates:
            scheduler.step()
    return rates, momenta if momentum else None


def closed_cosine(lr, steps, min_lr):
    """The closed form, which does not gather rounding errors as the chained one does."""
    sgd = optimizer(lr)
    scheduler = lr_scheduler.CosineAnnealingLR(sgd, steps, min_lr)
    rates = []
    for k in range(steps + 1):
        scheduler.last_epoch = k
        rates.append(scheduler._get_closed_form_lr()[0])
    return rates


def one_cycle(lr, steps, **options):
    sgd = optimizer(lr)
    cycled = options.get("cycle_momentum", True)
    scheduler = lr_scheduler.OneCycleLR(sgd, lr, total_steps=steps, **options)
    return follow(sgd, scheduler, steps, cycled)


def warmup(lr, steps, start_factor, then, total):
    sgd = optimizer(lr)
    rise = lr_scheduler.LinearLR(sgd, start_factor=start_factor, total_iters=steps)
    scheduler = lr_scheduler.SequentialLR(sgd, [rise, then(sgd)], milestones=[steps])
    return follow(sgd, scheduler, total)[0]


def main():
    cases = []

    def case(spec, updates, lr, momentum=None):
        cases.append({"spec": spec, "updates": updates, "lr": lr, "momentum": momentum})

    case("constant(0.3)", 20, [0.3] * 20)
    case("cosine(0.5)", 100, closed_cosine(0.5, 100, 0.0))
    case("cosine(0.5, min_lr=0.01)", 100, closed_cosine(0.5, 100, 0.01))
    case("cosine(0.5, steps=37)", 100, closed_cosine(0.5, 37, 0.0) + [0.0] * 62)
    for spec, steps, options in [
        ("one_cycle(0.5)", 100, {}),
        ("one_cycle(0.5)", 37, {}),
        ("one_cycle(0.5, pct_start=0.45)", 100, {"pct_start": 0.45}),
        ("one_cycle(0.5, div_factor=10)", 100, {"div_factor": 10.0}),
        ("one_cycle(0.5, final_div_factor=5)", 100, {"final_div_factor": 5.0}),
        ("one_cycle(0.5, anneal=linear)", 100, {"anneal_strategy": "linear"}),
        ("one_cycle(0.5, three_phase=true)", 100, {"three_phase": True}),
        ("one_cycle(0.5, three_phase=true, anneal=linear)", 37, {"three_phase": True, "anneal_strategy": "linear"}),
        ("one_cycle(0.5, cycle_momentum=false)", 100, {"cycle_momentum": False}),
        ("one_cycle(0.5, base_momentum=0.7)", 100, {"base_momentum": 0.7}),
        ("one_cycle(0.5, max_momentum=0.99)", 100, {"max_momentum": 0.99}),
    ]:
        rates, momenta = one_cycle(0.5, steps, **options)
        plain_rates, plain_momenta = one_cycle(0.5, steps)
        if options:
            moved = max(abs(a - b) for a, b in zip(rates, plain_rates))
            moved_momentum = 1.0 if momenta is None else max(abs(a - b) for a, b in zip(momenta, plain_momenta))
            assert max(moved, moved_momentum) >= 100 * TOLERANCE, spec
        case(spec, steps, rates, momenta)
    case(
        "warmup(10, 0.2, then=constant(0.5))",
        50,
        warmup(0.5, 10, 0.2, lambda sgd: lr_scheduler.ConstantLR(sgd, factor=1.0), 50),
    )
    case(
        "warmup(1ep, 0.2, then=cosine(0.5, min_lr=0.01))",
        50,
        warmup(0.5, 10, 0.2, lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, 40, 0.01), 50),
    )
    document = {
        "command": "python3 xtask/golden/schedules.py",
        "versions": {"torch": torch.__version__.split("+")[0], "python": platform.python_version()},
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
