"""Golden values of the schedules, from PyTorch, timm, and closed forms.

    python3 xtask/golden/schedules.py

writes crates/firebrick-optim/tests/golden/schedules.json. Needs torch and timm.

Each case names its source. Where PyTorch has a closed form beside the chained one, which gathers
rounding errors, the values are the closed one's. The script fails unless each option moves some rate,
or momentum, by at least a hundred times the tolerance of the test.
"""

import json
import math
import platform
import warnings
from pathlib import Path

import timm
import torch
from timm.scheduler import CosineLRScheduler
from torch.optim import lr_scheduler

warnings.filterwarnings("ignore")
OUT = Path(__file__).parents[2] / "crates/firebrick-optim/tests/golden/schedules.json"
TOLERANCE = 1e-12
# Updates of an epoch in every case.
EPOCH = 10


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


def closed(make, lr, updates):
    """PyTorch's closed form at each update."""
    scheduler = make(optimizer(lr))
    rates = []
    for k in range(updates):
        scheduler.last_epoch = k
        rates.append(float(scheduler._get_closed_form_lr()[0]))
    return rates


def chained(make, lr, updates):
    sgd = optimizer(lr)
    return follow(sgd, make(sgd), updates)[0]


def one_cycle(lr, steps, **options):
    sgd = optimizer(lr)
    cycled = options.get("cycle_momentum", True)
    scheduler = lr_scheduler.OneCycleLR(sgd, lr, total_steps=steps, **options)
    return follow(sgd, scheduler, steps, cycled)


def cyclic(updates, **options):
    sgd = optimizer(0.1)
    cycled = options.get("cycle_momentum", True)
    settings = {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 13} | options
    return follow(sgd, lr_scheduler.CyclicLR(sgd, **settings), updates, cycled)


def warmup(lr, steps, start_factor, then, total):
    sgd = optimizer(lr)
    rise = lr_scheduler.LinearLR(sgd, start_factor=start_factor, total_iters=steps)
    scheduler = lr_scheduler.SequentialLR(sgd, [rise, then(sgd)], milestones=[steps])
    return follow(sgd, scheduler, total)[0]


def sequential(lr, parts, milestones, total):
    sgd = optimizer(lr)
    return follow(sgd, lr_scheduler.SequentialLR(sgd, [part(sgd) for part in parts], milestones), total)[0]


def by_timm(lr, updates, **options):
    sgd = optimizer(lr)
    scheduler = CosineLRScheduler(sgd, **options)
    return [float(scheduler._get_lr(k)[0]) for k in range(updates)]


def plateau(lr, metrics, **options):
    """The rate of each update: the metric of an epoch is seen after its last one."""
    sgd = optimizer(lr)
    scheduler = lr_scheduler.ReduceLROnPlateau(sgd, **options)
    rates = []
    for metric in metrics:
        rates += [sgd.param_groups[0]["lr"]] * EPOCH
        sgd.step()
        scheduler.step(metric)
    return rates + [sgd.param_groups[0]["lr"]] * EPOCH


def flat_cosine(lr, steps, pct_start, min_lr):
    """fastai's `combine_scheds([pct, 1 - pct], [SchedCos(lr, lr), SchedCos(lr, end)])`."""

    def sched_cos(start, end, pos):
        return start + (1 + math.cos(math.pi * (1 - pos))) * (end - start) / 2

    def at(pos):
        if pos < pct_start:
            return sched_cos(lr, lr, pos / pct_start)
        return sched_cos(lr, min_lr, (pos - pct_start) / (1 - pct_start))

    return [at(k / steps) for k in range(steps)] + [min_lr] * 70


def wsd(lr, warmup, decay, steps, min_lr, fall):
    """transformers' `get_wsd_schedule`, with min_lr_ratio = min_lr / lr."""

    def factor(k):
        if k < warmup:
            return k / warmup
        if k < steps - decay:
            return 1.0
        if k < steps:
            return fall((k - (steps - decay)) / decay)
        return 0.0

    return [lr * (factor(k) * (1 - min_lr / lr) + min_lr / lr) for k in range(steps + 70)]


