"""Curvature by central differences of gradients, as the rules take it, for reference optimizers.

On smooth functions it differs from PyTorch's second derivatives by less than the tests allow, so the
cases on functions use those. The small network has rectifiers: one that flips within the difference
counts in a difference and not in a derivative, so there the references take differences too.
"""

import torch

WIDTH = 2.0 ** (-52 / 3)


class Curved(torch.optim.Optimizer):
    """An optimizer that evaluates its closure at other values of its parameters, as one vector."""

    def __init__(self, parameters, lr, differences, **options):
        self.differences = differences
        super().__init__(parameters, {"lr": lr, **options})
        self.parameters = self.param_groups[0]["params"]
        self.options = self.param_groups[0]

    def values(self):
        return torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters])

    def put(self, values):
        with torch.no_grad():
            start = 0
            for parameter in self.parameters:
                parameter.copy_(values[start : start + parameter.numel()].reshape(parameter.shape))
                start += parameter.numel()

    def evaluate(self, closure, values):
        """The loss and the gradient at `values`, leaving the parameters as they were."""
        here = self.values()
        self.put(values)
        with torch.enable_grad():
            loss = float(closure())
        gradient = torch.cat([parameter.grad.detach().reshape(-1) for parameter in self.parameters])
        self.put(here)
        return loss, gradient

    def hessian_product(self, closure, values, v):
        if self.differences:
            h = WIDTH * (1 + values.norm()) / v.norm()
            ahead = self.evaluate(closure, values + h * v)[1]
            behind = self.evaluate(closure, values - h * v)[1]
            return (ahead - behind) / (2 * h)
        return self.hessian(closure, values) @ v

    def hessian(self, closure, values):
        """Row by row, symmetric."""
        if self.differences:
            rows = []
            for i in range(len(values)):
                step = torch.zeros_like(values)
                step[i] = WIDTH * max(1.0, abs(float(values[i])))
                ahead = self.evaluate(closure, values + step)[1]
                behind = self.evaluate(closure, values - step)[1]
                rows.append((ahead - behind) / (2 * step[i]))
            rows = torch.stack(rows)
            return (rows + rows.T) / 2
        here = self.values()
        self.put(values)
        self.is_second_order = True
        with torch.enable_grad():
            closure()
            gradient = torch.cat([parameter.grad.reshape(-1) for parameter in self.parameters])
            rows = [
                torch.cat([
                    one.reshape(-1)
                    for one in torch.autograd.grad(entry, self.parameters, retain_graph=True)
                ])
                for entry in gradient
            ]
        self.is_second_order = False
        self.put(here)
        return torch.stack(rows)
