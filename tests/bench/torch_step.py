"""PyTorch's plain fp32 training step, as a peer: python3 torch_step.py gpt|resnet20 THREADS.

Reads lines from standard input; for each, runs one step and prints its milliseconds, so that the caller can interleave its
own steps and both see the same machine. The networks are the zoo's: gpt:layers=4,width=256,heads=4,seq=128,vocab=256 with
batch 8 and Adam, resnet20 on 3x32x32 with batch 64 and SGD with momentum.
"""

import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, width, heads, seq):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.attn_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.mlp_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.register_buffer("future", ~torch.tril(torch.ones(seq, seq, dtype=torch.bool)))

    def forward(self, x):
        batch, seq, width = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).split(width, dim=2)
        q, k, v = (t.view(batch, seq, self.heads, -1).transpose(1, 2) for t in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(width // self.heads))
        weights = F.softmax(scores.masked_fill(self.future, float("-inf")), dim=-1)
        y = (weights @ v).transpose(1, 2).reshape(batch, seq, width)
        x = x + self.attn_proj(y)
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, layers=4, width=256, heads=4, seq=128, vocab=256):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, width), nn.Embedding(seq, width)
        self.blocks = nn.Sequential(*(Block(width, heads, seq) for _ in range(layers)))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocab, bias=False)
        self.head.weight = self.wte.weight

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        return self.head(self.ln_f(self.blocks(x)))


class Basic(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.short = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.short(x))


def resnet20(channels=3, classes=10):
    layers = [nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for stage in (16, 32, 64):
        for block in range(3):
            layers.append(Basic(width, stage, 2 if stage != 16 and block == 0 else 1))
            width = stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def main():
    which, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if which == "gpt":
        model = GPT()
        x, y = torch.randint(0, 256, (8, 128)), torch.randint(0, 256, (8 * 128,))
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    else:
        model = resnet20()
        x, y = torch.randn(64, 3, 32, 32), torch.randint(0, 10, (64,))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        logits = model(x)
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        print((time.perf_counter() - start) * 1e3, flush=True)


main()
