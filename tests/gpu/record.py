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


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def main(results, records):
    results, records = pathlib.Path(results), pathlib.Path(records)
    query = output_of("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    name, driver, memory = [part.strip() for part in query.splitlines()[0].split(",")]
    kernels, elements = [], 0
    for file in sorted(results.glob("validation-*.json")):
        for kernel in json.loads(file.read_text())["kernels"]:
            elements += kernel["elements"]
            kernels.append({key: kernel[key] for key in
                            ("kernel", "inputs", "order", "verdict", "elements", "bit_equal", "nan_payload_differences",
                             "worst_ulp", "explanation")})
    failed = [kernel["kernel"] for kernel in kernels if kernel["verdict"] != "bit-equal"]
    lockstep = json.loads((results / "lockstep.json").read_text())["lockstep"]
    if lockstep["bit_equal"] != lockstep["elements"] or lockstep["different_statistics"] > 0:
        failed.append("lockstep")
    conversions = int((results / "conversions.status").read_text())
    record = {
        "schema": "halfscope.gpu-record/1",
        "date": datetime.date.today().isoformat(),
        "commit": output_of("git", "rev-parse", "HEAD") or "unknown",
        "device": name,
        "driver": driver,
        "memory": memory,
        "elements": elements,
        "failed": failed,
        "all_conversions_equal": conversions == 0,
        "timings": json.loads((results / "timings.json").read_text()),
        "special_functions": json.loads((results / "special_functions.json").read_text()),
        "lockstep": lockstep,
        "kernel_sources": kernel_sources.hashes(pathlib.Path(__file__).parents[2]),
        "kernels": kernels,
    }
    records.mkdir(parents=True, exist_ok=True)
    file = records / (re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") + ".json")
    file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(f"{file}: {elements:,} results of {len(kernels)} kernels, "
          f"{'all bit-equal' if not failed else 'not bit-equal: ' + ', '.join(failed)}")
    return 1 if failed or conversions else 0


sys.exit(main(*sys.argv[1:]))
