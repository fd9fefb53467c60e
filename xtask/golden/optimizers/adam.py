"""Golden values of `adam` from `torch.optim.Adam`.

Without bias correction, the lecture's "almost Adam", PyTorch has none: it is written out below.
"""

import torch

from harness import Golden, cycle_momentum, torch_state


def adam(lr, **options):
    return lambda parameters: torch.optim.Adam(parameters, lr=lr, foreach=False, **options)


class Almost(torch.optim.Optimizer):
    """m ← β1 m + (1 - β1) g, v ← β2 v + (1 - β2) g², θ ← θ - lr m / (√v + eps)."""

    def __init__(self, parameters, lr, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                state, gradient = self.state[parameter], parameter.grad
                mean = state.setdefault("exp_avg", torch.zeros_like(parameter))
                square = state.setdefault("exp_avg_sq", torch.zeros_like(parameter))
                mean.mul_(beta1).add_((1 - beta1) * gradient)
                square.mul_(beta2).add_((1 - beta2) * gradient * gradient)
                parameter.sub_(group["lr"] * mean / (square.sqrt() + group["eps"]))


def almost(lr, **options):
    return lambda parameters: Almost(parameters, lr, **options)


golden = Golden("adam", "torch.optim.Adam")
moments = torch_state("exp_avg", "exp_avg_sq")
largest = torch_state("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
golden.case("adam(0.02)", adam(0.02), 0.02, state=moments)
golden.case("adam(0.02, beta1=0.7)", adam(0.02, betas=(0.7, 0.999)), 0.02, base="adam(0.02)", state=moments)
golden.case("adam(0.02, beta2=0.8)", adam(0.02, betas=(0.9, 0.8)), 0.02, base="adam(0.02)", state=moments)
golden.case("adam(0.02, eps=0.1)", adam(0.02, eps=0.1), 0.02, base="adam(0.02)", state=moments)
golden.case("adam(0.02, weight_decay=0.1)", adam(0.02, weight_decay=0.1), 0.02, base="adam(0.02)", state=moments)
golden.case(
    "adam(0.02, beta2=0.8, amsgrad=true)", adam(0.02, betas=(0.9, 0.8), amsgrad=True), 0.02,
    base="adam(0.02, beta2=0.8)", state=largest,
)
golden.case("adam(0.02)", adam(0.02), 0.02, base="adam(0.02)", state=moments, schedule=cycle_momentum)
golden.case(
    "adam(0.02, bias_correction=false)", almost(0.02), 0.02, base="adam(0.02)", state=moments,
)
golden.case(
    "adam(0.02, beta2=0.8, bias_correction=false)", almost(0.02, betas=(0.9, 0.8)), 0.02,
    base="adam(0.02, bias_correction=false)", state=moments,
)
golden.cnn("adam(0.01)", adam(0.01), 0.01)
golden.write()
