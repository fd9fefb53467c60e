"""Golden values of `adafactor` from `torch.optim.Adafactor`.

It treats rows and columns alike, so burn's layout of a matrix is kept. For `flatten` it is given the
kernel as a matrix `[out, in * h * w]`.
"""

import torch

from harness import Golden, change_weight_decay


def adafactor(lr, **options):
    return lambda parameters: torch.optim.Adafactor(parameters, lr=lr, foreach=False, **options)


def state(optimizer, parameter):
    names = ("row_var", "col_var") if parameter.dim() > 1 else ("variance",)
    return {name: optimizer.state[parameter][name] for name in names}


class Flattened:
    """The reference on kernels as matrices."""

    def __init__(self, parameters, **options):
        self.parameters = parameters
        self.twins = {
            parameter: torch.nn.Parameter(parameter.detach().clone().flatten(1))
            if parameter.dim() > 2 else parameter
            for parameter in parameters
        }
        self.optimizer = torch.optim.Adafactor(self.twins.values(), foreach=False, **options)

    @property
    def state(self):
        return {parameter: self.optimizer.state[twin] for parameter, twin in self.twins.items()}

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        for parameter, twin in self.twins.items():
            twin.grad = parameter.grad.reshape(twin.shape)
        self.optimizer.step()
        for parameter, twin in self.twins.items():
            parameter.copy_(twin.reshape(parameter.shape))


golden = Golden("adafactor", "torch.optim.Adafactor")
plain = "adafactor(0.02)"
golden.case(plain, adafactor(0.02), 0.02, state=state)
golden.case("adafactor(0.5)", adafactor(0.5), 0.5, base=plain, state=state)
golden.case("adafactor(0.02, beta2_decay=-0.5)", adafactor(0.02, beta2_decay=-0.5), 0.02, base=plain, state=state)
golden.case("adafactor(0.02, eps1=0.5)", adafactor(0.02, eps=(0.5, 1e-3)), 0.02, base=plain, state=state)
golden.case("adafactor(0.02, eps2=2)", adafactor(0.02, eps=(None, 2)), 0.02, base=plain, state=state)
golden.case("adafactor(0.5, d=1.5)", adafactor(0.5, d=1.5), 0.5, base="adafactor(0.5)", state=state)
golden.case("adafactor(0.02, weight_decay=0.1)", adafactor(0.02, weight_decay=0.1), 0.02, base=plain, state=state)
golden.case(plain, adafactor(0.02), 0.02, base=plain, state=state, schedule=change_weight_decay)
golden.case(
    "adafactor(0.02, flatten=true)", lambda parameters: Flattened(parameters, lr=0.02), 0.02, base=plain, state=state,
)
golden.cnn("adafactor(0.02)", adafactor(0.02), 0.02)
golden.cnn("adafactor(0.02, flatten=true)", lambda parameters: Flattened(parameters, lr=0.02), 0.02)
golden.write()
