"""Golden values of `sam` from davda54's `SAM` around PyTorch's optimizers, see `twice.py`."""

import pytorch_optimizer
import torch

from harness import Golden, coupled
from twice import Twice, check

sgd, adam = torch.optim.SGD, torch.optim.Adam


def sam(base, rho=0.05, **options):
    return lambda parameters: Twice(base(parameters, foreach=False, **options), rho)


def state(*names):
    return lambda optimizer, parameter: {name: optimizer.state[parameter][name] for name in names}


golden = Golden("sam", "davda54's SAM, written out in twice.py", ("torch", "pytorch_optimizer"))
plain = "sam(base=sgd(0.02))"
golden.case(plain, sam(sgd, lr=0.02), 0.02, function=coupled)
check(golden, plain, lambda parameters: pytorch_optimizer.SAM(parameters, sgd, rho=0.05, lr=0.02))
golden.case("sam(rho=0.2, base=sgd(0.02))", sam(sgd, 0.2, lr=0.02), 0.02, function=coupled, base=plain)
golden.case(
    "sam(base=sgd(0.02, momentum=0.9))", sam(sgd, lr=0.02, momentum=0.9), 0.02,
    function=coupled, base=plain, state=state("momentum_buffer"),
)
golden.case(
    "sam(0.1, base=adam(0.02))", sam(adam, 0.1, lr=0.02), 0.02,
    function=coupled, base=plain, state=state("exp_avg", "exp_avg_sq"),
)
golden.cnn("sam(base=sgd(0.05, momentum=0.9))", sam(sgd, lr=0.05, momentum=0.9), 0.05, uses_closure=True)
golden.write()
