"""The twins of Firebrick's networks in PyTorch, with the keys of their weights; training and inference."""

import json
import os
import tempfile

import torch
import torch.nn.functional as functional
from torch import nn


def conv(inputs, outputs, kernel=3, stride=1):
    """A convolution without bias that keeps the size, but for its stride."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class SmallStage(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return functional.relu(self.bn2(self.conv2(x)), inplace=True)


class SmallCnn(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.layer1 = SmallStage(channels, 16)
        self.layer2 = SmallStage(16, 32)
        self.layer3 = SmallStage(32, 64)
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = functional.max_pool2d(self.layer1(x), 2)
        x = functional.max_pool2d(self.layer2(x), 2)
        return self.fc(self.layer3(x).mean((2, 3)))


class Block(nn.Module):
    """Two convolutions and a shortcut: projected (`b`), or strided and padded with zeros (`a`)."""

    def __init__(self, inputs, outputs, shortcut):
        super().__init__()
        stride = 2 if inputs != outputs else 1
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.downsample, self.pad = None, 0
        if stride == 2 and shortcut == "b":
            self.downsample = nn.Sequential(
                conv(inputs, outputs, 1, 2), nn.BatchNorm2d(outputs)
            )
        elif stride == 2:
            self.pad = (outputs - inputs) // 2

    def forward(self, x):
        shortcut = x
        if self.downsample is not None:
            shortcut = self.downsample(x)
        elif self.pad:
            shortcut = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        x += shortcut
        return functional.relu(x, inplace=True)


def stage(inputs, outputs, blocks, shortcut):
    """Residual blocks, the first of which may change the number of planes."""
    first = Block(inputs, outputs, shortcut)
    return nn.Sequential(first, *(Block(outputs, outputs, shortcut) for _ in range(blocks - 1)))


class ResNet20(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1, self.bn1 = conv(channels, 16), nn.BatchNorm2d(16)
        self.layer1 = stage(16, 16, 3, "a")
        self.layer2 = stage(16, 32, 3, "a")
        self.layer3 = stage(32, 64, 3, "a")
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


class ResNet18(nn.Module):
    def __init__(self, stem, channels, classes):
        super().__init__()
        photo = stem == "imagenet"
        self.conv1 = conv(channels, 64, 7, 2) if photo else conv(channels, 64)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if photo else nn.Identity()
        self.layer1 = stage(64, 64, 2, "b")
        self.layer2 = stage(64, 128, 2, "b")
        self.layer3 = stage(128, 256, 2, "b")
        self.layer4 = stage(256, 512, 2, "b")
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x)), inplace=True))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def resnet18(stem, channels, classes):
    """ResNet-18 with the stem `imagenet` or `cifar`."""
    return ResNet18(stem, channels, classes)


def build(case):
    """The network of a case, with the weights of the file that the case names."""
    channels, classes = case["channels"], case["classes"]
    makers = {
        "small_cnn": lambda: SmallCnn(channels, classes),
        "resnet20": lambda: ResNet20(channels, classes),
        "resnet18": lambda: ResNet18(case["stem"], channels, classes),
    }
    name = case["network"].partition("(")[0]
    own = name in makers and case["side"] < 224
    model = makers[name]() if own else published(name, classes)
    if case.get("weights"):
        model.load_state_dict(read_safetensors(case["weights"]), strict=True)
    return model


def published(name, classes):
    """A network of torchvision or timm, without dropout."""
    import timm
    import torchvision

    if name in torchvision.models.list_models():
        extra = {"aux_logits": False} if name in ("googlenet", "inception_v3") else {}
        model = torchvision.models.get_model(name, weights=None, num_classes=classes, **extra)
    else:
        model = timm.create_model("tf_" * name.startswith("efficientnet_lite") + name, num_classes=classes)
    for module in model.modules():
        if isinstance(module, (nn.Dropout, torchvision.ops.StochasticDepth)):
            module.p = 0.0
    return model


def read_safetensors(path):
    """The tensors of a safetensors file, all f32 or i64."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        content = bytearray(file.read())
    kinds = {"F32": torch.float32, "I64": torch.int64}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        kind = kinds[entry["dtype"]]
        count = (end - begin) // kind.itemsize
        flat = torch.frombuffer(content, dtype=kind, count=count, offset=begin)
        tensors[name] = flat.reshape(entry["shape"]).clone()
    return tensors


