"""PyTorch and ONNX Runtime behind the protocol of `firebrick-bench`: `cargo xtask bench` starts it.

One JSON object a line on stdin, one on stdout:

    {"do": "hello"}                          -> {"ready": "PyTorch 2.15.0"}
    {"do": "open", "case": {...}}            -> {"first_ms": ..., "warm_ms": ..., ...}
    {"do": "burst", "steps": 5}              -> {"ms": [...]}
    {"do": "close"}                          -> {}

Anything else it may answer is {"missing": "why"}. The argument says who answers: `torch` (default
settings), `tuned` (channels last or not, whichever is faster here; fused optimizers; started with
malloc settings that keep freed pages) or `onnx`. Threads come from OMP_NUM_THREADS.
"""

import json
import os
import sys
import time

WHO = sys.argv[1] if len(sys.argv) > 1 else "torch"
TUNED = WHO == "tuned"
THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))


class Missing(Exception):
    """A case that this contender cannot run, with the reason."""


def load():
    """Imports what this contender needs; the text names it and its version."""
    try:
        import torch
    except ImportError as error:
        raise Missing(f"PyTorch cannot be imported: {error}") from error
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    if WHO != "onnx":
        return f"PyTorch {torch.__version__}"
    try:
        import onnx  # noqa: F401 - the exporter needs it
        import onnxruntime
    except ImportError as error:
        raise Missing(f"ONNX Runtime cannot be imported: {error}") from error
    return f"ONNX Runtime {onnxruntime.__version__}"


