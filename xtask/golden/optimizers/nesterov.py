"""Golden values of `nesterov`, written out below as the sources have it.

`form = lookahead` is Sutskever et al. 2013, equations 3 and 4: the gradient is that of θ + μ v.
`form = reformulated` is Bengio et al. 2012 and Keras' SGD(nesterov=True), on φ = θ + μ v. PyTorch's third
form, `torch.optim.SGD(nesterov=True)`, has to give the same as the latter at a constant learning rate,
which is asserted.
"""

import torch

from harness import Golden, change_weight_decay, coupled, cycle_momentum, torch_state


class Nesterov(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum=0.9, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def moved(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                velocity = self.state[parameter].setdefault("velocity", torch.zeros_like(parameter))
                yield group, parameter, velocity


class Lookahead(Nesterov):
    def step(self, closure):
        with torch.no_grad():
            for group, parameter, velocity in self.moved():
                self.state[parameter]["here"] = parameter.clone()
                parameter.add_(velocity, alpha=group["momentum"])
        closure()
        with torch.no_grad():
            for group, parameter, velocity in self.moved():
                gradient = parameter.grad + group["weight_decay"] * parameter
                velocity.mul_(group["momentum"]).sub_(group["lr"] * gradient)
                parameter.copy_(self.state[parameter]["here"] + velocity)


class Reformulated(Nesterov):
    @torch.no_grad()
    def step(self, closure=None):
        if closure is not None:
            with torch.enable_grad():
                closure()
        for group, parameter, velocity in self.moved():
            gradient = parameter.grad + group["weight_decay"] * parameter
            before = velocity.clone()
            velocity.mul_(group["momentum"]).sub_(group["lr"] * gradient)
            parameter.add_((1 + group["momentum"]) * velocity - group["momentum"] * before)


def form(kind, **options):
    return lambda parameters: kind(parameters, **options)


golden = Golden("nesterov", "Sutskever et al. 2013, equations 3 and 4; Bengio et al. 2012, equations 6 and 7")
velocity = torch_state("velocity")
ahead, ordinary = "nesterov(0.005)", "nesterov(0.005, form=reformulated)"
for spec, kind in ((ahead, Lookahead), (ordinary, Reformulated)):
    start = spec[:-1]
    golden.case(spec, form(kind, lr=0.005), 0.005, state=velocity, function=coupled)
    golden.case(
        f"{start}, momentum=0.5)", form(kind, lr=0.005, momentum=0.5), 0.005,
        base=spec, state=velocity, function=coupled,
    )
    golden.case(
        f"{start}, weight_decay=0.1)", form(kind, lr=0.005, weight_decay=0.1), 0.005,
        base=spec, state=velocity, function=coupled,
    )
    golden.case(
        f"{start}, weight_decay=0.1)", form(kind, lr=0.005, weight_decay=0.1), 0.005,
        base=f"{start}, weight_decay=0.1)", state=velocity, schedule=change_weight_decay, function=coupled,
    )
    golden.case(
        spec, form(kind, lr=0.005), 0.005, base=spec, state=velocity, schedule=cycle_momentum, function=coupled
    )
    golden.cnn(spec, form(kind, lr=0.005), 0.005, uses_closure=True)
golden.case("nesterov(0.02, form=reformulated)", form(Reformulated, lr=0.02), 0.02, base=ordinary, state=velocity)
pytorch = Golden("unused", "")
pytorch.case(
    "sgd", lambda parameters: torch.optim.SGD(parameters, lr=0.005, momentum=0.9, nesterov=True), 0.005, function=coupled
)
same = zip(pytorch.final["sgd", None], golden.final[ordinary, None])
assert max(abs(a - b) for a, b in same) < 1e-12
apart = zip(golden.final[ahead, None], golden.final[ordinary, None])
assert max(abs(a - b) for a, b in apart) > 1e-3
golden.write()
