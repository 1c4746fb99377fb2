"""Holds the documents of `halfscope validate` to reports/document/validation.schema.json:

check_validation_schema.py SCHEMA HALFSCOPE PLUGIN   PLUGIN: a library with kernels that are wrong in known ways"""
import subprocess
import sys
import tempfile

from schema_check import Schema, parse


def run(program, *arguments, exit_codes):
    finished = subprocess.run([program, *arguments, "--json", "-"], capture_output=True, text=True)
    assert finished.returncode in exit_codes, (arguments, finished.returncode, finished.stderr)
    return parse(finished.stdout, " ".join(arguments))


def judgement_damages(at):
    return {
        "an unknown verdict": lambda d: at(d).update(verdict="fine"),
        "no explanation": lambda d: at(d).update(explanation=""),
        "no bound": lambda d: at(d).pop("bound"),
        "an unknown field": lambda d: at(d).update(surprise=1),
        "bits in decimal": lambda d: at(d)["worst_error"]["tested"].update(bits="15360"),
        "an operand without name": lambda d: at(d)["worst_error"]["operands"][0].pop("name"),
        "a tolerance without derivation": lambda d: at(d)["tolerance"].pop("derivation"),
        "an error in words": lambda d: at(d)["errors"].update(worst_ulp="large"),
        "a negative count": lambda d: at(d).update(bit_equal=-1),
    }


def main(schema_file, program, plugin):
    schema = Schema(schema_file)
    small = ("--size", "300")
    conversion = lambda d: next(k for k in d["kernels"] if k["verdict"] == "bit-equal")
    schema.check("validate", run(program, "validate", *small, exit_codes=[0]), {
        "another schema version": lambda d: d.update(schema="halfscope.validation/2"),
        "a kernel in an unknown place": lambda d: conversion(d).update(place="tpu"),
        "a kernel without an order": lambda d: conversion(d).pop("order"),
        "no count of skips": lambda d: d.pop("skipped"),
        **judgement_damages(conversion),
    })
    names = ("right", "backwards", "extra-bf16", "last-tile-wrong", "nan-filled")
    schema.check("validate --plugin", run(program, "validate", "--plugin", plugin, *names, "--size", "32", exit_codes=[1]), {})
    schema.check("validate --reveal", run(program, "validate", "--plugin", plugin, "right", "--reveal", "matmul",
                                          "--size", "12", exit_codes=[0]), {
        "no orders": lambda d: d.update(orders=[]),
        "a node of one child": lambda d: d["orders"][0]["nodes"].append([0]),
        "a task that has no order": lambda d: d.update(task="softmax"),
        "an order without steps": lambda d: d["orders"][0].pop("steps"),
    })
    with tempfile.TemporaryDirectory() as folder:
        import array
        import struct

        def npy(name, values, shape):
            header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
            header += " " * (63 - (10 + len(header)) % 64) + "\n"
            with open(f"{folder}/{name}.npy", "wb") as file:
                file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
                file.write(array.array("f", values).tobytes())
            return f"{folder}/{name}.npy"

        x = npy("x", [1.0, 2.0, 3.0, 0.5, 0.25, 8.0], (2, 3))
        out = npy("out", [6.0, 8.75], (2,))
        schema.check("validate --op", run(program, "validate", "--op", "sum", "--in", x, "--format", "fp32", "--out", out,
                                          exit_codes=[0]), judgement_damages(lambda d: d))
    return schema.exit_code()


sys.exit(main(*sys.argv[1:]))
