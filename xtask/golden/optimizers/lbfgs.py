"""Golden values of `lbfgs` from `torch.optim.LBFGS`, on a function: one step is one call of its closure.

Where it has converged, rounding decides the last digits of the state, so only values are compared.
"""

import torch

from harness import Golden, coupled

WHY = "sums over all parameters in f32 decide how far a step goes"


def lbfgs(lr, **options):
    return lambda parameters: torch.optim.LBFGS(parameters, lr=lr, **options)


golden = Golden("lbfgs", "torch.optim.LBFGS")


def case(spec, lr, base=None, **options):
    golden.case(spec, lbfgs(lr, **options), lr, base=base, function=coupled, f32_tolerance=1e-3, why=WHY)


one = "lbfgs(0.05, max_iter=1)"
four = "lbfgs(0.05, max_iter=4)"
case(one, 0.05, max_iter=1)
case(four, 0.05, base=one, max_iter=4)
case("lbfgs(0.05, max_iter=4, max_eval=3)", 0.05, base=four, max_iter=4, max_eval=3)
case("lbfgs(0.05, max_iter=1, history_size=2)", 0.05, base=one, max_iter=1, history_size=2)
case("lbfgs(0.3, max_iter=1)", 0.3, base=one, max_iter=1)
case("lbfgs(0.3, max_iter=1, tolerance_grad=0.1)", 0.3, base="lbfgs(0.3, max_iter=1)", max_iter=1, tolerance_grad=0.1)
case("lbfgs(0.05, max_iter=4, tolerance_change=0.5)", 0.05, base=four, max_iter=4, tolerance_change=0.5)
case("lbfgs(1.0)", 1.0, base=one)
case("lbfgs(1.0, line_search=strong_wolfe)", 1.0, base=one, line_search_fn="strong_wolfe")
# It stops before the loss is so small that rounding decides where the next step goes.
golden.cnn(
    "lbfgs(0.1, max_iter=2, tolerance_grad=1e-4, history_size=10)",
    lbfgs(0.1, max_iter=2, tolerance_grad=1e-4, history_size=10), 0.1, uses_closure=True,
)
golden.cnn(
    "lbfgs(1.0, max_iter=4, line_search=strong_wolfe)", lbfgs(1.0, max_iter=4, line_search_fn="strong_wolfe"),
    1.0, uses_closure=True, steps=10,
)
golden.write()
