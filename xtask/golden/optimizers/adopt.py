"""Golden values of `adopt` from timm's `Adopt`, whose steps over single tensors they are."""

from timm.optim import Adopt

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def adopt(lr, clip_exp=0.25, **options):
    return lambda parameters: Adopt(parameters, lr=lr, clip_exp=clip_exp, foreach=False, **options)


golden = Golden("adopt", "timm.optim.Adopt", packages=("torch", "timm"))
moments = torch_state("exp_avg", "exp_avg_sq")
PLAIN = "adopt(0.02)"
golden.case(PLAIN, adopt(0.02), 0.02, state=moments)
golden.case("adopt(0.02, beta1=0.7)", adopt(0.02, betas=(0.7, 0.9999)), 0.02, base=PLAIN, state=moments)
golden.case("adopt(0.02, beta2=0.8)", adopt(0.02, betas=(0.9, 0.8)), 0.02, base=PLAIN, state=moments)
golden.case("adopt(0.02, eps=0.5)", adopt(0.02, eps=0.5), 0.02, base=PLAIN, state=moments)
golden.case("adopt(0.02, clip_exp=0.0)", adopt(0.02, clip_exp=0.0), 0.02, base=PLAIN, state=moments)
golden.case("adopt(0.02, weight_decay=0.1)", adopt(0.02, weight_decay=0.1), 0.02, base=PLAIN, state=moments)
DECOUPLED = "adopt(0.02, weight_decay=0.1, decoupled=true)"
decoupled = adopt(0.02, weight_decay=0.1, decoupled=True)
golden.case(DECOUPLED, decoupled, 0.02, base="adopt(0.02, weight_decay=0.1)", state=moments)
golden.case(DECOUPLED, decoupled, 0.02, base=DECOUPLED, state=moments, schedule=change_weight_decay)
golden.case(PLAIN, adopt(0.02), 0.02, base=PLAIN, state=moments, schedule=cycle_momentum)
golden.cnn("adopt(0.01)", adopt(0.01), 0.01)
golden.write()
