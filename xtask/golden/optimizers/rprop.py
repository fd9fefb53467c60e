"""Golden values of `rprop` from `torch.optim.Rprop`."""

import torch

from harness import Golden, torch_state


def rprop(lr, **options):
    return lambda parameters: torch.optim.Rprop(parameters, lr=lr, foreach=False, **options)


golden = Golden("rprop", "torch.optim.Rprop")
kept = torch_state("prev", "step_size")
plain = "rprop(0.01)"
golden.case(plain, rprop(0.01), 0.01, state=kept)
golden.case("rprop(0.02)", rprop(0.02), 0.02, base=plain, state=kept)
golden.case("rprop(0.01, etaminus=0.8)", rprop(0.01, etas=(0.8, 1.2)), 0.01, base=plain, state=kept)
golden.case("rprop(0.01, etaplus=1.5)", rprop(0.01, etas=(0.5, 1.5)), 0.01, base=plain, state=kept)
golden.case("rprop(0.01, step_size_min=5e-3)", rprop(0.01, step_sizes=(5e-3, 50)), 0.01, base=plain, state=kept)
golden.case("rprop(0.01, step_size_max=0.012)", rprop(0.01, step_sizes=(1e-6, 0.012)), 0.01, base=plain, state=kept)
golden.cnn("rprop(0.001, step_size_max=0.005)", rprop(0.001, step_sizes=(1e-6, 0.005)), 0.001)
golden.write()
