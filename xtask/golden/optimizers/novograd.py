"""Golden values of `novograd` from timm's `NvNovoGrad`."""

import torch
from timm.optim import NvNovoGrad

from harness import Golden, change_weight_decay, cycle_momentum

# Its squared norm is of the default type.
torch.set_default_dtype(torch.float64)


def novograd(lr, **options):
    return lambda parameters: NvNovoGrad(parameters, lr=lr, **options)


def state(*names):
    return lambda optimizer, parameter: {
        name: optimizer.state[parameter][name] for name in ("exp_avg", "exp_avg_sq", *names)
    }


golden = Golden("novograd", "timm.optim.NvNovoGrad", packages=("torch", "timm"))
plain = "novograd(0.02)"
golden.case(plain, novograd(0.02), 0.02, state=state())
golden.case("novograd(0.02, beta1=0.7)", novograd(0.02, betas=(0.7, 0.98)), 0.02, base=plain, state=state())
golden.case("novograd(0.02, beta2=0.6)", novograd(0.02, betas=(0.95, 0.6)), 0.02, base=plain, state=state())
golden.case("novograd(0.02, eps=0.5)", novograd(0.02, eps=0.5), 0.02, base=plain, state=state())
golden.case("novograd(0.02, weight_decay=0.1)", novograd(0.02, weight_decay=0.1), 0.02, base=plain, state=state())
golden.case("novograd(0.02, grad_averaging=true)", novograd(0.02, grad_averaging=True), 0.02, base=plain, state=state())
golden.case(
    "novograd(0.02, beta2=0.6, amsgrad=true)", novograd(0.02, betas=(0.95, 0.6), amsgrad=True), 0.02,
    base="novograd(0.02, beta2=0.6)", state=state("max_exp_avg_sq"),
)
golden.case(
    "novograd(0.02, weight_decay=0.1, decoupled_decay=true)",
    novograd(0.02, weight_decay=0.1, decoupled_decay=True), 0.02,
    base="novograd(0.02, weight_decay=0.1)", state=state(),
)
golden.case(plain, novograd(0.02), 0.02, base=plain, state=state(), schedule=change_weight_decay)
golden.case(plain, novograd(0.02), 0.02, base=plain, state=state(), schedule=cycle_momentum)
golden.cnn("novograd(0.01)", novograd(0.01), 0.01)
golden.write()
