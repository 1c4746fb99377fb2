"""Runs one of PyTorch's optimizers for 50 steps on given gradients.

usage: pytorch_optimizer.py sgd|adam|adamw float32|float64 KEY=VALUE...
Writes raw little-endian doubles: weights before [n], gradients [50, n], weights after [n]. Exits 77 without PyTorch.
"""
import sys

try:
    import numpy
    import torch
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)

name, dtype = sys.argv[1], getattr(torch, sys.argv[2])
options = {}
for argument in sys.argv[3:]:
    key, value = argument.split("=")
    options[key] = bool(int(value)) if key == "nesterov" else float(value)
if "beta1" in options:
    options["betas"] = (options.pop("beta1"), options.pop("beta2"))

count, steps = 257, 50
random = numpy.random.default_rng(1)
weight = torch.tensor(random.standard_normal(count), dtype=dtype, requires_grad=True)
gradients = torch.tensor(random.standard_normal((steps, count)) * 0.1 + 0.02, dtype=dtype)
sys.stdout.buffer.write(weight.detach().double().numpy().tobytes())
sys.stdout.buffer.write(gradients.double().numpy().tobytes())

make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
optimizer = make([weight], **options)
for gradient in gradients:
    weight.grad = gradient.clone()
    optimizer.step()
sys.stdout.buffer.write(weight.detach().double().numpy().tobytes())
