"""One small network in every way that PyTorch and people save it: crates/firebrick-core/tests/golden/weights/.

Element k of the tensor number t (in the order of NAMES) is t + k / 4. Each file is loaded again with torch.load.

    python3 xtask/golden/weights_files.py

channels.json beside them holds weights of a convolution for RGB, and what timm makes of them for other numbers of channels.

Needs torch, timm and numpy.
"""

import argparse
import collections
import io
import json
import os
import pathlib
import pickle
import shutil
import struct
import tarfile
import zipfile

import torch
from timm.models._manipulate import adapt_input_conv
from torch import nn

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates/firebrick-core/tests/golden/weights"
SHAPES = {
    "conv.weight": (2, 1, 3, 3),
    "bn.weight": (2,),
    "bn.bias": (2,),
    "bn.running_mean": (2,),
    "bn.running_var": (2,),
    "fc.weight": (3, 2),
    "fc.bias": (3,),
}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, bias=False)
        self.bn = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, 3)
        self.register_buffer("scratch", torch.full((2,), 9.0), persistent=False)


def values(number, shape):
    count = torch.Size(shape).numel()
    return (number + torch.arange(count) / 4).reshape(shape)


def network():
    state = collections.OrderedDict((name, values(number, shape)) for number, (name, shape) in enumerate(SHAPES.items()))
    state["bn.num_batches_tracked"] = torch.tensor(5)
    return state


def same(state):
    expected = network()
    for name in SHAPES:
        assert torch.equal(state[name].float(), expected[name]), name


def save(name, thing, **options):
    path = OUT / name
    # The name of a file is also the name of a directory in it.
    torch.save(thing, path, **options)
    return path


def load(path):
    return torch.load(path, weights_only=False)


def odd_layouts():
    """Other types, strides, offsets and shared storages; every value is exact in half precision."""
    state = network()
    state["conv.weight"] = state["conv.weight"].half()
    state["bn.weight"] = nn.Parameter(state["bn.weight"].double())
    state["bn.bias"] = state["bn.bias"].bfloat16()
    state["fc.weight"] = state["fc.weight"].t().contiguous().t()
    # A few numbers far apart in a storage of their own.
    wide = torch.full((3, 400), -1.0)
    wide[:, 200] = state["fc.bias"]
    state["fc.bias"] = wide[:, 200]
    both = torch.cat([state["bn.running_mean"], state["bn.running_var"]])
    state["bn.running_mean"], state["bn.running_var"] = both[:2], both[2:]
    state["class_ids"] = torch.arange(4)
    state["mask"] = torch.tensor([True, False])
    state["bn.num_batches_tracked"] = torch.tensor(5, dtype=torch.int32)
    return state


def checkpoint():
    """Everything that a training script keeps beside its weights."""
    net = Net()
    net.load_state_dict(network())
    optimizer = torch.optim.Adam(net.parameters(), lr=0.25)
    net.fc(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    counts = collections.defaultdict(list)
    counts["loss"] = [0.5, 0.25, float("nan")]
    average = {f"module.{name}": value * 0 + 7 for name, value in network().items()}
    average["n_averaged"] = torch.tensor(3)
    return {
        "epoch": 3,
        "state_dict": {f"model.{name}": value for name, value in network().items()} | {"criterion.weight": torch.ones(3)},
        "ema_state_dict": {f"model.{name}": value for name, value in average.items()},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5]).state_dict()],
        "args": argparse.Namespace(lr=0.1, data=pathlib.PurePosixPath("data"), device=torch.device("cpu")),
        "dtype": torch.float32,
        "counts": counts,
        "long": 1 << 80,
        "set": {1, 2},
    }


def as_tar(path, state):
    """What torch.save wrote before PyTorch 0.1.10, read off `legacy_load` in torch/serialization.py."""
    dump = lambda thing: pickle.dumps(thing, protocol=2)
    names = [name for name in state if name in SHAPES]
    storages, tensors = [dump(len(names))], [dump(len(names))]
    for key, name in enumerate(names):
        flat = state[name].contiguous().flatten()
        storages += [dump((key, "cpu", torch.FloatStorage)), struct.pack("<q", flat.numel()), flat.numpy().tobytes()]
        shape = state[name].shape
        tensors += [dump((100 + key, key, torch.FloatTensor)), struct.pack("<ii", len(shape), 0)]
        tensors += [struct.pack(f"<{len(shape)}q", *shape), struct.pack(f"<{len(shape)}q", *state[name].stride())]
        tensors += [struct.pack("<q", 0)]
    storages.append(dump([]))

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            return str(100 + names.index(thing.name)) if isinstance(thing, Named) else None

    class Named:
        def __init__(self, name):
            self.name = name

    body = io.BytesIO()
    Pickler(body, protocol=2).dump(collections.OrderedDict((name, Named(name)) for name in names))
    members = {
        "sys_info": dump({"protocol_version": 1000, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}),
        "pickle": body.getvalue(),
        "tensors": b"".join(tensors),
        "storages": b"".join(storages),
    }
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def compressed(source, target):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            new.writestr(zipfile.ZipInfo(info.filename), old.read(info), zipfile.ZIP_DEFLATED)


class Attack:
    def __reduce__(self):
        return os.system, ("true",)


def channels():
    rgb = torch.sin(torch.arange(2 * 3 * 2 * 3, dtype=torch.float32)).reshape(2, 3, 2, 3)
    adapted = [(count, adapt_input_conv(count, rgb.clone()).flatten().tolist()) for count in (1, 2, 4, 7)]
    golden = {"rgb": rgb.flatten().tolist(), "shape": list(rgb.shape), "adapted": adapted}
    (OUT / "channels.json").write_text(json.dumps(golden))


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    same(load(save("plain.pth", network())))
    same(load(save("a" * 21 + ".pth", network())))
    same(load(save("legacy.pth", network(), _use_new_zipfile_serialization=False)))
    same(load(save("protocol_4.pth", network(), pickle_protocol=4)))
    torch.serialization.set_crc32_options(False)
    same(load(save("no_checksums.pth", network())))
    torch.serialization.set_crc32_options(True)
    same(load(save("odd_layouts.pth", odd_layouts())))
    same(load(save("odd_layouts_legacy.pth", odd_layouts(), _use_new_zipfile_serialization=False)))
    load(save("checkpoint.ckpt", checkpoint()))
    load(save("optimizer.pth", checkpoint()["optimizer_states"][0]))
    net = Net()
    net.load_state_dict(network())
    same(load(save("whole_module.pt", {"epoch": 3, "model": net}))["model"].state_dict())
    save("in_a_tuple.pth", (network(), {"lr": 0.5}))
    compressed(OUT / "plain.pth", OUT / "compressed.pth")
    same(load(OUT / "compressed.pth"))
    as_tar(OUT / "tar_of_2017.pth", network())
    same(load(OUT / "tar_of_2017.pth"))
    # Not to be read.
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), OUT / "torchscript.pt")
    (OUT / "pickle_dump.pkl").write_bytes(pickle.dumps(network()))
    save("attack.pth", {"state_dict": network(), "args": Attack()})
    save("stride_zero.pth", network() | {"fc.weight": torch.zeros(1).expand(30000, 30000)})
    save("sparse.pth", network() | {"fc.weight": network()["fc.weight"].to_sparse()})
    channels()
    print(f"torch {torch.__version__}:", sum(path.stat().st_size for path in OUT.iterdir()), "bytes")


main()
