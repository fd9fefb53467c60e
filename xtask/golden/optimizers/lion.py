"""Golden values of `lion` from lion-pytorch's `Lion`."""

from lion_pytorch import Lion

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def lion(lr, **options):
    return lambda parameters: Lion(parameters, lr=lr, **options)


golden = Golden("lion", "lion_pytorch.Lion", packages=("torch", "lion-pytorch"))
mean = torch_state("exp_avg")
plain = "lion(0.02)"
golden.case(plain, lion(0.02), 0.02, state=mean)
golden.case("lion(0.02, beta1=0.3)", lion(0.02, betas=(0.3, 0.99)), 0.02, base=plain, state=mean)
golden.case("lion(0.02, beta2=0.8)", lion(0.02, betas=(0.9, 0.8)), 0.02, base=plain, state=mean)
golden.case("lion(0.02, weight_decay=0.3)", lion(0.02, weight_decay=0.3), 0.02, base=plain, state=mean)
golden.case(plain, lion(0.02), 0.02, base=plain, state=mean, schedule=change_weight_decay)
golden.case(plain, lion(0.02), 0.02, base=plain, state=mean, schedule=cycle_momentum)
golden.cnn("lion(0.001)", lion(0.001), 0.001)
golden.write()
