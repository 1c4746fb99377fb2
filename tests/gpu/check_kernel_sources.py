"""kernel_sources.py on records of known age, in a folder of its own:  check_kernel_sources.py ROOT SCRATCH"""
import json
import pathlib
import shutil
import sys

import kernel_sources

root, scratch = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
shutil.rmtree(scratch, ignore_errors=True)
scratch.mkdir(parents=True)
assert kernel_sources.main(root, scratch) == 77, "a folder without records is a skip"
now = kernel_sources.hashes(root)
assert any(path.endswith("mma_gemm.cu") for path in now) and any(path.endswith("definition.inl") for path in now)
(scratch / "A.json").write_text(json.dumps({"kernel_sources": now}))
assert kernel_sources.main(root, scratch) == 0, "a record of these sources is not old"
for older in ({**now, "kernels/cuda/mma_gemm.cu": "0"}, {**now, "kernels/cuda/gone.cu": "0"}, {}):
    (scratch / "B.json").write_text(json.dumps({"kernel_sources": older}))
    assert kernel_sources.main(root, scratch) == 1, "a record of other sources is old"
