"""tests/gpu/run with programs made up here in place of HalfScope's, in a folder of their own:  check_run.py SCRATCH

What is tested is the script: which kernels it has judged, that what it leaves is a record, and what it does where
something is missing. Nothing of it is a measurement."""
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
STAND_IN = f"""#!{sys.executable}
import json, os, pathlib, sys
sys.path.insert(0, {str(HERE)!r})
sys.dont_write_bytecode = True
name, given = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(" ".join([name] + given) + "\\n")
if name == "nvidia-smi":
    print("Invented GPU 2, 0.0, 1 MiB")
elif name == "compute-sanitizer":
    pass
elif name == "halfscope_gpu_timings":
    print(json.dumps({{"statistics_vs_copy": 0.5, "gemm": []}}))
elif name == "halfscope_gpu_steps" or name == "halfscope_gpu_special_functions":
    print("[]")
elif given[0] == "profile":
    print(json.dumps({{"lockstep": {{"elements": 4, "bit_equal": 4, "different_statistics": 0}}}}))
    sys.exit(3)
elif "--list" in given:
    print("kernel task formats runs on order")
    for kernel, task in (("cuda-add-fp16", "add"), ("cuda-sum-fp32", "sum"), ("cuda-mma-gemm-fp16", "matmul"),
                         ("cuda-movement", "operation"), ("f16c-fp16-to-fp32", "convert"), ("cublaslt-gemm-fp16", "matmul"),
                         ("cudnn-convolution-fp16", "matmul")):
        print(kernel, task, "fp16", "cuda", "made up")
    print("cuda-wgmma-gemm-fp16 matmul fp16 cuda [1] made up")
elif "--reveal" in given:
    pathlib.Path(given[given.index("--json") + 1]).write_text('{{"orders": []}}')
    sys.exit(1)
elif "--json" in given:
    from check_record import kernel
    names = [one for one in given if one.startswith(("cuda-", "cublaslt-", "cudnn-"))]
    pathlib.Path(given[given.index("--json") + 1]).write_text(json.dumps({{"kernels": [kernel(one) for one in names]}}))
"""


def stand_in(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(STAND_IN)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def run(build, tools, scratch):
    environment = {**os.environ, "PATH": f"{tools}:/usr/bin:/bin", "CALLS": str(scratch / "calls"),
                   "HALFSCOPE_RECORDS": str(scratch / "records"), "PYTHONDONTWRITEBYTECODE": "1"}
    (scratch / "calls").write_text("")
    done = subprocess.run([HERE / "run", build], env=environment, capture_output=True, text=True)
    return done, (scratch / "calls").read_text().splitlines()


def main(scratch):
    shutil.rmtree(scratch, ignore_errors=True)
    build, tools = scratch / "build", scratch / "tools"
    for program in ("halfscope", "halfscope_gpu_timings", "halfscope_gpu_steps", "halfscope_gpu_special_functions"):
        stand_in(build / "bin" / program)
    for tool in ("nvidia-smi", "compute-sanitizer"):
        stand_in(tools / tool)

    done, calls = run(build, tools, scratch)
    assert done.returncode == 0, done.stderr
    record = json.loads((scratch / "records/Invented-GPU-2.json").read_text())
    judged = {one["kernel"] for one in record["kernels"]}
    assert judged == {"cuda-add-fp16", "cuda-sum-fp32", "cuda-mma-gemm-fp16", "cuda-movement", "cuda-fp32-to-fp16",
                      "cuda-fp32-to-bf16"}, judged
    assert [one["kernel"] for one in record["libraries"]] == ["cublaslt-gemm-fp16", "cudnn-convolution-fp16"]
    assert record["libraries"][0]["order"] == [] and record["libraries"][1]["order"] is None
    assert record["compute_sanitizer"] == "clean on 3 kernels" and record["lockstep"]["elements"] == 4
    assert "not on this device: cuda-wgmma-gemm-fp16" in done.stderr
    assert any("--exhaustive cuda-fp32-to-fp16 cuda-fp32-to-bf16" in call for call in calls)
    assert any("--size 50000 cuda-movement" in call for call in calls)

    (tools / "compute-sanitizer").unlink()
    done, _ = run(build, tools, scratch)
    assert done.returncode == 0, done.stderr
    assert json.loads((scratch / "records/Invented-GPU-2.json").read_text())["compute_sanitizer"] == "not on this machine"

    stand_in(tools / "compute-sanitizer")
    (tools / "compute-sanitizer").write_text("#!/bin/sh\necho an invented error\nexit 99\n")
    shutil.rmtree(scratch / "records")
    done, _ = run(build, tools, scratch)
    assert done.returncode == 1 and "an invented error" in done.stderr and not (scratch / "records").exists()

    (tools / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    done, calls = run(build, tools, scratch)
    assert done.returncode == 77 and "skipped" in done.stderr and calls == [], "no device is a skip"
    (build / "bin/halfscope_gpu_steps").unlink()
    done, _ = run(build, tools, scratch)
    assert done.returncode == 2 and "halfscope_gpu_steps is missing" in done.stderr


main(pathlib.Path(sys.argv[1]))
