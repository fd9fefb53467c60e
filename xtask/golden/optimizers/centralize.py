"""Golden values of `centralize` from pytorch_optimizer's `centralize_gradient` before PyTorch's optimizers."""

import torch
from pytorch_optimizer.optimizer.gradient_centralization import centralize_gradient

from harness import Golden, coupled


class Centralized:
    def __init__(self, inner, conv_only):
        self.inner, self.conv_only = inner, conv_only
        self.state, self.param_groups = inner.state, inner.param_groups

    def zero_grad(self):
        self.inner.zero_grad()

    def step(self, closure=None):
        if closure is not None:
            closure()
        for group in self.param_groups:
            for one in group["params"]:
                # Matrices here are `[in, out]`.
                centralize_gradient(one.grad.T if one.dim() == 2 else one.grad, gc_conv_only=self.conv_only)
        self.inner.step()


def centralize(base, conv_only=False, **options):
    return lambda parameters: Centralized(base(parameters, foreach=False, **options), conv_only)


def state(*names):
    return lambda optimizer, parameter: {name: optimizer.state[parameter][name] for name in names}


sgd, adam = torch.optim.SGD, torch.optim.Adam
golden = Golden("centralize", "pytorch_optimizer's centralize_gradient", ("torch", "pytorch_optimizer"))
plain = "centralize(base=sgd(0.05))"
golden.case(plain, centralize(sgd, lr=0.05), 0.05)
golden.case(
    "centralize(conv_only=true, base=sgd(0.05))", centralize(sgd, conv_only=True, lr=0.05), 0.05, base=plain,
)
golden.case(
    "centralize(base=sgd(0.05, momentum=0.9, weight_decay=0.1))",
    centralize(sgd, lr=0.05, momentum=0.9, weight_decay=0.1), 0.05, base=plain, state=state("momentum_buffer"),
)
golden.case(
    "centralize(base=adam(0.01))", centralize(adam, lr=0.01), 0.01, base=plain, state=state("exp_avg", "exp_avg_sq"),
)
golden.case("centralize(false, adam(0.05))", centralize(adam, lr=0.05), 0.05, function=coupled)
golden.cnn("centralize(base=sgd(0.05, momentum=0.9))", centralize(sgd, lr=0.05, momentum=0.9), 0.05)
golden.write()
