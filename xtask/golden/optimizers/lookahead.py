"""Golden values of `lookahead` from pytorch_optimizer's `Lookahead` around PyTorch's optimizers."""

import torch
from pytorch_optimizer import Lookahead

from harness import Golden, coupled


def lookahead(base, k=5, alpha=0.5, **options):
    return lambda parameters: Lookahead(base(parameters, foreach=False, **options), k=k, alpha=alpha)


def state(*names):
    def of(optimizer, parameter):
        kept = {"slow": optimizer.state[parameter]["slow_params"]}
        return kept | {name: optimizer.optimizer.state[parameter][name] for name in names}

    return of


sgd, adam = torch.optim.SGD, torch.optim.Adam
golden = Golden("lookahead", "pytorch_optimizer's Lookahead, pullback_momentum='none'", ("torch", "pytorch_optimizer"))
golden.case("lookahead(base=sgd(0.05))", lookahead(sgd, lr=0.05), 0.05, state=state())
golden.case(
    "lookahead(k=4, base=sgd(0.05))", lookahead(sgd, k=4, lr=0.05), 0.05,
    base="lookahead(base=sgd(0.05))", state=state(),
)
golden.case(
    "lookahead(alpha=0.8, base=sgd(0.05))", lookahead(sgd, alpha=0.8, lr=0.05), 0.05,
    base="lookahead(base=sgd(0.05))", state=state(),
)
golden.case(
    "lookahead(base=sgd(0.05, momentum=0.9))", lookahead(sgd, lr=0.05, momentum=0.9), 0.05,
    base="lookahead(base=sgd(0.05))", state=state("momentum_buffer"),
)
golden.case("lookahead(base=adam(0.01))", lookahead(adam, lr=0.01), 0.01, state=state("exp_avg", "exp_avg_sq"))
golden.case("lookahead(3, base=adam(0.05))", lookahead(adam, k=3, lr=0.05), 0.05, function=coupled)
golden.cnn("lookahead(base=sgd(0.05, momentum=0.9))", lookahead(sgd, lr=0.05, momentum=0.9), 0.05)
golden.write()
