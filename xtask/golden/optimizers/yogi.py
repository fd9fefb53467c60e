"""Golden values of `yogi` from pytorch_optimizer's `Yogi`."""

from pytorch_optimizer import Yogi

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def yogi(lr, **options):
    return lambda parameters: Yogi(parameters, lr=lr, foreach=False, **options)


golden = Golden("yogi", "pytorch_optimizer.Yogi", packages=("torch", "pytorch_optimizer"))
moments = torch_state("exp_avg", "exp_avg_sq")
plain = "yogi(0.02)"
golden.case(plain, yogi(0.02), 0.02, state=moments)
golden.case("yogi(0.02, beta1=0.7)", yogi(0.02, betas=(0.7, 0.999)), 0.02, base=plain, state=moments)
golden.case("yogi(0.02, beta2=0.8)", yogi(0.02, betas=(0.9, 0.8)), 0.02, base=plain, state=moments)
golden.case("yogi(0.02, eps=0.1)", yogi(0.02, eps=0.1), 0.02, base=plain, state=moments)
golden.case(
    "yogi(0.02, initial_accumulator=0.1)", yogi(0.02, initial_accumulator=0.1), 0.02, base=plain, state=moments,
)
golden.case("yogi(0.02, weight_decay=0.3)", yogi(0.02, weight_decay=0.3), 0.02, base=plain, state=moments)
golden.case(plain, yogi(0.02), 0.02, base=plain, state=moments, schedule=change_weight_decay)
golden.case(plain, yogi(0.02), 0.02, base=plain, state=moments, schedule=cycle_momentum)
golden.cnn("yogi(0.01)", yogi(0.01), 0.01)
golden.write()
