"""The reference of `sam` and `asam`: davda54's `SAM`, and ASAM as in its paper.

davda54's is one file on GitHub and in no package. pytorch_optimizer's is the same up to its norm, which it
takes in float32; the scripts hold theirs against it that closely.
"""

import torch


class Twice:
    """θ + rho · T² g / ‖T g‖, the gradient there, then a step of `inner` from θ.

    T is 1, or |θ| + eta: with eta = 0 davda54's `adaptive=True`, else algorithm 1 of the ASAM paper.
    """

    def __init__(self, inner, rho, eta=None):
        self.inner, self.rho, self.eta = inner, rho, eta
        self.parameters = [one for group in inner.param_groups for one in group["params"]]
        self.state, self.param_groups = inner.state, inner.param_groups

    def zero_grad(self):
        self.inner.zero_grad()

    def step(self, closure):
        closure()
        with torch.no_grad():
            kept = [one.clone() for one in self.parameters]
            sizes = [1.0 if self.eta is None else one.abs() + self.eta for one in self.parameters]
            norm = torch.stack([(s * one.grad).norm() for s, one in zip(sizes, self.parameters)]).norm()
            for size, one in zip(sizes, self.parameters):
                one.add_(size**2 * one.grad * (self.rho / (norm + 1e-12)))
        closure()
        with torch.no_grad():
            for one, value in zip(self.parameters, kept):
                one.copy_(value)
        self.inner.step()


def check(golden, spec, make):
    """Fails unless pytorch_optimizer's, given as `make(parameters)`, agrees up to its float32 norm."""
    from harness import SHAPES, STEPS, coupled, flat, initial

    values = [
        torch.nn.Parameter(torch.tensor(initial(name), dtype=torch.float64).reshape(shape))
        for name, shape in SHAPES.items()
    ]
    optimizer = make(values)

    def closure():
        optimizer.zero_grad()
        loss = coupled(values)
        loss.backward()
        return loss

    for _ in range(STEPS):
        closure()
        optimizer.step(closure)
    ours = torch.tensor(golden.final[(spec, None)])
    theirs = torch.tensor([entry for one in values for entry in flat(one)])
    assert (ours - theirs).abs().max() < 1e-5, f"{spec} is not pytorch_optimizer's"
