"""Trains the models of loss_curve.slow.cpp in PyTorch, in fp32 and in fp64, from the same weights and batches.

Reads DIRECTORY/<case>.npz: "w:<name>" initial weights, "batch:<name>" inputs of all steps, "target", "loss" (ours),
"lr", "adam". Two fp32 programs differ in their last bits, and networks amplify that, so the question is whether ours is
as near to fp64 as PyTorch's own fp32 is. Exit codes: 0 yes, 1 no, 77 no PyTorch here.
"""
import pathlib
import sys

try:
    import numpy as np
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

torch.set_num_threads(1)


class Mlp(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.names = sorted({name.rsplit(".", 1)[0] for name in weights}, key=lambda n: (len(n), n))
        # The last layer gives the classes.
        self.names.sort(key=lambda n: n in ("out", "head", "fc_out", "output"))
        for name in self.names:
            out, into = weights[name + ".weight"].shape
            self.add_module(name.replace(".", "_"), nn.Linear(into, out))

    def forward(self, x):
        layers = list(self.children())
        for layer in layers[:-1]:
            x = F.relu(layer(x))
        return layers[-1](x)


class Cnn(nn.Module):
    def __init__(self, weights):
        super().__init__()
        for block in ("1", "2"):
            out, into = weights[f"conv{block}.weight"].shape[:2]
            setattr(self, "conv" + block, nn.Conv2d(into, out, 3, padding=1, bias=False))
            setattr(self, "bn" + block, nn.BatchNorm2d(out))
        classes, features = weights["fc.weight"].shape
        self.fc = nn.Linear(features, classes)

    def forward(self, x):
        for block in ("1", "2"):
            x = getattr(self, "bn" + block)(getattr(self, "conv" + block)(x))
            x = F.max_pool2d(F.relu(x), 2)
        return self.fc(x.flatten(1))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.ln_2 = nn.LayerNorm(width)
        self.attn = nn.Module()
        self.attn.c_attn = nn.Linear(width, 3 * width)
        self.attn.c_proj = nn.Linear(width, width)
        self.mlp = nn.Module()
        self.mlp.c_fc = nn.Linear(width, 4 * width)
        self.mlp.c_proj = nn.Linear(4 * width, width)

    def forward(self, x):
        batch, positions, width = x.shape
        q, k, v = (
            part.view(batch, positions, self.heads, width // self.heads).transpose(1, 2)
            for part in self.attn.c_attn(self.ln_1(x)).split(width, dim=2)
        )
        scores = (q @ k.transpose(-2, -1)) * (1 / (width // self.heads) ** 0.5)
        allowed = torch.ones(positions, positions, dtype=torch.bool).tril()
        y = F.softmax(scores.masked_fill(~allowed, float("-inf")), dim=-1) @ v
        x = x + self.attn.c_proj(y.transpose(1, 2).reshape(batch, positions, width))
        return x + self.mlp.c_proj(F.gelu(self.mlp.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, weights):
        super().__init__()
        vocabulary, width = weights["transformer.wte.weight"].shape
        positions = weights["transformer.wpe.weight"].shape[0]
        self.transformer = nn.Module()
        self.transformer.wte = nn.Embedding(vocabulary, width)
        self.transformer.wpe = nn.Embedding(positions, width)
        layers = {name.split(".")[2] for name in weights if name.startswith("transformer.h.")}
        self.transformer.h = nn.ModuleList(Block(width, 2) for _ in layers)
        self.transformer.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        if "lm_head.weight" not in weights:  # tied
            self.lm_head.weight = self.transformer.wte.weight

    def forward(self, tokens):
        x = self.transformer.wte(tokens) + self.transformer.wpe(torch.arange(tokens.shape[1]))
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x)).flatten(0, 1)


def train(case, data, dtype):
    weights = {name[2:]: data[name] for name in data.files if name.startswith("w:")}
    torch.manual_seed(0)
    model = {"mlp": Mlp, "cnn": Cnn, "gpt": Gpt}[case](weights).to(dtype)
    own = dict(model.named_parameters())
    for name, value in weights.items():
        key = name if name in own else name.rsplit(".", 1)[0].replace(".", "_") + "." + name.rsplit(".", 1)[1]
        with torch.no_grad():
            own.pop(key).copy_(torch.from_numpy(value))
    if own:
        sys.exit(f"{case}: no weights for {sorted(own)}")
    rate = float(data["lr"])
    optimizer = (
        torch.optim.Adam(model.parameters(), lr=rate)
        if float(data["adam"])
        else torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    )
    losses = []
    for x, y in zip(torch.from_numpy(data["batch"]), torch.from_numpy(data["target"])):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x.to(dtype) if x.is_floating_point() else x), y.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


# Both fp32 programs take a random walk of rounding errors away from fp64. Ours may be at most this many times as far
# as PyTorch's farthest so far; the floor is one rounding of the loss per step, below which a ratio means nothing.
ALLOWED_RATIO = 4


def main(directory):
    failed = False
    for file in sorted(pathlib.Path(directory).glob("*.npz")):
        data = np.load(file)
        case = file.stem
        ours, theirs, exact = data["loss"], train(case, data, torch.float32), train(case, data, torch.float64)
        far_ours, far_theirs = np.abs(ours - exact), np.maximum.accumulate(np.abs(theirs - exact))
        floor = np.arange(1, len(exact) + 1) * 2.0**-24 * np.abs(exact)
        bad = far_ours > ALLOWED_RATIO * far_theirs + floor
        print(
            f"{case}: loss {exact[0]:.4f} -> {exact[-1]:.4f}; farthest from fp64: ours {far_ours.max():.3g}, "
            f"PyTorch {far_theirs.max():.3g}"
        )
        if bad.any():
            step = int(np.argmax(bad))
            print(f"  step {step}: ours {ours[step]!r}, PyTorch {theirs[step]!r}, fp64 {exact[step]!r}")
            failed = True
    return failed


sys.exit(main(sys.argv[1]))
