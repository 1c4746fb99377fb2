"""record.py and readme_section.py on results made up here, in a folder of their own:  check_record.py SCRATCH

Nothing of it is a measurement: devices, drivers and figures are invented, and named so."""
import json
import pathlib
import shutil
import sys

import kernel_sources
import readme_section
import record

ROOT = pathlib.Path(__file__).parents[2]


def kernel(name, verdict="bit-equal", elements=1000):
    return {"kernel": name, "inputs": "made up", "order": "made up", "verdict": verdict, "passed": verdict != "real bug",
            "elements": elements, "bit_equal": elements, "nan_payload_differences": 0, "worst_ulp": 0,
            "explanation": "made up", "errors": {"worst_ulp": 2.5}, "bound": "made up"}


def make_results(folder, **changes):
    """Everything tests/gpu/run leaves, of a device that does not exist."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = {
        "device.csv": "Invented GPU 1, 0.0, 1 MiB\n",
        "sanitizer.txt": "clean on 3 kernels\n",
        "validation-rows.json": {"kernels": [kernel("cuda-sum-fp32"), kernel("cuda-sum-fp16", elements=24)]},
        "validation-exhaustive.json": {"kernels": [kernel("cuda-fp32-to-fp16", elements=1 << 32)]},
        "validation-libraries.json": {"kernels": [kernel("cublaslt-gemm-fp16", "different-order")]},
        "order-cublaslt-gemm-fp16.json": {"orders": [{"description": ["made up"], "steps": "made up", "bit_equal": 4,
                                                      "nodes": []}]},
        "timings.json": {"statistics_vs_copy": 0.875, "gemm": [{"operands": "fp16", "size": 64, "mma_vs_cublaslt": 0.5}]},
        "steps.json": [{"model": "gpt:layers=1", "batch": 8, "recipes": [
            {"recipe": "fp32", "times_faster_than_fp32": 1, "memory_of_fp32": 1, "tracing_share": 0.5},
            {"recipe": "fp16-amp", "times_faster_than_fp32": 2.25, "memory_of_fp32": 0.625, "tracing_share": 0.03125}]}],
        "special_functions.json": [],
        "lockstep.json": {"lockstep": {"elements": 10, "bit_equal": 10, "different_statistics": 0}},
        **changes}
    for name, content in parts.items():
        if content is not None:
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def main(scratch):
    shutil.rmtree(scratch, ignore_errors=True)
    results, records = scratch / "results", scratch / "records"

    assert record.main(make_results(results), records) == 0, "all bit-equal is a success"
    made = json.loads((records / "Invented-GPU-1.json").read_text())
    assert made["elements"] == (1 << 32) + 1024, "the record counts every judged result"
    assert [one["kernel"] for one in made["kernels"]] == ["cuda-fp32-to-fp16", "cuda-sum-fp32", "cuda-sum-fp16"]
    assert made["libraries"][0]["errors"]["worst_ulp"] == 2.5 and made["libraries"][0]["order"][0]["bit_equal"] == 4
    assert made["failed"] == [] and made["kernel_sources"] == kernel_sources.hashes(ROOT)

    without = make_results(results, **{"validation-libraries.json": None, "order-cublaslt-gemm-fp16.json": None})
    assert record.main(without, records) == 0 and json.loads((records / "Invented-GPU-1.json").read_text())["libraries"] == []
    for failed, change in {
            "cuda-sum-fp32": {"validation-rows.json": {"kernels": [kernel("cuda-sum-fp32", "different-order")]}},
            "cublaslt-gemm-fp16": {"validation-libraries.json": {"kernels": [kernel("cublaslt-gemm-fp16", "real bug")]}},
            "lockstep": {"lockstep.json": {"lockstep": {"elements": 10, "bit_equal": 9, "different_statistics": 0}}}}.items():
        assert record.main(make_results(results, **change), records) == 1, f"{failed} is a failure"
        assert json.loads((records / "Invented-GPU-1.json").read_text())["failed"] == [failed]

    # The README of a machine with that record, and of one with none.
    record.main(make_results(results), records)
    readme = scratch / "README.md"
    readme.write_text(f"before\n{readme_section.BEGIN}\nold\n{readme_section.END}\nafter\n")
    assert readme_section.main("--check", readme, records) == 1
    assert readme_section.main("--write", readme, records) == 0 and readme_section.main("--check", readme, records) == 0
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    for part in ("Invented GPU 1, driver 0.0", f"{(1 << 32) + 1024:,} results", "| fp16 gemm by mma, 64, against cuBLASLt | 50 % |",
                 "copy bandwidth | 88 % |", "| step of gpt:layers=1 with 8 samples, fp16-amp against fp32 | 2.2 times faster, 62 % of the memory |",
                 "| + 3 % | ≤ 5 % |"):
        assert part in text, f"the README lacks: {part}"
    assert readme_section.main("--write", readme, scratch / "nothing") == 0 and readme_section.NONE in readme.read_text()
    # The repository's own.
    assert readme_section.main("--check", ROOT / "README.md", ROOT / "tests/gpu/records") == 0, "README.md and the records differ"


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
