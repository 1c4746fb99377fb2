"""Writes one machine's run as a dated record:  record.py RESULTS RECORDS

RESULTS: the folder that tests/gpu/run filled. The record is RECORDS/DEVICE.json, one a device, the newest. Exit code 1
when a kernel failed: the record says which, and is written all the same."""
import datetime
import json
import pathlib
import re
import subprocess
import sys

import kernel_sources

SCHEMA = "halfscope.gpu-record/1"
KERNEL_FIELDS = ("kernel", "inputs", "order", "verdict", "elements", "bit_equal", "nan_payload_differences", "worst_ulp",
                 "explanation")
ROOT = pathlib.Path(__file__).parents[2]


def commit():
    try:
        return subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def read(file):
    return json.loads(file.read_text())


def kernels_of(results):
    """Of every kernel with a twin what its judge said, parts one after the other."""
    found = []
    for file in sorted(results.glob("validation-*.json")):
        if file.name != "validation-libraries.json":
            found += [{key: kernel[key] for key in KERNEL_FIELDS} for kernel in read(file)["kernels"]]
    return found


def libraries_of(results):
    """Of every library's kernel the errors against the exact result, and the order that was found."""
    file = results / "validation-libraries.json"
    if not file.exists():
        return []
    found = []
    for kernel in read(file)["kernels"]:
        order = results / f"order-{kernel['kernel']}.json"
        found.append({**{key: kernel[key] for key in ("kernel", "inputs", "verdict", "passed", "elements", "explanation",
                                                      "errors", "bound")},
                      "order": [{key: one[key] for key in ("description", "steps", "bit_equal")}
                                for one in read(order)["orders"]] if order.exists() else None})
    return found


def record_of(results):
    name, driver, memory = [part.strip() for part in (results / "device.csv").read_text().splitlines()[0].split(",")]
    kernels, libraries = kernels_of(results), libraries_of(results)
    lockstep = read(results / "lockstep.json")["lockstep"]
    failed = [kernel["kernel"] for kernel in kernels if kernel["verdict"] != "bit-equal"]
    failed += [kernel["kernel"] for kernel in libraries if not kernel["passed"]]
    if lockstep["bit_equal"] != lockstep["elements"] or lockstep["different_statistics"] > 0:
        failed.append("lockstep")
    return {
        "schema": SCHEMA,
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "device": name,
        "driver": driver,
        "memory": memory,
        "elements": sum(kernel["elements"] for kernel in kernels),
        "failed": failed,
        "compute_sanitizer": (results / "sanitizer.txt").read_text().strip(),
        "timings": read(results / "timings.json"),
        "training_steps": read(results / "steps.json"),
        "special_functions": read(results / "special_functions.json"),
        "lockstep": lockstep,
        "libraries": libraries,
        "kernel_sources": kernel_sources.hashes(ROOT),
        "kernels": kernels,
    }


def main(results, records):
    results, records = pathlib.Path(results), pathlib.Path(records)
    record = record_of(results)
    records.mkdir(parents=True, exist_ok=True)
    file = records / (re.sub(r"[^A-Za-z0-9]+", "-", record["device"]).strip("-") + ".json")
    file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    failed = record["failed"]
    print(f"{file}: {record['elements']:,} results of {len(record['kernels'])} kernels, "
          f"{'all bit-equal' if not failed else 'not as they should be: ' + ', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
