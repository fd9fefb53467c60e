"""What the golden scripts of the optimizers share; each writes one file of reference values.

    python3 xtask/golden/optimizers/NAME.py

writes crates/firebrick-optim/tests/golden/optimizers/NAME.json, from PyTorch (or another package that
the script names) in float64 on the CPU. The tests follow every file that lies there.

A case is a spec string and the reference optimizer that it has to follow, on three parameters: a
vector, a matrix in burn's layout `[in, out]`, and a convolution kernel. Either the gradients are given,
change sign and shrink, or they are those of a function (for rules that evaluate it again). Values and
state are kept after 1, 3, 10 and 50 steps. A case names the case it differs from by one option; the
script fails unless that option moves the result by at least a hundred times the tolerance in f32.

`cnn` trains a small convolutional network for 200 steps.
"""

import json
import math
import platform
from importlib.metadata import version
from pathlib import Path

import torch

FOLDER = Path(__file__).parents[3] / "crates/firebrick-optim/tests/golden/optimizers"
TOLERANCE = 1e-5
STEPS = 50
KEEP = (1, 3, 10, 50)

SHAPES = {"bias": [7], "weight": [4, 3], "kernel": [3, 2, 2, 2]}
BIAS = [1.0, -0.5, 0.25, 0.0, 2.0, -1.5, 0.01]
MOMENTUM = [0.95 - 0.3 * k / STEPS for k in range(STEPS)]
WEIGHT_DECAY = [0.1 + 0.2 * k / STEPS for k in range(STEPS)]


def size(shape):
    return math.prod(shape)


def initial(name):
    """The values that every case starts from."""
    if name == "bias":
        return BIAS
    return [0.6 * math.sin(2.1 * i + len(name)) for i in range(size(SHAPES[name]))]


def gradient(name, k):
    """The gradient of step `k`. One entry of the vector never has one, one loses it after ten steps."""
    offset = 0.0 if name == "bias" else 0.4 * len(name)
    return [
        0.0
        if name == "bias" and (i == 3 or (i == 5 and k >= 10))
        else math.cos(0.7 * k + 1.3 * i + offset) * 0.93**k * (1 + i / 3)
        for i in range(size(SHAPES[name]))
    ]


def bowl(parameters):
    """Over all entries z in order: Σ (1 + i/10)/2 · (z_i - sin i)². Its Hessian is diagonal."""
    z = torch.cat([parameter.reshape(-1) for parameter in parameters])
    index = torch.arange(len(z), dtype=torch.float64)
    return ((1 + index / 10) / 2 * (z - torch.sin(index)) ** 2).sum()


def coupled(parameters):
    """The bowl with coupled neighbours: + Σ (z_{i+1} - z_i²)²/10."""
    z = torch.cat([parameter.reshape(-1) for parameter in parameters])
    return bowl(parameters) + ((z[1:] - z[:-1] ** 2) ** 2).sum() / 10


class Network:
    """conv 3×3 (1 → 4), relu, mean over 2×2, linear (16 → 3), cross-entropy; twelve 6×6 images."""

    SHAPES = {"conv.weight": [4, 1, 3, 3], "conv.bias": [4], "fc.weight": [16, 3], "fc.bias": [3]}

    def __init__(self):
        self.parameters = [
            torch.nn.Parameter(self.initial(number, shape)) for number, shape in enumerate(self.SHAPES.values())
        ]
        n, i, j = torch.meshgrid(*(torch.arange(s, dtype=torch.float64) for s in (12, 6, 6)), indexing="ij")
        self.images = torch.sin(0.3 * n + 0.7 * i + 1.1 * j + 0.5 * n * i).reshape(12, 1, 6, 6)
        self.labels = torch.arange(12) % 3

    @staticmethod
    def initial(number, shape):
        index = torch.arange(size(shape), dtype=torch.float64)
        return (0.4 * torch.sin(1.7 * index + number)).reshape(shape)

    def loss(self):
        weight, bias, matrix, offset = self.parameters
        maps = torch.nn.functional.conv2d(self.images, weight, bias).relu()
        features = torch.nn.functional.avg_pool2d(maps, 2).reshape(12, 16)
        return torch.nn.functional.cross_entropy(features @ matrix + offset, self.labels)


def flat(tensor):
    return tensor.detach().reshape(-1).tolist()


