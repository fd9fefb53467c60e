"""Golden values of `momentum`.

`form = lr_outside` is `torch.optim.SGD` with momentum. `form = lr_inside` is written out below, as
Sutskever et al. 2013, equations 1 and 2, and Keras' SGD have it; at a constant learning rate it has to
give PyTorch's values, which is asserted.
"""

import torch

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


class Inside(torch.optim.Optimizer):
    """v ← μ v - lr g, θ ← θ + v."""

    def __init__(self, parameters, lr, momentum=0.9, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                velocity = self.state[parameter].setdefault("velocity", torch.zeros_like(parameter))
                gradient = parameter.grad + group["weight_decay"] * parameter
                velocity.mul_(group["momentum"]).sub_(group["lr"] * gradient)
                parameter.add_(velocity)


def outside(lr, momentum=0.9, **options):
    return lambda parameters: torch.optim.SGD(parameters, lr=lr, momentum=momentum, foreach=False, **options)


def inside(lr, **options):
    return lambda parameters: Inside(parameters, lr, **options)


golden = Golden("momentum", "torch.optim.SGD(momentum); lr_inside: Sutskever et al. 2013, equations 1 and 2")
buffer, velocity = torch_state("momentum_buffer"), torch_state("velocity")
golden.case("momentum(0.02)", outside(0.02), 0.02, state=buffer)
golden.case("momentum(0.02, momentum=0.5)", outside(0.02, 0.5), 0.02, base="momentum(0.02)", state=buffer)
golden.case(
    "momentum(0.02, weight_decay=0.1)", outside(0.02, weight_decay=0.1), 0.02, base="momentum(0.02)", state=buffer
)
golden.case("momentum(0.02)", outside(0.02), 0.02, base="momentum(0.02)", state=buffer, schedule=cycle_momentum)
golden.case("momentum(0.02, form=lr_inside)", inside(0.02), 0.02, state=velocity)
same = zip(golden.final["momentum(0.02)", None], golden.final["momentum(0.02, form=lr_inside)", None])
assert max(abs(a - b) for a, b in same) < 1e-12
golden.case(
    "momentum(0.02, momentum=0.5, form=lr_inside)", inside(0.02, momentum=0.5), 0.02,
    base="momentum(0.02, form=lr_inside)", state=velocity,
)
golden.case(
    "momentum(0.02, form=lr_inside, weight_decay=0.1)", inside(0.02, weight_decay=0.1), 0.02,
    base="momentum(0.02, form=lr_inside)", state=velocity,
)
golden.case(
    "momentum(0.02, form=lr_inside, weight_decay=0.1)", inside(0.02, weight_decay=0.1), 0.02,
    base="momentum(0.02, form=lr_inside, weight_decay=0.1)", state=velocity, schedule=change_weight_decay,
)
golden.cnn("momentum(0.02)", outside(0.02), 0.02)
golden.cnn("momentum(0.02, form=lr_inside)", inside(0.02), 0.02)
golden.write()
