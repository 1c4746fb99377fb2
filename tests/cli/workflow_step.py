#!/usr/bin/env python3
"""Runs the GitHub Actions steps of docs/continuous-integration.md as a runner would (bash -e, a later step with
`if: always()` in spite of an earlier failure), on the regressor of examples/: it must fail as the document's gate says,
and pass with the settings that --fix proposes.

    workflow_step.py HALFSCOPE ROOT SCRATCH      exit code 77: PyTorch is missing
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml

try:
    import torch  # noqa: F401  (what the example needs)
except ImportError:
    print("skipped: install python3-torch")
    sys.exit(77)


def code_block(document, language):
    return re.search(rf"```{language}\n(.*?)```", document, re.S).group(1)


def steps(workflow):
    """[(name, runs always, script)] of the steps that run a script, in order."""
    found = []
    for step in re.split(r"^      - ", workflow, flags=re.M)[1:]:
        lines = step.splitlines()
        fields = {}
        for i, line in enumerate(lines):
            key, colon, value = line.strip().partition(": ")
            indent = len(line) - len(line.lstrip()) if i > 0 else 8
            if indent != 8 or not (colon or line.strip().endswith(":")):
                continue
            if value == "|":
                block = []
                for later in lines[i + 1:]:
                    if later.strip() and len(later) - len(later.lstrip()) <= 8:
                        break
                    block.append(later[10:])
                value = "\n".join(block)
            fields[key.rstrip(":")] = value
        if "run" in fields:
            found.append((fields.get("name", ""), fields.get("if") == "always()", fields["run"]))
    return found


def run_job(workflow, folder, environment):
    """Whether the job passed."""
    passed = True
    for name, always, script in steps(workflow):
        if not passed and not always:
            continue
        done = subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
        print(f"{name}: exit {done.returncode}")
        # 1 is the gate's answer; anywhere else it is a fault.
        if done.returncode > (1 if "halfscope profile" in script else 0):
            sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
        passed = passed and done.returncode == 0
    return passed


def main(program, root, scratch):
    document = (root / "docs" / "continuous-integration.md").read_text()
    workflow = code_block(document, "yaml")
    settings = code_block(document, "toml")
    assert len(steps(workflow)) == 3, steps(workflow)
    kept = re.findall(r"^ +(precision/\S+)$", workflow, re.M)
    assert "precision/report.html" in kept, kept

    shutil.rmtree(scratch, ignore_errors=True)
    for name, layer, passes in [("fixed", "block.wo", True), ("unfixed", "head", False)]:
        folder = scratch / name
        (folder / "tests").mkdir(parents=True)
        (folder / "export.py").write_text(
            "import pathlib, shutil, sys\n"
            f"sys.path.insert(0, {str(root / 'examples')!r})\n"
            "import export_regressor\n"
            "export_regressor.main(pathlib.Path('exported'))\n"
            "shutil.copy('exported/regressor.onnx', sys.argv[1])\n"
            "shutil.copy('exported/data.npz', 'tests/sample.npz')\n")
        pattern = "'^" + layer.replace(".", r"\.") + "$'"
        # The document's layer belongs to the document's model.
        overlay = re.sub(r"^match = .*$", lambda _: f"match = {pattern}", settings, flags=re.M)
        assert pattern in overlay
        (folder / "precision.toml").write_text(overlay)
        summary = folder / "step-summary.md"
        environment = dict(os.environ, GITHUB_STEP_SUMMARY=str(summary), PYTHONDONTWRITEBYTECODE="1",
                           PATH=os.pathsep.join([str(program.parent), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]))
        assert run_job(workflow, folder, environment) == passes, f"{name}: the gate says the opposite"
        for file in kept:
            assert (folder / file).stat().st_size > 0, file
        cases = xml.parse(folder / "precision" / "junit.xml").getroot().iter("testcase")
        failed = [case.get("name") for case in cases if case.find("failure") is not None]
        assert failed == ([] if passes else ["fp16-amp"]), failed
        assert "fp16-amp" in summary.read_text() and ("unsafe" in summary.read_text()) != passes
    print("the documented job fails on an unsafe recipe, passes with the layer in fp32, and keeps its documents either way")


main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve())
