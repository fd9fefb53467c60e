"""Golden values of `qhm` from `pytorch_optimizer.QHM`."""

from pytorch_optimizer import QHM

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def qhm(lr, momentum=0.999, nu=0.7, **options):
    return lambda parameters: QHM(parameters, lr=lr, momentum=momentum, nu=nu, foreach=False, **options)


golden = Golden("qhm", "pytorch_optimizer.QHM", packages=("torch", "pytorch_optimizer"))
buffer = torch_state("momentum_buffer")
golden.case("qhm(0.1)", qhm(0.1), 0.1, state=buffer)
golden.case("qhm(0.1, momentum=0.9)", qhm(0.1, momentum=0.9), 0.1, base="qhm(0.1)", state=buffer)
golden.case("qhm(0.1, nu=0.9)", qhm(0.1, nu=0.9), 0.1, base="qhm(0.1)", state=buffer)
golden.case(
    "qhm(0.1, weight_decay=0.1)", qhm(0.1, weight_decay=0.1), 0.1, base="qhm(0.1)", state=buffer,
)
golden.case(
    "qhm(0.1, weight_decay=0.1)", qhm(0.1, weight_decay=0.1), 0.1,
    base="qhm(0.1, weight_decay=0.1)", state=buffer, schedule=change_weight_decay,
)
golden.case(
    "qhm(0.1, momentum=0.9)", qhm(0.1, momentum=0.9), 0.1,
    base="qhm(0.1, momentum=0.9)", state=buffer, schedule=cycle_momentum,
)
golden.cnn("qhm(0.1)", qhm(0.1), 0.1)
golden.write()