def noam(factor, d_model, warmup, updates):
    """The Annotated Transformer's `rate`, steps from 1."""
    return [
        factor * (d_model**-0.5 * min((k + 1) ** -0.5, (k + 1) * warmup**-1.5)) for k in range(updates)
    ]


def snapshot(lr, cycles, steps):
    c = math.ceil(steps / cycles)
    rates = [lr / 2 * (math.cos(math.pi * ((t - 1) % c) / c) + 1) for t in range(1, steps + 1)]
    return rates + [rates[-1]] * 70


def main():
    cases = []

    def case(spec, updates, lr, momentum=None, source="torch", **more):
        cases.append({"spec": spec, "source": source, "updates": updates, **more, "lr": lr, "momentum": momentum})

    def options(rows, plain, updates, source="torch", **more):
        """Cases of which each but the first differs from the first by an option."""
        for spec, rates, *rest in [plain, *rows]:
            momenta = rest[0] if rest else None
            if spec != plain[0]:
                moved = max(abs(a - b) / max(abs(a), abs(b), 1e-300) for a, b in zip(rates, plain[1]))
                before = plain[2] if len(plain) > 2 else None
                if (momenta is None) != (before is None):
                    moved = 1.0
                elif momenta is not None:
                    moved = max(moved, max(abs(a - b) for a, b in zip(momenta, before)))
                assert moved >= 100 * TOLERANCE, f"{spec} moves nothing"
            case(spec, updates, rates, momenta, source, **more)

    case("constant(0.3)", 20, [0.3] * 20)

    def cos(steps, min_lr=0.0):
        return closed(lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, steps, min_lr), 0.5, steps + 1)

    options(
        [
            ("cosine(0.5, min_lr=0.01)", cos(100, 0.01)),
            ("cosine(0.5, steps=37)", cos(37) + [0.0] * 62),
        ],
        ("cosine(0.5)", cos(100)),
        100,
    )
    options(
        [
            (spec, *one_cycle(0.5, 100, **opts))
            for spec, opts in [
                ("one_cycle(0.5, pct_start=0.45)", {"pct_start": 0.45}),
                ("one_cycle(0.5, div_factor=10)", {"div_factor": 10.0}),
                ("one_cycle(0.5, final_div_factor=5)", {"final_div_factor": 5.0}),
                ("one_cycle(0.5, anneal=linear)", {"anneal_strategy": "linear"}),
                ("one_cycle(0.5, three_phase=true)", {"three_phase": True}),
                ("one_cycle(0.5, cycle_momentum=false)", {"cycle_momentum": False}),
                ("one_cycle(0.5, base_momentum=0.7)", {"base_momentum": 0.7}),
                ("one_cycle(0.5, max_momentum=0.99)", {"max_momentum": 0.99}),
            ]
        ],
        ("one_cycle(0.5)", *one_cycle(0.5, 100)),
        100,
    )
    case("one_cycle(0.5)", 37, *one_cycle(0.5, 37))
    rates = one_cycle(0.5, 37, three_phase=True, anneal_strategy="linear")
    case("one_cycle(0.5, three_phase=true, anneal=linear)", 37, *rates)

    def step_lr(size, gamma=0.1):
        return closed(lambda sgd: lr_scheduler.StepLR(sgd, size, gamma), 0.5, 120)

    options(
        [("step(0.5, step_size=30, gamma=0.7)", step_lr(30, 0.7)), ("step(0.5, step_size=1ep)", step_lr(10))],
        ("step(0.5, step_size=30)", step_lr(30)),
        100,
    )

    def multistep(milestones, gamma=0.1):
        return closed(lambda sgd: lr_scheduler.MultiStepLR(sgd, milestones, gamma), 0.5, 120)

    options(
        [
            ("multistep(0.5, milestones=[33, 50%], gamma=0.3)", multistep([33, 50], 0.3)),
            ("multistep(0.5, milestones=[3ep, 50, 75%])", multistep([30, 50, 75])),
        ],
        ("multistep(0.5, milestones=[33, 50%])", multistep([33, 50])),
        100,
    )

    def exponential(gamma):
        return closed(lambda sgd: lr_scheduler.ExponentialLR(sgd, gamma), 0.5, 120)

    by_epoch = exponential(0.9)
    options(
        [
            ("exponential(0.5, gamma=0.9)", exponential(0.9)),
            ("exponential(0.5, gamma=0.9, every=1ep, staircase=true)", [by_epoch[k // EPOCH] for k in range(120)]),
        ],
        ("exponential(0.5, gamma=0.97)", exponential(0.97)),
        100,
    )
    options(
        [("exponential(0.5, k=0.04, every=1ep)", [0.5 * math.exp(-0.04 * k / EPOCH) for k in range(120)])],
        ("exponential(0.5, k=0.04)", [0.5 * math.exp(-0.04 * k) for k in range(120)]),
        100,
        "closed form lr e^(-k t)",
    )
    options(
        [
            ("inverse_time(0.5, k=0.3, every=1ep)", [0.5 / (1 + 0.3 * (k / EPOCH)) for k in range(120)]),
            (
                "inverse_time(0.5, k=0.3, every=1ep, staircase=true)",
                [0.5 / (1 + 0.3 * (k // EPOCH)) for k in range(120)],
            ),
            ("inverse_time(0.5, k=0.7)", [0.5 / (1 + 0.7 * k) for k in range(120)]),
        ],
        ("inverse_time(0.5, k=0.3)", [0.5 / (1 + 0.3 * k) for k in range(120)]),
        100,
        "closed form lr / (1 + k t)",
    )

    def polynomial(steps, power=1.0):
        return closed(lambda sgd: lr_scheduler.PolynomialLR(sgd, steps, power), 0.5, 120)

    options(
        [("polynomial(0.5, power=0.9)", polynomial(100, 0.9)), ("polynomial(0.5, steps=37, power=2)", polynomial(37, 2.0))],
        ("polynomial(0.5)", polynomial(100)),
        100,
    )
    poly = [0.01 + 0.49 * (1 - min(k, 100) / 100) ** 0.9 for k in range(120)]
    case("polynomial(0.5, power=0.9, min_lr=0.01)", 100, poly, source="closed form (tf.keras PolynomialDecay)")

    def linear(first, last, steps):
        make = lambda sgd: lr_scheduler.LinearLR(sgd, start_factor=first, end_factor=last, total_iters=steps)
        return closed(make, 1.0, 120)

    options(
        [
            ("linear(0.5, min_lr=0.01)", linear(0.5, 0.01, 100)),
            ("linear(0.5, steps=37)", linear(0.5, 0.0, 37)),
            ("linear(from=0.5, to=0.99)", linear(0.5, 0.99, 100)),
        ],
        ("linear(0.5)", linear(0.5, 0.0, 100)),
        100,
    )

    def restarts(first, mult=1, min_lr=0.0):
        return chained(lambda sgd: lr_scheduler.CosineAnnealingWarmRestarts(sgd, first, mult, min_lr), 0.5, 200)

    options(
        [
            ("cosine_restarts(0.5, cycle=1ep, mult=2)", restarts(10, 2)),
            ("cosine_restarts(0.5, cycle=7, mult=3)", restarts(7, 3)),
            ("cosine_restarts(0.5, cycle=1ep, min_lr=0.01)", restarts(10, 1, 0.01)),
        ],
        ("cosine_restarts(0.5, cycle=1ep)", restarts(10)),
        200,
    )
    options(
        [
            (
                "cosine_restarts(0.5, cycle=13, decay=0.5, limit=5, min_lr=0.01)",
                by_timm(0.5, 200, t_initial=13, cycle_decay=0.5, cycle_limit=5, lr_min=0.01),
            ),
            (
                "cosine_restarts(0.5, cycle=13, mult=2, decay=0.7, limit=3)",
                by_timm(0.5, 200, t_initial=13, cycle_mul=2.0, cycle_decay=0.7, cycle_limit=3),
            ),
            ("cosine_restarts(0.5, cycle=13, limit=3)", by_timm(0.5, 200, t_initial=13, cycle_limit=3)),
        ],
        ("cosine_restarts(0.5, cycle=13, limit=5)", by_timm(0.5, 200, t_initial=13, cycle_limit=5)),
        200,
        "timm",
    )

    base = "cyclic(0.1, 0.5, step_size_up=13"
    options(
        [
            (f"{base}{text})", *cyclic(150, **opts))
            for text, opts in [
                (", step_size_down=5", {"step_size_down": 5}),
                (", mode=triangular2", {"mode": "triangular2"}),
                (", mode=exp_range, gamma=0.98", {"mode": "exp_range", "gamma": 0.98}),
                (", cycle_momentum=false", {"cycle_momentum": False}),
                (", base_momentum=0.7", {"base_momentum": 0.7}),
                (", max_momentum=0.95", {"max_momentum": 0.95}),
            ]
        ],
        (f"{base})", *cyclic(150)),
        150,
    )
    rates = cyclic(150, base_lr=0.05, max_lr=0.2, step_size_down=20, mode="triangular2", base_momentum=0.6)
    case("cyclic(max_lr=0.2, step_size_up=13, step_size_down=2ep, mode=triangular2, base_momentum=0.6)", 150, *rates)

    options(
        [
            ("snapshot_cosine(0.5, cycles=3)", snapshot(0.5, 3, 100)),
            ("snapshot_cosine(0.5, steps=77)", snapshot(0.5, 5, 77)),
        ],
        ("snapshot_cosine(0.5)", snapshot(0.5, 5, 100)),
        100,
        "closed form, Huang et al. 2017, equation 2",
    )
    source = "closed form, Vaswani et al. 2017, equation 3"
    options(
        [
            ("noam(1, warmup=20, d_model=64)", noam(1, 64, 20, 150)),
            ("noam(1, warmup=2ep, d_model=512)", noam(1, 512, 20, 150)),
            ("noam(0.3, warmup=20)", noam(0.3, 1 / 20, 20, 150)),
        ],
        ("noam(1, warmup=33, d_model=64)", noam(1, 64, 33, 150)),
        150,
        source,
    )

    def cos_fall(s):
        return 0.5 * (1 + math.cos(math.pi * s))

    options(
        [
            ("wsd(0.5, warmup=7)", wsd(0.5, 7, 10, 100, 0.0, cos_fall)),
            ("wsd(0.5, decay=30%)", wsd(0.5, 0, 30, 100, 0.0, cos_fall)),
            ("wsd(0.5, min_lr=0.05)", wsd(0.5, 0, 10, 100, 0.05, cos_fall)),
            ("wsd(0.5, steps=50)", wsd(0.5, 0, 10, 50, 0.0, cos_fall)),
            ("wsd(0.5, 7, 3ep, min_lr=0.05, anneal=linear)", wsd(0.5, 7, 30, 100, 0.05, lambda s: 1 - s)),
            ("wsd(0.5, 7, 3ep, anneal=sqrt)", wsd(0.5, 7, 30, 100, 0.0, lambda s: 1 - math.sqrt(s))),
        ],
        ("wsd(0.5)", wsd(0.5, 0, 10, 100, 0.0, cos_fall)),
        100,
        "closed form (transformers get_wsd_schedule)",
    )
    options(
        [
            ("flat_cosine(0.5, pct_start=0.3)", flat_cosine(0.5, 100, 0.3, 0.0)),
            ("flat_cosine(0.5, min_lr=0.05)", flat_cosine(0.5, 100, 0.75, 0.05)),
            ("flat_cosine(0.5, steps=37)", flat_cosine(0.5, 37, 0.75, 0.0)),
        ],
        ("flat_cosine(0.5)", flat_cosine(0.5, 100, 0.75, 0.0)),
        100,
        "closed form (fastai fit_flat_cos)",
    )

    # A loss that falls, stays, creeps, jumps and falls again.
    losses = [1.0, 0.8, 0.8, 0.79999, 0.79, 0.8, 0.81, 0.7899, 0.5, 0.5, 0.51, 0.49, 0.48, 0.48, 0.48, 0.48, 0.48]
    losses += [0.4, 0.3999, 0.3998, 0.3997, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    low = {"patience": 1}
    run = {"metrics": losses, "higher_is_better": False}
    updates = EPOCH * (len(losses) + 1)
    options(
        [
            (f"plateau(0.5, patience=1, {text})", plateau(0.5, losses, **(low | opts)))
            for text, opts in [
                ("factor=0.5", {"factor": 0.5}),
                ("patience=3", {"patience": 3}),
                ("threshold=0.05", {"threshold": 0.05}),
                ("threshold=0.0003", {"threshold": 0.0003}),
                ("cooldown=2", {"cooldown": 2}),
                ("min_lr=0.01", {"min_lr": 0.01}),
                ("eps=0.1", {"eps": 0.1}),
                ("mode=max", {"mode": "max"}),
            ]
            if text != "patience=3"
        ]
        + [("plateau(0.5, patience=3)", plateau(0.5, losses, patience=3))],
        ("plateau(0.5, patience=1)", plateau(0.5, losses, **low)),
        updates,
        **run,
    )
    small = {"factor": 0.5, "patience": 0, "threshold": 0.02}
    options(
        [
            (
                "plateau(0.5, 0.5, 0, 0.02, threshold_mode=abs)",
                plateau(0.5, losses, **small, threshold_mode="abs"),
            )
        ],
        ("plateau(0.5, 0.5, 0, 0.02)", plateau(0.5, losses, **small)),
        updates,
        **run,
    )
    accuracies = [1 - loss / 2 for loss in losses]
    case(
        "plateau(0.5, patience=2, factor=0.3, cooldown=1)",
        updates,
        plateau(0.5, accuracies, mode="max", patience=2, factor=0.3, cooldown=1),
        metrics=accuracies,
        higher_is_better=True,
    )

    def hold(sgd):
        return lr_scheduler.ConstantLR(sgd, factor=1.0)

    def fall(sgd):
        return lr_scheduler.CosineAnnealingLR(sgd, 40, 0.01)

    options(
        [
            ("warmup(10, then=constant(0.5))", warmup(0.5, 10, 0.01, hold, 50)),
            ("warmup(17, 0.2, then=constant(0.5))", warmup(0.5, 17, 0.2, hold, 50)),
            ("warmup(1ep, 0.2, then=cosine(0.5, min_lr=0.01))", warmup(0.5, 10, 0.2, fall, 50)),
        ],
        ("warmup(10, 0.2, then=constant(0.5))", warmup(0.5, 10, 0.2, hold, 50)),
        50,
    )

    def rise(sgd):
        return lr_scheduler.LinearLR(sgd, start_factor=0.2, total_iters=20)

    def stairs(sgd):
        return lr_scheduler.StepLR(sgd, 7, 0.5)

    def decay(sgd):
        return lr_scheduler.ExponentialLR(sgd, 0.95)

    three = "sequence([linear(from=0.1, to=0.5, steps=20), step(0.5, 7, 0.5), exponential(0.5, 0.95)]"
    options(
        [(f"{three}, milestones=[1ep, 60])", sequential(0.5, [rise, stairs, decay], [10, 60], 100))],
        (f"{three}, milestones=[25, 60])", sequential(0.5, [rise, stairs, decay], [25, 60], 100)),
        100,
    )
    cos30 = [math.sqrt(96 / 64) * rate for rate in cos(100)]
    options(
        [
            ("batch_scaled(64, then=cosine(0.5))", [96 / 64 * rate for rate in cos(100)]),
            ("batch_scaled(then=cosine(0.5))", [96 / 256 * rate for rate in cos(100)]),
        ],
        ("batch_scaled(64, rule=sqrt, then=cosine(0.5))", cos30),
        100,
        "torch, times the ratio of batches or its root",
        batch=96,
    )
    document = {
        "command": "python3 xtask/golden/schedules.py",
        "versions": {
            "torch": torch.__version__.split("+")[0],
            "timm": timm.__version__,
            "python": platform.python_version(),
        },
        "epoch": EPOCH,
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
