"""Golden values of `adan` from timm's `Adan`, the authors' code."""

from timm.optim import Adan

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def adan(lr, **options):
    return lambda parameters: Adan(parameters, lr=lr, foreach=False, **options)


golden = Golden("adan", "timm.optim.Adan", packages=("torch", "timm"))
state = torch_state("exp_avg", "exp_avg_diff", "exp_avg_sq", "neg_pre_grad")
plain = "adan(0.02)"
golden.case(plain, adan(0.02), 0.02, state=state)
golden.case("adan(0.02, beta1=0.7)", adan(0.02, betas=(0.7, 0.92, 0.99)), 0.02, base=plain, state=state)
golden.case("adan(0.02, beta2=0.6)", adan(0.02, betas=(0.98, 0.6, 0.99)), 0.02, base=plain, state=state)
golden.case("adan(0.02, beta3=0.8)", adan(0.02, betas=(0.98, 0.92, 0.8)), 0.02, base=plain, state=state)
golden.case("adan(0.02, eps=0.1)", adan(0.02, eps=0.1), 0.02, base=plain, state=state)
golden.case("adan(0.02, weight_decay=1)", adan(0.02, weight_decay=1), 0.02, base=plain, state=state)
golden.case(
    "adan(0.02, weight_decay=1, no_prox=true)", adan(0.02, weight_decay=1, no_prox=True), 0.02,
    base="adan(0.02, weight_decay=1)", state=state,
)
golden.case(plain, adan(0.02), 0.02, base=plain, state=state, schedule=change_weight_decay)
golden.case(plain, adan(0.02), 0.02, base=plain, state=state, schedule=cycle_momentum)
golden.cnn("adan(0.01)", adan(0.01), 0.01)
golden.write()
