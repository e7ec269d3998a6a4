"""What is the `cpu` backend's own; what it shares with the others is in `test_contract`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from random_models import random_model

from lut_fuse_core.backends.cpu import CpuBackend
from lut_fuse_core.errors import BackendUnavailableError


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_is_told_instead_of_waiting_for_ever() -> None:
    images = np.zeros((90, 120, 3), np.uint8), np.zeros((90, 120), np.uint8)
    backend = CpuBackend(random_model(), 2)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        status = 3
        try:
            backend.fuse(*images)
        except BackendUnavailableError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_it_needs_nothing_but_numpy_and_opencv() -> None:
    program = (
        "import sys; from lut_fuse_core import load_model;"
        "from lut_fuse_core.backends import create_backend;"
        "create_backend('cpu', load_model('default'), 1);"
        "print(*({'numba', 'onnxruntime', 'safetensors', 'torch', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
