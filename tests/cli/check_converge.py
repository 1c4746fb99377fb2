"""Runs `halfscope converge` on a small network and reads what it wrote with other people's programs:
check_converge.py HALFSCOPE SCHEMA FOLDER

converge.json is held to its schema, the event files are parsed with Google's protobuf from a descriptor made here (the
framing's checksums with a CRC of our own), the table with csv, the pictures by their signatures, and the figures of the
statement are worked out again from the curves. Exit code 77 (a visible skip) when a Python package is missing."""
import copy
import csv
import itertools
import json
import math
import pathlib
import shutil
import statistics
import struct
import subprocess
import sys

try:
    import jsonschema
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError as missing:
    print(f"skipped: {missing}; install python3-jsonschema and python3-protobuf")
    sys.exit(77)

program, schema_file, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)
out = folder / "out"
plots = ["curves.svg", "curves.png", "curves.pdf"] if shutil.which("gnuplot") else []
(folder / "run.csv").write_text("step,loss\n" + "".join(f"{step},{1.4 - step / 100}\n" for step in range(0, 40, 2)))
command = [program, "converge", "zoo:mlp:in=8,hidden=8,classes=3", "--data", "synthetic", "--batch", "16", "--recipes",
           "fp16-amp,bf16-pure", "--seeds", "5", "--steps", "40", "--out", out, "--csv", folder / "curves.csv",
           "--tensorboard", folder / "tb", "--with", folder / "run.csv"]
for plot in plots:
    command += ["--plot", folder / plot]
finished = subprocess.run(command, capture_output=True, text=True)
assert finished.returncode in (0, 1, 3), finished.stderr

# --- converge.json and its schema
schema = json.loads(schema_file.read_text())
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
document = json.loads((out / "converge.json").read_text())
for error in validator.iter_errors(document):
    sys.exit(f"converge.json breaks its schema at {list(error.absolute_path)}: {error.message}")
damages = [lambda d: d.pop("schema"), lambda d: d.update(surprise=1), lambda d: d["recipes"][1].update(standing="fine"),
           lambda d: d["recipes"][1]["runs"][0]["loss"].__setitem__(0, "large"), lambda d: d.update(seeds=[]),
           lambda d: d["recipes"][1]["comparisons"][0]["interval"].update(coverage=1.5),
           lambda d: d["others"][0].pop("sentence")]
for damage in damages:
    bad = copy.deepcopy(document)
    damage(bad)
    assert not validator.is_valid(bad), "a damaged document passes the schema"

# --- the statement, from the curves
assert [r["name"] for r in document["recipes"]] == ["fp32", "fp16-amp", "bf16-pure"]
last = {r["name"]: [[e["value"] for e in run["evaluations"] if e["metric"] == "loss"][-1] for run in r["runs"]]
        for r in document["recipes"]}
assert math.isclose(document["margin"]["value"], 2.8 * statistics.stdev(last["fp32"]), rel_tol=1e-12)
for recipe in document["recipes"][1:]:
    judged = recipe["comparisons"][0]
    differences = [a - b for a, b in zip(last[recipe["name"]], last["fp32"])]
    assert judged["differences"] == differences
    signed = [sum(s * d for s, d in zip(signs, differences)) for signs in itertools.product((1, -1), repeat=5)]
    assert judged["p"] == sum(abs(s) >= abs(sum(differences)) * (1 - 1e-12) for s in signed) / 32
    assert (judged["interval"]["low"], judged["interval"]["high"]) == (min(differences), max(differences))
    assert judged["interval"]["coverage"] == 1 - 2 / 32

# --- the table
with open(folder / "curves.csv", newline="") as file:
    rows = list(csv.DictReader(file))
losses = [float(r["value"]) for r in rows if (r["run"], r["seed"], r["quantity"]) == ("bf16-pure", "3", "training_loss")]
assert losses == document["recipes"][2]["runs"][3]["loss"]

# --- event files, read with protobuf
def message(file, name, fields):
    added = file.message_type.add(name=name)
    for number, (field, kind, label, of) in fields.items():
        added.field.add(name=field, number=number, type=kind, label=label, type_name=of)

F = descriptor_pb2.FieldDescriptorProto
file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="t", syntax="proto3")
message(file, "Value", {1: ("tag", F.TYPE_STRING, 1, None), 2: ("simple_value", F.TYPE_FLOAT, 1, None)})
message(file, "Summary", {1: ("value", F.TYPE_MESSAGE, 3, ".t.Value")})
message(file, "Event", {1: ("wall_time", F.TYPE_DOUBLE, 1, None), 2: ("step", F.TYPE_INT64, 1, None),
                        3: ("file_version", F.TYPE_STRING, 1, None), 5: ("summary", F.TYPE_MESSAGE, 1, ".t.Summary")})
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
descriptor = pool.FindMessageTypeByName("t.Event")
Event = (message_factory.GetMessageClass(descriptor) if hasattr(message_factory, "GetMessageClass")
         else message_factory.MessageFactory(pool).GetPrototype(descriptor))

def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

def events(path):
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == masked_crc(data[:8])
        body = data[12:12 + length]
        assert struct.unpack("<I", data[12 + length:16 + length])[0] == masked_crc(body)
        yield Event.FromString(body)
        data = data[16 + length:]

records = list(events(folder / "tb" / "bf16-pure" / "seed3" / "events.out.tfevents.1.halfscope"))
assert records[0].file_version == "brain.Event:2" and records[0].wall_time > 1e9
curve = [(e.step, v.simple_value) for e in records for v in e.summary.value if v.tag == "training/loss"]
assert curve == [(i, struct.unpack("f", struct.pack("f", loss))[0]) for i, loss in enumerate(losses)]
tags = {v.tag for e in records for v in e.summary.value}
assert {"held_out/loss", "held_out/accuracy", "training/loss_scale"} <= tags, tags
assert len(list((folder / "tb").rglob("*tfevents*"))) == 15

# --- pictures and page
for plot in plots:
    start = (folder / plot).read_bytes()[:200]
    assert {"svg": b"<svg" in start, "png": start.startswith(b"\x89PNG"), "pdf": start.startswith(b"%PDF")}[plot[-3:]]
page = (out / "converge.html").read_text()
assert "<title>zoo:mlp:in=8,hidden=8,classes=3" in page and "{{" not in page and "src=" not in page.split("<script>")[0]
print(f"checked converge.json, 15 event files, {len(rows)} rows, {len(plots)} pictures")
if not plots:
    print("skipped: install gnuplot-nox to check the pictures")
    sys.exit(77)
