#!/usr/bin/env python3
"""A small GPT-style decoder with its loss in the graph, from PyTorch to HalfScope: writes gpt.onnx and data.npz.

    python3 examples/export_gpt.py exported-gpt
    halfscope profile exported-gpt/gpt.onnx --data exported-gpt/data.npz --loss output:loss --optimizer adamw --lr 1e-3

The loss is an output of the graph here, so HalfScope computes exactly what the model computes. Cross-entropy needs
opset 12 or later; the other flags are explained in export_cnn.py.
"""
import math
import pathlib
import sys

import numpy
import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, width, heads, length):
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        mask = torch.tril(torch.ones(length, length)).view(1, 1, length, length)
        self.register_buffer("bias", mask)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
                   for part in self.c_attn(x).split(width, dim=2))
        scores = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        scores = scores.masked_fill(self.bias[:, :, :length, :length] == 0, float("-inf"))
        y = F.softmax(scores, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self, width, heads, length):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, length)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt(nn.Module):
    def __init__(self, vocabulary=64, width=64, heads=4, layers=2, length=32):
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(length, width)
        self.h = nn.ModuleList(Block(width, heads, length) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens, target):
        positions = torch.arange(tokens.size(1), device=tokens.device)
        x = self.wte(tokens) + self.wpe(positions)
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), target.view(-1))


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = Gpt().train()
    tokens = torch.randint(0, 64, (2, 32))
    torch.onnx.export(model, (tokens, tokens), str(folder / "gpt.onnx"), opset_version=14,
                      training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
                      input_names=["tokens", "target"], output_names=["logits", "loss"],
                      dynamic_axes={"tokens": {0: "batch"}, "target": {0: "batch"}, "logits": {0: "batch"}})

    # Your own samples go here: one array per input of the graph, named like it.
    random = numpy.random.default_rng(0)
    start, step = random.integers(0, 64, (1024, 1)), random.integers(1, 4, (1024, 1))
    sequence = (start + step * numpy.arange(33)) % 64  # counting by ones, twos or threes
    numpy.savez(folder / "data.npz", tokens=sequence[:, :-1].astype(numpy.int64),
                target=sequence[:, 1:].astype(numpy.int64))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "exported-gpt"))
