#!/usr/bin/env python3
"""A dense regression from PyTorch to HalfScope, and one that fp16 breaks without loss scaling: ground displacement in
metres, a few millimetres of it, predicted at every pixel. Writes displacement.onnx and data.npz.

    python3 examples/export_displacement.py exported-displacement
    halfscope profile exported-displacement/displacement.onnx --data exported-displacement/data.npz \\
        --recipes fp16-o2 --loss-scale none --optimizer adam --lr 0.001 --batch 8 --steps 60

Why: the mean squared error over 8 x 96 x 96 pixels gives a pixel that is off by a millimetre a gradient of
2 * 0.001 / 73728, about 2^-25, and fp16 rounds to zero what is at most 2^-25. With --loss-scale dynamic it trains.
"""
import pathlib
import sys

import numpy
import torch
from torch import nn


def block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(2, outputs), nn.ReLU())


class Displacement(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.encoder1 = block(1, channels)
        self.pool = nn.MaxPool2d(2)
        self.encoder2 = block(channels, 2 * channels)
        self.middle = block(2 * channels, 2 * channels)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.decoder = block(3 * channels, channels)
        self.head = nn.Conv2d(channels, 1, 1)
        nn.init.zeros_(self.head.weight)  # training starts from "nothing moved"
        nn.init.zeros_(self.head.bias)

    def forward(self, image):
        fine = self.encoder1(image)
        coarse = self.middle(self.encoder2(self.pool(fine)))
        return self.head(self.decoder(torch.cat((self.up(coarse), fine), dim=1)))


def sample(random, size):
    """Bumps and dents of the ground, and a noisy interferogram of them: about a radian a millimetre."""
    y, x = numpy.mgrid[0:size, 0:size]
    displacement = numpy.zeros((size, size))
    for _ in range(4):
        row, column, width = random.uniform(0, size), random.uniform(0, size), random.uniform(6, 16)
        displacement += random.uniform(-3e-3, 3e-3) * numpy.exp(-((y - row) ** 2 + (x - column) ** 2) / width ** 2)
    image = displacement * 1e3 + random.normal(size=(size, size)) * 0.3
    return image[None].astype(numpy.float32), displacement[None].astype(numpy.float32)


def main(folder, size=96, samples=256):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = Displacement().train()
    torch.onnx.export(model, (torch.randn(2, 1, size, size),), str(folder / "displacement.onnx"), opset_version=14,
                      training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
                      input_names=["image"], output_names=["metres"],
                      dynamic_axes={"image": {0: "batch"}, "metres": {0: "batch"}})
    random = numpy.random.default_rng(0)
    images, targets = zip(*(sample(random, size) for _ in range(samples)))
    numpy.savez(folder / "data.npz", image=numpy.stack(images), target=numpy.stack(targets))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "exported-displacement"))
