"""Golden values of `adahessian` from `timm.optim.Adahessian`, with the signs that ours draws.

The signs are bits of ChaCha8 streams keyed by (seed, "adahessian", draw, place), as in firebrick-core's
`random::rng`. Products with the Hessian are PyTorch's second derivatives; see `differences.py` for the
network.
"""

import struct

import torch
from timm.optim.adahessian import Adahessian

from differences import WIDTH
from harness import Golden, bowl, change_weight_decay, coupled, cycle_momentum, torch_state

WHY = "differences of f32 gradients give 2e-5 of the Hessian"


def fnv(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    return value


def chacha8(key, counter):
    """One block of sixteen words."""
    first = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    first += [counter & 0xFFFFFFFF, counter >> 32, 0, 0]
    words = list(first)

    def turn(value, by):
        return ((value << by) | (value >> (32 - by))) & 0xFFFFFFFF

    def quarter(a, b, c, d):
        for one, two, three, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            words[one] = (words[one] + words[two]) & 0xFFFFFFFF
            words[three] = turn(words[three] ^ words[one], by)

    for _ in range(4):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return [(word + start) & 0xFFFFFFFF for word, start in zip(words, first)]


def signs(seed, draw, place, like):
    key = struct.pack("<4Q", seed, fnv("adahessian"), draw, place)
    bits, counter = [], 0
    while len(bits) < like.numel():
        bits += [word >> bit & 1 for word in chacha8(key, counter) for bit in range(32)]
        counter += 1
    return torch.tensor([2.0 * bit - 1 for bit in bits[: like.numel()]], dtype=like.dtype).reshape(like.shape)


class Signed(Adahessian):
    """timm's, with our signs; `differences` takes products as ours does."""

    def __init__(self, parameters, lr, seed=0, differences=False, **options):
        super().__init__(parameters, lr, **options)
        self.draws, self.differences = seed, differences
        self.own_seed = seed

    @property
    def is_second_order(self):
        return not self.differences

    def step(self, closure):
        self.closure = closure
        return super().step(closure)

    @torch.no_grad()
    def set_hessian(self):
        parameters = list(self.get_params())
        steps = self.state[parameters[0]]["hessian step"]
        for parameter in parameters:
            self.state[parameter]["hessian step"] += 1
        if steps % self.update_each != 0:
            return
        for sample in range(self.n_samples):
            zs = [
                signs(self.own_seed, steps * self.n_samples + sample, place, parameter)
                for place, parameter in enumerate(parameters)
            ]
            for product, z, parameter in zip(self.products(parameters, zs), zs, parameters):
                parameter.hess += product * z / self.n_samples

    def products(self, parameters, zs):
        gradients = [parameter.grad for parameter in parameters]
        if not self.differences:
            return torch.autograd.grad(gradients, parameters, grad_outputs=zs, retain_graph=True)
        length = sum((z**2).sum() for z in zs).sqrt()
        h = WIDTH * (1 + sum((parameter**2).sum() for parameter in parameters).sqrt()) / length
        here = [parameter.clone() for parameter in parameters]

        def gradient(width):
            for parameter, value, z in zip(parameters, here, zs):
                parameter.copy_(value + width * z)
            with torch.enable_grad():
                self.closure()
            return [parameter.grad.clone() for parameter in parameters]

        ahead, behind = gradient(h), gradient(-h)
        for parameter, value, given in zip(parameters, here, gradients):
            parameter.copy_(value)
            parameter.grad = given.clone()
        return [(a - b) / (2 * h) for a, b in zip(ahead, behind)]


def adahessian(lr, **options):
    return lambda parameters: Signed(parameters, lr, **options)


golden = Golden("adahessian", "timm.optim.Adahessian", packages=("torch", "timm"))
state = torch_state("exp_avg", "exp_hessian_diag_sq")


def case(options, base=None, function=coupled, lr=0.1, schedule=None, **given):
    spec = "adahessian(" + ", ".join([str(lr), *options]) + ")"
    golden.case(
        spec, adahessian(lr, **given), lr, base=base, function=function, state=state, schedule=schedule,
        f32_tolerance=2e-3, why=WHY,
    )
    return spec


case([], function=bowl, lr=0.05)
plain = case([])
case(["beta1=0.5"], plain, betas=(0.5, 0.999))
case(["beta2=0.8"], plain, betas=(0.9, 0.8))
case(["eps=0.1"], plain, eps=0.1)
case(["weight_decay=0.3"], plain, weight_decay=0.3)
case(["hessian_power=0.5"], plain, hessian_power=0.5)
case(["update_each=5"], plain, update_each=5)
case(["n_samples=3"], plain, n_samples=3)
case(["avg_conv_kernel=true"], plain, avg_conv_kernel=True)
case(["seed=7"], plain, seed=7)
case([], plain, schedule=cycle_momentum)
case([], plain, schedule=change_weight_decay)
golden.cnn("adahessian(0.01, eps=0.01)", adahessian(0.01, eps=0.01, differences=True), 0.01, uses_closure=True)
golden.write()
