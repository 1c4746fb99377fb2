#!/usr/bin/env python3
"""A small image classifier from PyTorch to HalfScope: writes cnn.onnx and data.npz.

    python3 examples/export_cnn.py exported-cnn
    halfscope profile exported-cnn/cnn.onnx --data exported-cnn/data.npz --recipes fp16-amp,bf16-amp --loss cross-entropy

What matters in torch.onnx.export:
  training=TRAINING, model.train()   batch normalisation and dropout are written as they train
  do_constant_folding=False          parameters keep their names and ties
  opset_version >= 14                the file itself says that batch normalisation trains
  dynamic_axes                       the batch stays free, so --batch works
"""
import pathlib
import sys

import numpy
import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(x + self.bn2(self.conv2(y)))


class Cnn(nn.Module):
    def __init__(self, channels=16, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.block1 = Residual(channels)
        self.pool = nn.MaxPool2d(2)
        self.block2 = Residual(channels)
        self.head = nn.Linear(channels, classes)

    def forward(self, image):
        x = self.block2(self.pool(self.block1(self.stem(image))))
        return self.head(x.mean(dim=(2, 3)))


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = Cnn().train()
    image = torch.randn(4, 1, 28, 28)
    torch.onnx.export(model, (image,), str(folder / "cnn.onnx"), opset_version=14,
                      training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
                      input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}})

    # Your own samples go here: one array per input of the graph, named like it, and `target`.
    random = numpy.random.default_rng(0)
    target = random.integers(0, 10, 2048)
    images = random.normal(size=(2048, 1, 28, 28)).astype(numpy.float32) * 0.5
    for sample, label in zip(images, target):
        sample[0, 2 * label + 4:2 * label + 7, 6:22] += 1.5  # a bar whose height is the class
    numpy.savez(folder / "data.npz", image=images, target=target.astype(numpy.int64))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "exported-cnn"))
