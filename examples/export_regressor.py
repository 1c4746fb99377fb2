#!/usr/bin/env python3
"""A residual block from PyTorch to HalfScope with one unit of large activations, as T5's feed-forward layers grow them:
the second product of the block adds 256 equal terms to about 80000, beyond fp16's 65504. Writes regressor.onnx and
data.npz.

    python3 examples/export_regressor.py exported-regressor
    halfscope profile exported-regressor/regressor.onnx --data exported-regressor/data.npz --recipes fp16-amp \\
        --optimizer adam --lr 0.001 --batch 16 --steps 60 --fix

Why: the infinity survives the residual addition, and the layer norm makes NaN of it. bf16 trains; so does fp16 with the
one layer block.wo in fp32, which --fix finds.
"""
import pathlib
import sys

import numpy
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width=64, hidden=256):
        super().__init__()
        self.wi = nn.Linear(width, hidden, bias=False)
        self.wo = nn.Linear(hidden, width, bias=False)
        nn.init.normal_(self.wi.weight, std=40 / width ** 0.5)  # hidden units average 16
        nn.init.normal_(self.wo.weight, std=0.02)
        with torch.no_grad():
            self.wo.weight[0] = 20  # unit 0: 20 * 16 * 256

    def forward(self, x):
        return x + self.wo(torch.relu(self.wi(x)))


class Regressor(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.stem = nn.Linear(16, width)
        self.block = Block(width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.norm(self.block(self.stem(x))))


def main(folder, samples=512):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = Regressor().train()
    with torch.no_grad():  # the stem's outputs are of size 1
        model.stem.weight.normal_(std=16 ** -0.5)
    torch.onnx.export(model, (torch.randn(2, 16),), str(folder / "regressor.onnx"), opset_version=14,
                      training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
                      input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})
    random = numpy.random.default_rng(0)
    x = random.normal(size=(samples, 16)).astype(numpy.float32)
    y = numpy.tanh(x @ random.normal(size=(16, 1)) / 2).astype(numpy.float32)
    numpy.savez(folder / "data.npz", x=x, target=y)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "exported-regressor"))
