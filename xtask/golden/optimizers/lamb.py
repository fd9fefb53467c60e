"""Golden values of `lamb` from timm's `Lamb` without its clipping of gradients."""

from timm.optim import Lamb

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def lamb(lr, **options):
    return lambda parameters: Lamb(parameters, lr=lr, max_grad_norm=None, foreach=False, **options)


golden = Golden("lamb", "timm.optim.Lamb, max_grad_norm=None", packages=("torch", "timm"))
moments = torch_state("exp_avg", "exp_avg_sq")
plain = "lamb(0.02)"
golden.case(plain, lamb(0.02), 0.02, state=moments)
golden.case("lamb(0.02, beta1=0.7)", lamb(0.02, betas=(0.7, 0.999)), 0.02, base=plain, state=moments)
golden.case("lamb(0.02, beta2=0.8)", lamb(0.02, betas=(0.9, 0.8)), 0.02, base=plain, state=moments)
golden.case("lamb(0.02, eps=0.1)", lamb(0.02, eps=0.1), 0.02, base=plain, state=moments)
golden.case("lamb(0.02, weight_decay=0.3)", lamb(0.02, weight_decay=0.3), 0.02, base=plain, state=moments)
golden.case("lamb(0.02, weight_decay=0)", lamb(0.02, weight_decay=0), 0.02, base=plain, state=moments)
golden.case(
    "lamb(0.02, bias_correction=false)", lamb(0.02, bias_correction=False), 0.02, base=plain, state=moments,
)
golden.case(
    "lamb(0.02, grad_averaging=false)", lamb(0.02, grad_averaging=False), 0.02, base=plain, state=moments,
)
golden.case("lamb(0.02, trust_clip=true)", lamb(0.02, trust_clip=True), 0.02, base=plain, state=moments)
golden.case(
    "lamb(0.02, weight_decay=0, always_adapt=true)", lamb(0.02, weight_decay=0, always_adapt=True), 0.02,
    base="lamb(0.02, weight_decay=0)", state=moments,
)
golden.case(
    "lamb(0.02, weight_decay=0.3, decoupled_decay=true)", lamb(0.02, weight_decay=0.3, decoupled_decay=True), 0.02,
    base="lamb(0.02, weight_decay=0.3)", state=moments,
)
golden.case(plain, lamb(0.02), 0.02, base=plain, state=moments, schedule=change_weight_decay)
golden.case(plain, lamb(0.02), 0.02, base=plain, state=moments, schedule=cycle_momentum)
golden.cnn("lamb(0.01)", lamb(0.01), 0.01)
golden.write()
