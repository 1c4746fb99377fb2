"""Writes inputs and the results of PyTorch's and NumPy's own kernels as .npy into a folder; exits with 77 without them."""

import pathlib
import sys

try:
    import numpy as np
    import torch
except ImportError:
    sys.exit(77)

folder = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(1)


def save(name, array):
    np.save(folder / f"{name}.npy", array)


def bf16_bits(values):
    """float32 values that bf16 represents, as its bit patterns."""
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


a = rng.standard_normal((130, 300)).astype(np.float16)
b = rng.standard_normal((300, 90)).astype(np.float16)
save("a", a)
save("b", b)
wide = torch.from_numpy(a.astype(np.float32)) @ torch.from_numpy(b.astype(np.float32))
save("torch_fp32", wide.numpy())
save("torch_as_bf16", wide.bfloat16().float().numpy())
save("torch_bf16_bits", bf16_bits(wide.bfloat16().float().numpy()))
save("torch_as_fp16", wide.half().numpy())
save("numpy_fp32", a.astype(np.float32) @ b.astype(np.float32))
save("fp64", (a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32))
wrong = wide.numpy().copy()
wrong[100, 70] *= 1.01
save("one_wrong", wrong)
columns = wide.numpy().copy()
columns[:, 64:] += 1
save("tail_wrong", columns)
square = rng.standard_normal((96, 96)).astype(np.float16)
save("square", square)
save("transposed", square.astype(np.float32) @ square.astype(np.float32).T)
c = rng.standard_normal((130, 90)).astype(np.float32)
save("c", c)
save("with_c", wide.numpy() + c)

x = rng.standard_normal((64, 1000)).astype(np.float32)
save("x", x)
tensor = torch.from_numpy(x)
save("softmax", torch.softmax(tensor, 1).numpy())
save("log_softmax", torch.log_softmax(tensor, 1).numpy())
save("layernorm", torch.nn.functional.layer_norm(tensor, (1000,)).numpy())
save("sum_torch", tensor.sum(1).numpy())
save("sum_numpy", x.sum(1))
save("x_fp16", x.astype(np.float16))
save("x_bf16_bits", bf16_bits(tensor.bfloat16().float().numpy()))
# As numpy.allclose takes it, the tolerance printed has to hold for these.
save("exact", (a.astype(np.float64) @ b.astype(np.float64)))
