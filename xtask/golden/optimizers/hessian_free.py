"""Golden values of `hessian_free` from its formulas in PyTorch, with the Hessian of `torch.autograd`."""

import torch

from differences import Curved
from harness import Golden, coupled

WHY = "differences of f32 gradients give 2e-5 of the Hessian"


class HessianFree(Curved):
    def step(self, closure):
        options, values = self.options, self.values()
        rate, tolerance = options["damping"], options["cg_tolerance"]
        rate = self.state.setdefault("rate", rate)
        loss, g = self.evaluate(closure, values)
        if g.norm() == 0:
            return
        curved = None if self.differences else self.hessian(closure, values)

        def product(v):
            return self.hessian_product(closure, values, v) if self.differences else curved @ v

        p, residual = torch.zeros_like(g), -g
        direction = residual
        for iteration in range(options["cg_iterations"]):
            bent = product(direction) + rate * direction
            curvature = direction @ bent
            if curvature <= 0:
                if iteration == 0:
                    size = g @ g
                    p = direction * size / (abs(curvature - rate * size) + rate * size)
                break
            share = (residual @ residual) / curvature
            p, after = p + share * direction, residual - share * bent
            if after.norm() <= tolerance * g.norm():
                break
            direction = after + direction * (after @ after) / (residual @ residual)
            residual = after
        slope, bend = g @ p, p @ product(p)
        t = options["lr"]
        for halving in range(11):
            found, _ = self.evaluate(closure, values + t * p)
            if halving == 0 and options["adapt"]:
                predicted = t * slope + t * t * bend / 2
                ratio = (found - loss) / predicted
                if not (ratio >= 0.25 and predicted < 0):
                    rate = rate * 1.5
                elif ratio > 0.75:
                    rate = rate / 1.5
                self.state["rate"] = rate
            if found <= loss + 1e-4 * t * slope:
                self.put(values + t * p)
                return
            t /= 2


def free(lr, damping=1.0, cg_iterations=50, cg_tolerance=1e-3, adapt=True, differences=False):
    return lambda parameters: HessianFree(
        parameters, lr, differences, damping=damping, cg_iterations=cg_iterations, cg_tolerance=cg_tolerance,
        adapt=adapt,
    )


golden = Golden("hessian_free", "the formulas in PyTorch, torch.autograd.grad of gradients")


def case(spec, lr, base=None, **options):
    golden.case(spec, free(lr, **options), lr, base=base, function=coupled, f32_tolerance=1e-2, why=WHY)


plain = "hessian_free(0.03)"
case(plain, 0.03)
case("hessian_free(1.0)", 1.0, base=plain)
case("hessian_free(0.03, damping=10.0)", 0.03, base=plain, damping=10.0)
case("hessian_free(0.03, cg_iterations=1)", 0.03, base=plain, cg_iterations=1)
case("hessian_free(0.03, cg_tolerance=0.5)", 0.03, base=plain, cg_tolerance=0.5)
case("hessian_free(0.03, adapt=false)", 0.03, base=plain, adapt=False)
golden.cnn(
    "hessian_free(1.0, damping=10.0, cg_iterations=5)", free(1.0, damping=10.0, cg_iterations=5, differences=True), 1.0,
    uses_closure=True, steps=10,
)
golden.write()
