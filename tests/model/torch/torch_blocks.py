#!/usr/bin/python3
"""The blocks of blocks.slow.cpp, written again in PyTorch: loss and gradients in the asked format and in fp64.

usage: torch_blocks.py REQUEST.json ANSWER.json      exit code 77: PyTorch is not installed
Numbers travel as C hexadecimal floats, so that nothing is rounded on the way.
"""
import json
import math
import sys

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit(77)

torch.set_num_threads(1)
INTEGERS = {"targets": [3, 0, -100, 2, 1, 1, 0, 4], "tokens": [1, 4, 1, 0, 2, 2, 6, 1]}


def integers(name, count):
    return torch.tensor(INTEGERS[name][:count])


def elementwise(t):
    """Broadcasting arithmetic, each step a kernel of its own."""
    y = t["a"] * t["b"] / t["c"] - t["a"]
    y = y + 0.044715 * t["a"] ** 3
    y = torch.where(t["b"] > 0, y, t["b"] * t["b"])
    return torch.maximum(y, t["d"]).sum()


def cubic(t):
    """The inner term of the tanh GELU written by hand: 3x^2 overflows fp16 from |x| = 147.8; times 0
    it is NaN."""
    inner = 0.79788 * (t["x"] + 0.044715 * t["x"] ** 3)
    return torch.where(t["x"] > 0, inner, inner * 0).sum()


def quotients(t):
    """(a / b) ** 2 with negative and reciprocal powers."""
    return ((t["a"] / t["b"]) ** 2 + t["b"] ** -1 - t["b"] ** 0.5).sum()


def fan_out(t):
    """One value used four times: contributions are added one by one in its own format."""
    h = t["x"] * t["w"]
    return (((h + h * t["a"]) * t["b"] + h) * h).sum()


def mlp(t):
    h = F.gelu(F.linear(t["x"], t["w1"], t["b1"]), approximate="tanh")
    return F.linear(h, t["w2"], t["b2"]).sum()


def conv_block(t):
    h = F.conv2d(t["x"], t["w1"], stride=2, padding=1)  # a bias here would have a gradient of exactly zero
    h = F.batch_norm(h, None, None, t["gamma"], t["beta"], training=True)
    h = F.max_pool2d(F.relu(h), 2)
    return (h * t["f"]).sum()


def conv_bare(t):
    """Two convolutions alone: dx, dw and db without a norm between."""
    h = F.relu(F.conv2d(t["x"], t["w1"], t["b1"], padding=1))
    return (F.conv2d(h, t["w2"], stride=2, groups=2) * t["f"]).sum()


def norms(t):
    h = F.layer_norm(t["x"], (8,), t["gamma"], t["beta"])
    h = F.group_norm(h.reshape(3, 4, 8), 2, t["g"], t["h"])
    return (h.reshape(12, 8) * t["f"]).sum()


def attention(t):
    batch, positions, width, heads = 2, 4, 8, 2
    x = F.embedding(integers("tokens", 8).reshape(batch, positions), t["table"])
    q, k, v = F.linear(x, t["w_qkv"], t["b_qkv"]).split(width, dim=2)
    q, k, v = (z.view(batch, positions, heads, width // heads).transpose(1, 2) for z in (q, k, v))
    scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(width // heads))
    mask = torch.tril(torch.ones(positions, positions)) == 0
    weights = torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
    y = (weights @ v).transpose(1, 2).contiguous().view(batch, positions, width)
    y = x + F.linear(y, t["w_out"])
    logits = F.linear(y, t["table"])  # tied head
    return F.nll_loss(F.log_softmax(logits.view(8, -1), dim=1), integers("targets", 8), ignore_index=-100)


def cross_entropy(t):
    return F.nll_loss(F.log_softmax(t["x"], dim=1), integers("targets", 8), ignore_index=-100)


def mse(t):
    return F.mse_loss(t["p"], t["t"])


def bce(t):
    return F.binary_cross_entropy_with_logits(t["z"], torch.sigmoid(t["t"]))


def run(block, tensors, dtype, scale):
    leaves = {name: value.to(dtype).requires_grad_() for name, value in tensors.items()}
    loss = block(leaves)
    loss.backward(torch.tensor(scale, dtype=loss.dtype))
    return loss.item(), {name: leaf.grad for name, leaf in leaves.items()}


def encoded(tensor):
    return [float(x).hex() for x in tensor.double().flatten().tolist()]


def main():
    formats = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    with open(sys.argv[1]) as file:
        cases = json.load(file)
    answers = []
    for case in cases:
        tensors = {
            name: torch.tensor([float.fromhex(x) for x in t["values"]], dtype=torch.float64).reshape(t["shape"])
            for name, t in case["tensors"].items()
        }
        block = globals()[case["block"]]
        try:
            loss, gradients = run(block, tensors, formats[case["format"]], case["scale"])
        except RuntimeError as error:
            answers.append({"unsupported": str(error)})
            continue
        exact_loss, exact = run(block, tensors, torch.float64, case["scale"])
        answers.append({
            "loss": loss.hex(),
            "exact_loss": exact_loss.hex(),
            "gradients": {name: encoded(g) for name, g in gradients.items()},
            "exact": {name: encoded(g) for name, g in exact.items()},
        })
    with open(sys.argv[2], "w") as file:
        json.dump(answers, file)


main()