def images(case):
    """The same images as the Rust worker: entry i is (i * 2654435761 mod 2^32) / 2^32 - 0.5."""
    shape = (case["batch"], case["channels"], case["side"], case["side"])
    count = case["batch"] * case["channels"] * case["side"] ** 2
    index = torch.arange(count, dtype=torch.int64)
    bits = torch.remainder(index * 2654435761, 2**32)
    return (bits.double() / 2**32 - 0.5).float().reshape(shape)


def memory(*names):
    """Lines of /proc/self/status in MiB, 0 where there are none."""
    found = dict.fromkeys(names, 0.0)
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key in found:
                    found[key] = int(value.split()[0]) / 1024
    except OSError:
        pass
    return [found[name] for name in names]


def forget_peak():
    """Sets the peak resident size to what is resident now."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        pass


def training_step(case, tuned, fastest):
    """Forward, cross-entropy, backward and SGD with momentum; the losses and memory of three steps."""
    targets = torch.arange(case["batch"]) % case["classes"]
    extra = {"fused": True} if tuned else {}

    def stepping(layout, compiled=False):
        model = build(case).train().to(memory_format=layout)
        inputs = images(case).to(memory_format=layout)
        optimizer = torch.optim.SGD(model.parameters(), lr=case["lr"], momentum=0.9, **extra)
        run = torch.compile(model) if compiled else model

        def step():
            loss = functional.cross_entropy(run(inputs), targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        return model, step

    model, step = stepping(torch.channels_last if tuned else torch.contiguous_format)

    forget_peak()
    resident, code = memory("VmRSS", "RssFile")
    losses = [step().item() for _ in range(3)]
    peak, code_after = memory("VmHWM", "RssFile")
    report = {
        "how": "channels last, fused" if tuned else "NCHW",
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "losses": losses,
        "peak_mib": peak - resident,
        "peak_code_mib": code_after - code,
    }
    if tuned and case["side"] >= 224:
        ways = [("channels last, fused", step)]
        for name, layout, compiled in [
            ("NCHW, fused", torch.contiguous_format, False),
            ("compiled, channels last, fused", torch.channels_last, True),
        ]:
            try:
                _, way = stepping(layout, compiled)
                way()
                ways.append((name, way))
            except Exception as error:  # noqa: BLE001 - one way less; the report names it
                report.setdefault("failed", {})[name] = str(error).splitlines()[0][:200]
        report["how"], step = fastest(ways)
    return step, report


def inference(case, tuned, fastest):
    """Evaluation without autograd; tuned, the quickest of several ways."""
    model, inputs = build(case).eval(), images(case)
    last = inputs.to(memory_format=torch.channels_last)
    with torch.no_grad():
        logits = model(inputs)[0, :3].tolist()

    def run(model, inputs):
        def step():
            with torch.inference_mode():
                return model(inputs)

        return step

    def plain():
        return run(build(case).eval(), inputs)

    def channels_last():
        return run(build(case).eval().to(memory_format=torch.channels_last), last)

    def frozen():
        traced = torch.jit.trace(build(case).eval(), inputs)
        return run(torch.jit.optimize_for_inference(torch.jit.freeze(traced)), inputs)

    def frozen_last():
        model = build(case).eval().to(memory_format=torch.channels_last)
        traced = torch.jit.trace(model, last)
        return run(torch.jit.freeze(traced), last)

    def compiled():
        step = run(torch.compile(build(case).eval()), inputs)
        step()
        return step

    def compiled_last():
        os.environ["TORCHINDUCTOR_FREEZING"] = "1"
        import torch._inductor.config as config

        config.freezing = True
        model = build(case).eval().to(memory_format=torch.channels_last)
        step = run(torch.compile(model), last)
        step()
        return step

    report = {"logits": logits, "how": "NCHW"}
    if not tuned:
        return plain(), report
    ways, failed = [], {}
    makers = [plain, channels_last, frozen, frozen_last, compiled, compiled_last]
    for make in makers:
        try:
            ways.append((make.__name__.replace("_", " "), make()))
        except Exception as error:  # noqa: BLE001 - one way less; the report names it
            failed[make.__name__] = str(error).splitlines()[0][:200] if str(error) else "failed"
    report["how"], step = fastest(ways)
    report["failed"] = failed
    return step, report


def onnx_inference(case, threads):
    """ONNX Runtime on the exported network."""
    import onnxruntime

    inputs = images(case)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        torch.onnx.export(build(case).eval(), (inputs,), path, input_names=["images"], verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {"images": inputs.numpy()}
    logits = session.run(None, feed)[0][0, :3].tolist()
    return lambda: session.run(None, feed), {"how": "CPU", "logits": logits}