def timed(step, count):
    """Milliseconds of `count` calls."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - begun))
    return times


def fastest(ways):
    """The quickest of several ways to do the same, each warmed up: `(name, step)`."""
    best = None
    for name, step in ways:
        timed(step, 2)
        least = min(timed(step, 3))
        if best is None or least < best[0]:
            best = (least, name, step)
    return best[1], best[2]


def layouts(make):
    """`make(memory_format)` in the default layout; tuned, in the faster of both."""
    import torch

    if not TUNED:
        return "NCHW", make(torch.contiguous_format)
    return fastest(
        [
            ("NCHW", make(torch.contiguous_format)),
            ("channels last", make(torch.channels_last)),
        ]
    )


def convolution(case):
    """One pass of a convolution; `forward_backward` is all of them as autograd runs them."""
    import torch
    import torch.nn.functional as functional

    stride, padding, groups = case["stride"], case["padding"], case["groups"]
    input_shape = (case["batch"], case["inputs"], case["side"], case["side"])
    weight_shape = (case["outputs"], case["inputs"] // groups, case["kernel"], case["kernel"])

    def make(layout):
        image = torch.randn(input_shape).to(memory_format=layout)
        weight = torch.randn(weight_shape).to(memory_format=layout)
        if case["pass"] == "forward_backward":
            image.requires_grad_()
            weight.requires_grad_()

            def both():
                output = functional.conv2d(image, weight, None, stride, padding, 1, groups)
                torch.autograd.grad(output, [image, weight], gradient)

        def forward():
            with torch.no_grad():
                return functional.conv2d(image, weight, None, stride, padding, 1, groups)

        gradient = torch.randn(forward().shape).to(memory_format=layout)
        if case["pass"] == "forward":
            return forward
        if case["pass"] == "forward_backward":
            return both
        mask = [case["pass"] == "input_grad", case["pass"] == "weight_grad", False]
        backward = torch.ops.aten.convolution_backward

        def one_gradient():
            backward(
                gradient,
                image,
                weight,
                None,
                [stride, stride],
                [padding, padding],
                [1, 1],
                False,
                [0, 0],
                groups,
                mask,
            )

        return one_gradient

    how, step = layouts(make)
    return step, {"how": how}


def elementwise(case):
    """Batch norm with ReLU, pooling, ReLU and sum over one shape."""
    import torch
    import torch.nn.functional as functional

    operation = case["operation"]

    def make(layout):
        def images(size=1.0):
            return (size * torch.randn(case["shape"])).to(memory_format=layout)

        image, channels = images(), case["shape"][1]
        gamma, beta = torch.ones(channels), torch.zeros(channels)
        mean, variance = torch.zeros(channels), torch.ones(channels)

        def norm_relu(image):
            normal = functional.batch_norm(image, mean, variance, gamma, beta, training=True)
            return functional.relu(normal, inplace=TUNED)

        def backward(forward, *inputs):
            for one in inputs:
                one.requires_grad_()
            output = forward()
            gradient = torch.randn(output.shape).to(memory_format=layout)
            return lambda: torch.autograd.grad(output, inputs, gradient, retain_graph=True)

        if operation == "batch_norm_relu":
            return lambda: norm_relu(image)
        if operation == "batch_norm_relu_grad":
            return backward(lambda: norm_relu(image), image, gamma, beta)
        if operation == "batch_norm_relu_both":
            for one in (image, gamma, beta):
                one.requires_grad_()
            ones = torch.ones(case["shape"]).to(memory_format=layout)
            return lambda: torch.autograd.grad(norm_relu(image), [image, gamma, beta], ones)
        if operation == "relu":
            return lambda: functional.relu(image)
        if operation == "relu_grad":
            return backward(lambda: functional.relu(image), image)
        if operation == "max_pool":
            return lambda: functional.max_pool2d(image, 2)
        if operation == "max_pool_grad":
            return backward(lambda: functional.max_pool2d(image, 2), image)
        if operation == "add":
            other = images()
            return lambda: image + other
        raise Missing(f"no operation {operation}")

    how, step = layouts(make)
    return step, {"how": how}


def optimizer(case):
    """One step over the parameters of ResNet-18, the gradients fixed."""
    import torch

    from peer_networks import resnet18

    parameters = list(resnet18("cifar", 3, 10).parameters())
    generator = torch.Generator().manual_seed(1)
    for parameter in parameters:
        parameter.grad = 1e-3 * torch.randn(parameter.shape, generator=generator)
    count = sum(parameter.numel() for parameter in parameters)
    extra = {"fused": True} if TUNED else {}
    how = "fused" if TUNED else "default"
    if case["operation"] == "clip":
        ways = {"fused": {"foreach": True}, "default": {}}[how]
        step = lambda: torch.nn.utils.clip_grad_norm_(parameters, 0.1, **ways)  # noqa: E731
        how = "foreach" if TUNED else "default"
    elif case["operation"] == "adam":
        step = torch.optim.Adam(parameters, lr=1e-5, **extra).step
    else:
        step = torch.optim.SGD(parameters, lr=1e-5, momentum=0.9, **extra).step
    return step, {"how": how, "parameters": count}


def open_case(case):
    """The step of a case and what to report about it."""
    suite = case["suite"]
    if suite in ("conv", "norm", "optim") and WHO == "onnx":
        raise Missing("ONNX Runtime is for inference")
    if suite == "conv":
        return convolution(case)
    if suite == "norm":
        return elementwise(case)
    if suite == "optim":
        return optimizer(case)
    if suite == "transfer":
        import peer_transfer

        return peer_transfer.features(case, TUNED, fastest)
    import peer_networks

    if suite == "step" and WHO != "onnx":
        return peer_networks.training_step(case, TUNED, fastest)
    if suite == "infer" and WHO == "onnx":
        return peer_networks.onnx_inference(case, THREADS)
    if suite == "infer":
        return peer_networks.inference(case, TUNED, fastest)
    raise Missing(f"no suite {suite}")


def main(load=load, open_case=open_case):
    """Answers commands until the pipe closes."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not fall between the replies
    step = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command["do"] == "hello":
                reply = {"ready": load(), "threads": THREADS}
            elif command["do"] == "open":
                step, reply = open_case(command["case"])
                reply["first_ms"], reply["warm_ms"] = timed(step, 2)
            elif command["do"] == "burst":
                reply = {"ms": timed(step, command["steps"])}
            else:
                step, reply = None, {}
        except Missing as missing:
            reply = {"missing": str(missing)}
        except Exception as error:  # noqa: BLE001 - the table says it
            reply = {"missing": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    main()
