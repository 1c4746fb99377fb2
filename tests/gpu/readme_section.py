"""The README's lines on the newest record of a device:  readme_section.py --check|--write README RECORDS

--check: exit code 1 where the README says something else than the records do; --write puts it right."""
import json
import pathlib
import sys

BEGIN, END = "<!-- of the newest record in tests/gpu/records -->", "<!-- end -->"
NONE = ("No record exists yet: no device has been at hand. The kernels compile for sm_80, sm_90a and sm_100 and have their twins' bits in a "
        "host\nexecutor; what is said of speed and memory on a GPU will stand here when it has been measured.")


def percent(share):
    return f"{100 * share:.0f} %"


def figures(record):
    """Rows (what, measured, aim)."""
    rows = []
    for gemm in record["timings"]["gemm"]:
        for kernel in ("mma", "wgmma"):
            if f"{kernel}_vs_cublaslt" in gemm:
                rows.append((f"{gemm['operands']} gemm by {kernel}, {gemm['size']}, against cuBLASLt",
                             percent(gemm[f"{kernel}_vs_cublaslt"]), "≥ 60 %"))
    rows.append(("the statistics pass, against the device's copy bandwidth",
                 percent(record["timings"]["statistics_vs_copy"]), "≥ 80 %"))
    for workload in record["training_steps"]:
        model = f"{workload['model']} with {workload['batch']} samples"
        for recipe in workload["recipes"]:
            if recipe["recipe"] == "fp32":
                continue
            rows.append((f"step of {model}, {recipe['recipe']} against fp32",
                         f"{recipe['times_faster_than_fp32']:.1f} times faster, {percent(recipe['memory_of_fp32'])} of the "
                         "memory", "2 to 3 times, half"))
            rows.append((f"every tensor of it traced, of the step", f"+ {percent(recipe['tracing_share'])}", "≤ 5 %"))
    return rows


def section(records):
    found = [json.loads(file.read_text()) for file in sorted(pathlib.Path(records).glob("*.json"))]
    if not found:
        return NONE
    record = max(found, key=lambda one: one["date"])
    failed = record["failed"]
    verdict = "every bit and every statistic the emulator's" if not failed else "not as they should be: " + ", ".join(failed)
    lines = [f"{record['device']}, driver {record['driver']}, {record['date']}, commit {record['commit'][:12]}: "
             f"{record['elements']:,} results of", f"{len(record['kernels'])} kernels, {verdict}; compute-sanitizer: "
             f"{record['compute_sanitizer']}.", "", "| what | measured | aim |", "| --- | --- | --- |"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in figures(record)])


def with_section(readme, text):
    before, rest = readme.split(BEGIN + "\n", 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def main(mode, readme, records):
    readme = pathlib.Path(readme)
    now = readme.read_text()
    wanted = with_section(now, section(records))
    if mode == "--write":
        readme.write_text(wanted)
        return 0
    if now != wanted:
        print(f"{readme.name} does not say what tests/gpu/records does: run tests/gpu/readme_section.py --write {readme} {records}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