class Golden:
    """Collects the cases of one optimizer and writes its file."""

    def __init__(self, name, source, packages=("torch",)):
        self.name, self.source, self.packages = name, source, packages
        self.cases, self.final, self.trained = [], {}, []

    def case(
        self,
        spec,
        make,
        lr,
        base=None,
        state=None,
        view=None,
        function=None,
        schedule=None,
        why=None,
        f32_tolerance=None,
        before_step=None,
    ):
        """Follows `make(parameters)`, an optimizer with `step(closure)`, for 50 steps.

        `state(optimizer, parameter)` gives the tensors of the state by our names, where they are
        compared; `view(optimizer, parameter)` the values to evaluate. `base` is the spec it has to
        differ from. With a `function`, `bowl` or `coupled`, gradients are its own. `schedule(optimizer, k)` changes hyper-parameters before step `k`:
        `cycle_momentum` or `change_weight_decay`. `f32_tolerance` other than 1e-5 needs a `why`.
        """
        assert (f32_tolerance is None) or why, "a tolerance of its own needs a reason"
        parameters = {
            name: torch.nn.Parameter(torch.tensor(initial(name), dtype=torch.float64).reshape(shape))
            for name, shape in SHAPES.items()
        }
        values = list(parameters.values())
        optimizer = make(values)

        def closure():
            optimizer.zero_grad()
            loss = function(values)
            loss.backward(create_graph=getattr(optimizer, "is_second_order", False))
            return loss

        after = {}
        for k in range(STEPS):
            if schedule is not None:
                schedule(optimizer, k)
            if function is not None:
                with torch.enable_grad():
                    optimizer.step(closure)
            else:
                for name, parameter in parameters.items():
                    parameter.grad = torch.tensor(gradient(name, k), dtype=torch.float64).reshape(SHAPES[name])
                optimizer.step()
            if k + 1 in KEEP:
                after[k + 1] = {}
                for name, parameter in parameters.items():
                    kept = {"value": flat(parameter)}
                    if state is not None:
                        kept["state"] = {key: flat(one) for key, one in state(optimizer, parameter).items()}
                    if view is not None:
                        kept["view"] = flat(view(optimizer, parameter))
                    after[k + 1][name] = kept
        last = [entry for name in SHAPES for key in ("value", "view") for entry in after[STEPS][name].get(key, ())]
        assert all(math.isfinite(entry) for entry in last), f"{spec} is not finite"
        key = (spec, schedule.__name__ if schedule else None)
        self.final[key] = last
        if base is not None:
            there = self.final[base if isinstance(base, tuple) else (base, None)]
            moved = max(abs(a - b) for a, b in zip(last, there)) / max(abs(b) for b in there)
            assert moved >= 100 * TOLERANCE, f"{spec} moves {base} by {moved:.1e} only"
        self.cases.append(
            {
                "spec": spec,
                "lr": lr,
                "momentum": MOMENTUM if schedule is cycle_momentum else None,
                "weight_decay": WEIGHT_DECAY if schedule is change_weight_decay else None,
                "function": function.__name__ if function else None,
                "f32_tolerance": f32_tolerance,
                "why": why,
                "after": after,
            }
        )

    def cnn(self, spec, make, lr, uses_closure=False, steps=200):
        """Trains the network by `make(parameters)` and keeps losses and the last values."""
        network = Network()
        optimizer = make(network.parameters)

        seen = []

        def closure():
            optimizer.zero_grad()
            loss = network.loss()
            loss.backward()
            seen.append(loss.item())
            return loss

        losses = {}
        for k in range(steps):
            if uses_closure:
                # The first loss of a step, wherever it is taken.
                seen.clear()
                with torch.enable_grad():
                    optimizer.step(closure)
                losses[k] = seen[0]
            else:
                losses[k] = closure().item()
                optimizer.step()
        assert losses[steps - 1] < losses[0], f"{spec} does not learn: {losses[0]} to {losses[steps - 1]}"
        self.trained.append(
            {
                "spec": spec,
                "lr": lr,
                "losses": {k: losses[k] for k in (0, 1, 2, 9, 49, steps - 1) if k < steps},
                "values": {name: flat(one) for name, one in zip(Network.SHAPES, network.parameters)},
            }
        )

    def write(self):
        document = {
            "command": f"python3 xtask/golden/optimizers/{self.name}.py",
            "source": self.source,
            "versions": {package: version(package).split("+")[0] for package in self.packages}
            | {"python": platform.python_version()},
            "cases": self.cases,
            "cnn": self.trained,
        }
        FOLDER.mkdir(parents=True, exist_ok=True)
        # One line for each case, so that a change shows where it is.
        lines = ",\n".join(
            f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(item)}" for item in value) + "\n ]"
            if isinstance(value, list) and value
            else f" {json.dumps(key)}: {json.dumps(value)}"
            for key, value in document.items()
        )
        (FOLDER / f"{self.name}.json").write_text("{\n" + lines + "\n}\n")


def cycle_momentum(optimizer, k):
    """The momentum, or the first beta, that a schedule gives at step `k`."""
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (MOMENTUM[k], *group["betas"][1:])
        else:
            group["momentum"] = MOMENTUM[k]


def change_weight_decay(optimizer, k):
    """The weight decay that a schedule gives at step `k`."""
    for group in optimizer.param_groups:
        group["weight_decay"] = WEIGHT_DECAY[k]


def torch_state(*names):
    """The state of a PyTorch optimizer that is kept under its own names."""
    return lambda optimizer, parameter: {name: optimizer.state[parameter][name] for name in names}


def training_mode(make):
    """Optimizers of `schedulefree` step in training mode only."""

    def train(parameters):
        optimizer = make(parameters)
        optimizer.train()
        return optimizer

    return train


def evaluation_mode(optimizer, parameter):
    """The values that an optimizer of `schedulefree` evaluates."""
    with torch.no_grad():
        trained = [one.clone() for group in optimizer.param_groups for one in group["params"]]
        optimizer.eval()
        view = parameter.clone()
        optimizer.train()
        # Back to the last bit.
        for group in optimizer.param_groups:
            for one in group["params"]:
                one.copy_(trained.pop(0))
    return view
