"""Runs exported models with ONNX Runtime, and loads exported weights with PyTorch, by hand.

    FIREBRICK_ONNX_DIR=$PWD/target/onnx cargo test --workspace --lib files_for_onnx_runtime -- --ignored
    python3 xtask/onnx/check.py target/onnx

The first command writes every network, its weights, and images with its logits; the second compares, prints the largest error of a logit by the
deviation of all logits, and fails above 1e-4. Needs onnx, onnxruntime, torch, torchvision and safetensors.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file

warnings.filterwarnings("ignore")
LIMIT = 1e-4
OPSET = 17


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(path, images):
    found = session(path)
    properties = found.get_modelmeta().custom_metadata_map
    assert {"firebrick.model", "firebrick.classes", "firebrick.preprocessing"} <= set(properties), properties
    assert found.get_inputs()[0].shape[0] == "batch"
    logits = found.run(["logits"], {"images": images})[0]
    # A batch of any size.
    one = found.run(["logits"], {"images": images[:1]})[0]
    assert one.shape == (1, logits.shape[1])
    return logits, one


def deviation(path, images, expected):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import] == [OPSET]
    logits, one = run(path, images)
    spread = expected.std()
    return max(np.abs(logits - expected).max(), np.abs(one - expected[:1]).max()) / spread


def reference(name, keys):
    """The network of torchvision that takes these keys; none for other models."""
    if name not in torchvision.models.list_models():
        return None
    options = {}
    if name in ("googlenet", "inception_v3"):
        options = {"init_weights": False, "aux_logits": any(key.lower().startswith("aux") for key in keys)}
    return torchvision.models.get_model(name, weights=None, **options)


def strict(name, path, images, expected):
    tensors = load_file(path)
    model = reference(name, tensors)
    if model is None:
        return None
    model.load_state_dict(tensors, strict=True)
    state = model.state_dict()
    for key, tensor in tensors.items():
        assert torch.equal(state[key], tensor), key
    model.eval()
    # Normalization on the way in is no part of the exported network.
    if hasattr(model, "transform_input"):
        model.transform_input = False
    with torch.no_grad():
        logits = model(torch.from_numpy(images)).numpy()
    return np.abs(logits - expected).max() / expected.std()


def main():
    folder = Path(sys.argv[1])
    worst = 0.0
    for golden in sorted(folder.glob("*.golden.safetensors")):
        name = golden.name.removesuffix(".golden.safetensors")
        values = load_numpy(golden)
        images, logits = values["images"], values["logits"]
        folded = deviation(folder / f"{name}.onnx", images, logits)
        plain = deviation(folder / f"{name}.unfolded.onnx", images, logits)
        torch_too = strict(name, folder / f"{name}.safetensors", images, logits)
        shown = "" if torch_too is None else f", PyTorch (strict) {torch_too:.1e}"
        print(f"{name}: ONNX Runtime {folded:.1e}, not folded {plain:.1e}{shown}", flush=True)
        worst = max(worst, folded, plain, torch_too or 0.0)
    print(f"largest: {worst:.1e}")
    sys.exit(int(worst > LIMIT))


main()
