#!/usr/bin/env python3
"""Trains an example's model with the lines that `halfscope profile --fix` printed.

    run_lines.py displacement|regressor LINES.json

On a CPU, whose kernels for fp16 PyTorch does not have: the same lines with bf16 in fp16's place, and a GradScaler that
passes through. That the lines run, train, and keep the types they promise is what is tested here.
"""
import importlib.util
import json
import pathlib
import sys
import types

try:
    import torch
except ImportError:
    sys.exit(77)

name, lines_file = sys.argv[1:]
path = pathlib.Path(__file__).resolve().parents[3] / "examples" / f"export_{name}.py"
spec = importlib.util.spec_from_file_location(name, path)
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)

torch.manual_seed(0)
if name == "displacement":
    model = example.Displacement(channels=4)
    data = [(torch.randn(2, 1, 16, 16), torch.randn(2, 1, 16, 16) * 0.01) for _ in range(4)]
else:
    model = example.Regressor()
    data = [(torch.randn(16, 16), torch.randn(16, 1)) for _ in range(4)]
losses = []


def loss_of(output, target):
    loss = ((output.float() - target) ** 2).mean()
    losses.append(float(loss))
    return loss


class Passing:
    """A GradScaler's interface without its work, which needs a GPU."""

    def __init__(self, device, init_scale, **_):
        assert init_scale > 0

    def scale(self, loss):
        return loss

    def unscale_(self, optimizer):
        pass

    def step(self, optimizer):
        optimizer.step()

    def update(self):
        pass


torch.amp = types.SimpleNamespace(GradScaler=Passing)
lines = "\n".join(json.loads(pathlib.Path(lines_file).read_text()))
compile(lines, "lines as printed", "exec")
lines = lines.replace("float16", "bfloat16").replace('"cuda"', '"cpu"').replace("bbfloat", "bfloat")
exec(lines, {"model": model, "loader": data * 10, "loss_of": loss_of})
assert len(losses) == 40, len(losses)
assert sum(losses[-4:]) < sum(losses[:4]), losses
kept = [n for n, p in model.named_parameters() if p.dtype == torch.float32]
if "block.wo" in lines:
    assert "block.wo.weight" in kept, kept
print(f"{name}: {losses[0]:.4g} to {losses[-1]:.4g}; fp32: {', '.join(kept)}")
