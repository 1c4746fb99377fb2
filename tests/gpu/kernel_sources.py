"""The sources that the device's kernels are made of, and their content hashes: what a record speaks of.

  kernel_sources.py ROOT RECORDS    exit 0: every record is of these sources; 1: one is older; 77: there is no record
"""
import hashlib
import json
import pathlib
import sys


def hashes(root):
    """SHA-256 by path: the kernels, and the definitions of the emulator that are compiled into them."""
    root = pathlib.Path(root)
    files = [file for file in (root / "kernels/cuda").rglob("*") if file.suffix in (".cu", ".cuh", ".h")]
    files += (root / "emulation/ops").rglob("*.inl")
    return {file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(files)}


def changed(recorded, now):
    return sorted(path for path in recorded.keys() | now.keys() if recorded.get(path) != now.get(path))


def main(root, records):
    found = sorted(pathlib.Path(records).glob("*.json"))
    if not found:
        print(f"skipped: no record yet in {records}: no device has run the kernels")
        return 77
    now, old = hashes(root), 0
    for file in found:
        differs = changed(json.loads(file.read_text()).get("kernel_sources", {}), now)
        if not differs:
            print(f"{file.name}: of the kernels as they are")
            continue
        old += 1
        print(f"{file.name} is older than the kernels it speaks of ({len(differs)} files differ: "
              f"{', '.join(differs[:5])}{', ...' if len(differs) > 5 else ''}); run ./dev gpu on that device again, "
              "or remove the record")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
