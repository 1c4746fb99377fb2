#!/usr/bin/env python3
"""Exports the models that the slow import test runs, each with inputs and PyTorch's own outputs.

    export_models.py FOLDER

Writes FOLDER/<name>.onnx and FOLDER/<name>/<kind>_<tensor>.pb, serialised ONNX TensorProtos: input, target, output,
grad (of the parameters, models exported for training only) and, to anchor tolerances, output64 and grad64 computed in
fp64. FOLDER/models.txt has one line a model: name, mode (train or eval), loss. Exit code 77 when PyTorch or onnx is
missing.
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
    """Constructs in one net: mirrored and repeated borders, group norm, SiLU, strided and transposed convolution,
    average pooling, rsqrt norm."""

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
        image = F.pad(image, (3, 2, 1, 4), mode="reflect")
        x = F.silu(self.norm(self.conv(image)))
        x = F.pad(x, (1, 1, 0, 2), mode="replicate")
        x = F.leaky_relu(self.instance(self.up(self.down(x))), 0.2)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale
        return F.log_softmax(self.head(x), dim=1)


class Volume(nn.Module):
    """A net over volumes: strided, padded and transposed 3-D convolutions, pooling both ways, norms, both ways up."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(2, 6, 3, stride=(1, 2, 2), padding=1)
        self.norm = nn.BatchNorm3d(6)
        self.deep = nn.Conv3d(6, 6, 3, padding=1, groups=2)
        self.instance = nn.InstanceNorm3d(6, affine=True)
        self.up = nn.ConvTranspose3d(6, 4, 2, stride=2)
        self.head = nn.Conv3d(6 + 4, 3, 1)

    def forward(self, volume):
        wide = F.relu(self.norm(self.conv(volume)))
        x = F.max_pool3d(wide, 2)
        x = F.silu(self.instance(self.deep(x)))
        x = self.up(F.avg_pool3d(F.interpolate(x, scale_factor=2, mode="nearest"), 2))
        x = self.head(torch.cat([wide, x], dim=1))
        return F.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)


class Recurrent(nn.Module):
    """Two bidirectional LSTM layers, a GRU and a plain recurrent layer, over the positions of a text."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(64, 12)
        self.lstm = nn.LSTM(12, 10, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(20, 9, batch_first=True)
        self.rnn = nn.RNN(9, 8, batch_first=True, nonlinearity="relu")
        self.head = nn.Linear(8, 64)

    def forward(self, tokens):
        x, _ = self.lstm(self.embed(tokens))
        x, last = self.gru(x)
        return self.head(self.rnn(x)[0] + last.mean())


class Routed(nn.Module):
    """A mixture of experts (the two best of four by TopK, their shares scattered into zeros), then messages along the
    edges of a graph, added where they arrive, then rows that are overwritten."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(20, 4)
        self.wi = nn.Parameter(torch.randn(4, 20, 16) / 4)
        self.wo = nn.Parameter(torch.randn(4, 16, 20) / 4)
        self.head = nn.Linear(20, 5)
        self.fresh = nn.Parameter(torch.randn(2, 20))
        self.register_buffer("source", torch.randint(0, 8, (30, 1)).expand(-1, 20).contiguous())
        self.register_buffer("sink", torch.randint(0, 8, (30, 1)).expand(-1, 20).contiguous())

    def forward(self, x):
        scores = self.gate(x)
        best, which = scores.topk(2, dim=-1)
        share = torch.zeros_like(scores).scatter(1, which, best.softmax(-1))
        hidden = torch.einsum("nd,edf->enf", x, self.wi).relu()
        x = x + (share.t().unsqueeze(-1) * torch.einsum("enf,efd->end", hidden, self.wo)).sum(0)
        x = x.scatter_add(0, self.sink, 0.1 * x.gather(0, self.source))
        x = x.index_put((torch.tensor([6, 1]),), self.fresh)
        return self.head(x)


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


def loss_of(outputs, target, loss):
    if loss.startswith("output:"):
        return outputs[-1]
    if loss == "mse":
        return F.mse_loss(outputs[0], target.to(outputs[0].dtype))
    return F.cross_entropy(outputs[0].reshape(-1, outputs[0].size(-1)), target.reshape(-1))


def run(model, inputs, target, loss):
    """Outputs, and the gradients of all parameters by name."""
    result = model(*inputs)
    outputs = result if isinstance(result, tuple) else (result,)
    loss_of(outputs, target, loss).backward()
    return outputs, {name: parameter.grad for name, parameter in model.named_parameters()}


def target_for(model, inputs, loss):
    with torch.no_grad():
        output = copy.deepcopy(model)(*inputs)
    output = output[0] if isinstance(output, tuple) else output
    if loss == "mse":
        return torch.randn_like(output)
    return torch.randint(0, output.size(-1), output.shape[:-1])


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
    target = target_for(model, inputs, loss)
    if not loss.startswith("output:"):
        save(data, "target", ["target"], [target])
    wide = [x.double() if x.is_floating_point() else x for x in inputs]
    for suffix, outputs, grads in (("", *run(copy.deepcopy(model), inputs, target, loss)),
                                   ("64", *run(copy.deepcopy(model).double(), wide, target, loss))):
        save(data, "output" + suffix, output_names, outputs)
        if training:
            save(data, "grad" + suffix, grads.keys(), grads.values())
    return f"{name} {'train' if training else 'eval'} {loss}\n"


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    vector = torch.randn(8, 20)
    image, colour = torch.randn(4, 1, 28, 28), torch.randn(4, 3, 14, 14)
    volume = torch.randn(2, 2, 4, 8, 8)
    tokens, target = torch.randint(0, 64, (2, 32)), torch.randint(0, 64, (2, 32))
    lines = []
    for opset in (11, 14, 17):
        lines.append(export(folder, f"mlp_{opset}", Mlp(), (vector,), ["x"], ["y"], True, opset, "cross-entropy"))
        lines.append(export(folder, f"cnn_train_{opset}", Cnn(), (image,), ["image"], ["logits"], True, opset,
                            "cross-entropy"))
        lines.append(export(folder, f"cnn_eval_{opset}", Cnn(), (image,), ["image"], ["logits"], False, opset,
                            "cross-entropy"))
        lines.append(export(folder, f"zoo_{opset}", Zoo(), (colour,), ["image"], ["scores"], True, opset, "mse"))
        lines.append(export(folder, f"volume_{opset}", Volume(), (volume,), ["volume"], ["y"], True, opset, "mse"))
        lines.append(export(folder, f"tied_train_{opset}", Tied(), (tokens,), ["tokens"], ["logits"], True, opset,
                            "cross-entropy"))
        lines.append(export(folder, f"tied_eval_{opset}", Tied(), (tokens,), ["tokens"], ["logits"], False, opset,
                            "cross-entropy"))
        for mode, training in (("train", True), ("eval", False)):
            lines.append(export(folder, f"recurrent_{mode}_{opset}", Recurrent(), (tokens,), ["tokens"], ["logits"],
                                training, opset, "cross-entropy", dynamic=False))
    for opset in (16, 17):
        lines.append(export(folder, f"routed_{opset}", Routed(), (vector,), ["x"], ["y"], True, opset, "cross-entropy",
                            dynamic=False))
    for opset in (12, 14, 17):
        lines.append(export(folder, f"gpt_loss_{opset}", Gpt(), (tokens, target), ["tokens", "target"],
                            ["logits", "loss"], True, opset, "output:loss"))
    (folder / "models.txt").write_text("".join(lines))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
