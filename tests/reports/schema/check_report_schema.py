"""Holds report.json to reports/document/report.schema.json:  check_report_schema.py SCHEMA WRITE_SAMPLE_REPORT"""
import pathlib
import subprocess
import sys
import tempfile

from schema_check import Schema, parse


def damages():
    """Names and functions that each break one rule of a good document."""
    recipe = lambda d: d["recipes"][-1]
    tensor = lambda d: recipe(d)["layers"][0]["tensors"]["activation"]
    pooled = lambda d: recipe(d)["layers"][0]["tensors"]["weight"]
    return {
        "no schema name": lambda d: d.pop("schema"),
        "another schema version": lambda d: d.update(schema="halfscope.report/2"),
        "an unknown field": lambda d: d.update(surprise=1),
        "no reference": lambda d: d.pop("reference"),
        "an unknown verdict": lambda d: recipe(d).update(verdict="fine"),
        "a loss in words": lambda d: recipe(d)["loss"].__setitem__(0, "large"),
        "a finding without remedy": lambda d: recipe(d)["findings"][0].pop("remedy"),
        "a severity unknown": lambda d: recipe(d)["findings"][0].update(severity="bad"),
        "a negative step": lambda d: recipe(d)["findings"][0].update(first_step=-1),
        "a window of one": lambda d: recipe(d)["loss_scale"].update(window_log2=[3]),
        "a percentage above 100": lambda d: tensor(d).update({"underflows%": 101}),
        "a count below 0": lambda d: tensor(d).update(underflows=-1),
        "a tensor without name": lambda d: tensor(d).pop("name"),
        "a statistic missing": lambda d: tensor(d).pop("amax"),
        "a statistic unknown": lambda d: tensor(d).update(median=1),
        "members of members": lambda d: pooled(d)["members"][0].update(members=[]),
        "no histogram": lambda d: tensor(d).pop("exponents"),
        "fidelity as a list": lambda d: recipe(d).update(fidelity=[]),
    }


def main(schema_file, program):
    schema = Schema(schema_file)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, folder, "3", "24"], check=True)
        document = parse((pathlib.Path(folder) / "report.json").read_text(encoding="utf-8"), "report.json")
    assert {"inf", "nan"} <= set(map(str, document["recipes"][-1]["loss"])), "the sample lacks values that are not finite"
    schema.check("report.json", document, damages())
    return schema.exit_code()


sys.exit(main(*sys.argv[1:]))
