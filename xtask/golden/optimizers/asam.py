"""Golden values of `asam`: davda54's `SAM(adaptive=True)` for `eta=0`, and the paper's, see `twice.py`."""

import pytorch_optimizer
import torch

from harness import Golden, coupled
from twice import Twice, check

sgd = torch.optim.SGD


def asam(rho=0.5, eta=0.01, **options):
    return lambda parameters: Twice(sgd(parameters, foreach=False, **options), rho, eta)


golden = Golden("asam", "davda54's SAM, written out in twice.py, with the eta of the ASAM paper", ("torch", "pytorch_optimizer"))
plain = "asam(base=sgd(0.05))"
golden.case(plain, asam(lr=0.02), 0.02, function=coupled)
golden.case("asam(rho=0.1, base=sgd(0.05))", asam(rho=0.1, lr=0.02), 0.02, function=coupled, base=plain)
golden.case("asam(eta=0.3, base=sgd(0.05))", asam(eta=0.3, lr=0.02), 0.02, function=coupled, base=plain)
without = "asam(eta=0, base=sgd(0.05))"
golden.case(without, asam(eta=0.0, lr=0.02), 0.02, function=coupled, base=plain)
check(golden, without, lambda parameters: pytorch_optimizer.SAM(parameters, sgd, rho=0.5, adaptive=True, lr=0.02))
golden.cnn("asam(base=sgd(0.05, momentum=0.9))", asam(lr=0.05, momentum=0.9), 0.05, uses_closure=True)
golden.write()
