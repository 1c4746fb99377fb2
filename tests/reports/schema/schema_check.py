"""Holds JSON documents to a schema: good ones must fit, and every damaged one must be refused.

Exit code 77 (a visible skip) when python3-jsonschema is not installed."""
import copy
import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: install python3-jsonschema")
    sys.exit(77)


def parse(text, name):
    def refuse(constant):
        raise ValueError(f"{name} is not JSON: it holds {constant}")

    return json.loads(text, parse_constant=refuse)


class Schema:
    def __init__(self, file):
        schema = parse(pathlib.Path(file).read_text(encoding="utf-8"), file)
        jsonschema.Draft202012Validator.check_schema(schema)
        self._validator = jsonschema.Draft202012Validator(schema)
        self._faults = []
        self._documents = self._damages = 0

    def check(self, name, document, damages):
        """`damages`: names and functions that each break one rule of the good document."""
        self._documents += 1
        for error in self._validator.iter_errors(document):
            self._faults.append(f"{name}: {'/'.join(map(str, error.absolute_path))}: {error.message[:400]}")
        for what, damage in damages.items():
            self._damages += 1
            damaged = copy.deepcopy(document)
            damage(damaged)
            if self._validator.is_valid(damaged):
                self._faults.append(f"{name}: the schema lets through: {what}")

    def exit_code(self):
        print("\n".join(self._faults) or
              f"{self._documents} documents fit the schema, and it refuses all {self._damages} damaged ones")
        return 1 if self._faults else 0
