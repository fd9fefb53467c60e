"""Golden values of `newton` from its formula in PyTorch, with the Hessian of `torch.autograd`."""

import torch

from differences import Curved
from harness import Golden, coupled

WHY = "differences of f32 gradients give 2e-5 of the Hessian"


class Newton(Curved):
    def step(self, closure):
        options, values = self.options, self.values()
        _, gradient = self.evaluate(closure, values)
        hessian = self.hessian(closure, values) + options["damping"] * torch.eye(len(values), dtype=values.dtype)
        self.put(values - options["lr"] * torch.linalg.solve(hessian, gradient))


def newton(lr, damping=0.0, differences=False):
    return lambda parameters: Newton(parameters, lr, differences, damping=damping)


golden = Golden("newton", "the formula in PyTorch, torch.autograd.grad of gradients")


def case(spec, lr, base=None, **options):
    golden.case(spec, newton(lr, **options), lr, base=base, function=coupled, f32_tolerance=1e-3, why=WHY)


plain = "newton(0.03)"
case(plain, 0.03)
case("newton(1.0)", 1.0, base=plain)
case("newton(0.03, damping=0.5)", 0.03, base=plain, damping=0.5)
golden.cnn("newton(1.0, damping=1.0)", newton(1.0, damping=1.0, differences=True), 1.0, uses_closure=True, steps=10)
golden.write()
