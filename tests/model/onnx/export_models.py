#!/usr/bin/env python3
"""Exports the models that the slow import test runs, each with inputs and PyTorch's own outputs.

    export_models.py FOLDER

Writes FOLDER/<name>.onnx, FOLDER/<name>/<tensor>.pb (serialised ONNX TensorProto: input_*, output_* and, for the
anchor of the tolerance, output64_* computed in fp64) and FOLDER/models.txt with one line a model:
name, mode (train or eval), loss. Exit code 77 when PyTorch or onnx is missing.
"""
import copy
import pathlib
import sys
import warnings

try:
    import numpy
    import onnx
    import torch
    from onnx import numpy_helper
    from torch import nn
    from torch.nn import functional as F
except ImportError as reason:
    print(f"skipped: {reason}")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples"))
from export_cnn import Cnn  # noqa: E402
from export_gpt import Gpt  # noqa: E402


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 5))

    def forward(self, x):
        return self.layers(x)


class Zoo(nn.Module):
    """Constructs in one net: group norm, SiLU, strided and transposed convolution, average pooling, rsqrt norm."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(4, 8)
        self.down = nn.AvgPool2d(2, ceil_mode=True)
        self.up = nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1)
        self.instance = nn.InstanceNorm2d(8, affine=True)
        self.scale = nn.Parameter(torch.ones(8))
        self.head = nn.Linear(8, 5)

    def forward(self, image):
        x = F.silu(self.norm(self.conv(image)))
        x = F.leaky_relu(self.instance(self.up(self.down(x))), 0.2)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale
        return F.log_softmax(self.head(x), dim=1)


class Tied(Gpt):
    """Token embedding and output head share one matrix; logits only."""

    def __init__(self):
        super().__init__()
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens):
        return super().forward(tokens, tokens)[0]


def save(folder, kind, names, tensors):
    for name, tensor in zip(names, tensors):
        proto = numpy_helper.from_array(tensor.detach().numpy(), name)
        (folder / f"{kind}_{name}.pb").write_bytes(proto.SerializeToString())


def outputs_of(model, inputs):
    with torch.no_grad():
        result = model(*inputs)
    return result if isinstance(result, tuple) else (result,)


def export(folder, name, model, inputs, input_names, output_names, training, opset, loss, dynamic=True):
    model.train(training)
    mode = torch.onnx.TrainingMode.TRAINING if training else torch.onnx.TrainingMode.EVAL
    axes = {n: {0: "batch"} for n in input_names} if dynamic else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(copy.deepcopy(model), inputs, str(folder / f"{name}.onnx"), opset_version=opset,
                          training=mode, do_constant_folding=not training, input_names=input_names,
                          output_names=output_names, dynamic_axes=axes)
    data = folder / name
    data.mkdir(exist_ok=True)
    save(data, "input", input_names, inputs)
    save(data, "output", output_names, outputs_of(copy.deepcopy(model), inputs))
    wide = [x.double() if x.is_floating_point() else x for x in inputs]
    save(data, "output64", output_names, outputs_of(copy.deepcopy(model).double(), wide))
    return f"{name} {'train' if training else 'eval'} {loss}\n"


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    vector = torch.randn(8, 20)
    image, colour = torch.randn(4, 1, 28, 28), torch.randn(4, 3, 14, 14)
    tokens, target = torch.randint(0, 64, (2, 32)), torch.randint(0, 64, (2, 32))
    lines = []
    for opset in (11, 14, 17):
        lines.append(export(folder, f"mlp_{opset}", Mlp(), (vector,), ["x"], ["y"], True, opset, "cross-entropy"))
        lines.append(export(folder, f"cnn_train_{opset}", Cnn(), (image,), ["image"], ["logits"], True, opset,
                            "cross-entropy"))
        lines.append(export(folder, f"cnn_eval_{opset}", Cnn(), (image,), ["image"], ["logits"], False, opset,
                            "cross-entropy"))
        lines.append(export(folder, f"zoo_{opset}", Zoo(), (colour,), ["image"], ["scores"], True, opset, "mse"))
        lines.append(export(folder, f"tied_train_{opset}", Tied(), (tokens,), ["tokens"], ["logits"], True, opset,
                            "cross-entropy"))
        lines.append(export(folder, f"tied_eval_{opset}", Tied(), (tokens,), ["tokens"], ["logits"], False, opset,
                            "cross-entropy"))
    for opset in (12, 14, 17):
        lines.append(export(folder, f"gpt_loss_{opset}", Gpt(), (tokens, target), ["tokens", "target"],
                            ["logits", "loss"], True, opset, "output:loss"))
    (folder / "models.txt").write_text("".join(lines))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
