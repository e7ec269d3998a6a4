"""Any teacher behind one protocol: our MM-Net, an MM-LUT, TorchScript, ONNX, or a folder of images.

A teacher maps ``(B, 3, H, W)`` RGB and ``(B, 1, H, W)`` infrared, float in [0, 1], to the fused
luma ``(B, 1, H, W)``. Foreign networks may take the visible image as RGB or as luma and may return
one channel or RGB; both are found out by trying.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lut_fuse_core import Fuser, load_model
from lut_fuse_core.errors import InputError, ModelError
from lut_fuse_core.model.file import model_path
from lut_fuse_core.model.fusion_model import FusionModel

from ..images import luma_of
from .mm_lut import MMLut
from .mm_net import load_mm_net

PROBE_SIZES = ((64, 64), (61, 77))
"""Height and width of what foreign networks are tried with; many take multiples only."""

MULTIPLE = 32
"""Height and width are continued to a multiple of this for a network that does not take any."""


class Teacher(Protocol):
    """Fuses a batch of pairs."""

    def __call__(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """``(B, 3, H, W)`` and ``(B, 1, H, W)`` in [0, 1] to luma ``(B, 1, H, W)``."""
        ...


@dataclass(frozen=True)
class TeacherSource:
    """Where the teacher's images come from; neither of the two for no teacher.

    Attributes:
        network: Fuses crops as they come.
        folder: Of images made beforehand.
    """

    network: Teacher | None = None
    folder: Path | None = None


def open_teacher(path: str | Path, device: str) -> TeacherSource:
    """The teacher at a path: a folder of images, .onnx, TorchScript, a model file (.safetensors)
    or mm_net.pt of a teacher run; or the bundled model of this name.

    Args:
        path: Of the file or folder, or a name.
        device: Where the network shall run, as PyTorch names it; those of ONNX run on the CPU.

    Returns:
        The network or the folder.

    Raises:
        InputError: If it is none of these, or does not fuse a pair of images.
    """
    path = Path(path)
    if path.is_dir():
        return TeacherSource(folder=path)
    try:
        path = model_path(path)
    except ModelError:
        raise InputError(
            f"no teacher {path}; give a model file, 'default', or a folder of fused images"
        ) from None
    if path.suffix == ".onnx":
        return TeacherSource(_settle(_onnx(path), path, "cpu"))
    if path.suffix == ".safetensors":
        return TeacherSource(_model_file(path, device))
    if _is_torchscript(path):
        script = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
        return TeacherSource(_settle(script, path, device))
    return TeacherSource(load_mm_net(path).to(device).requires_grad_(False))


class ModelFile:
    """Another MM-LUT, executed by the core: image by image, in whole gray levels.

    Args:
        model: What to fuse with.
    """

    def __init__(self, model: FusionModel) -> None:
        self._fuser = Fuser(model)

    def __call__(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """As `Teacher`."""
        rgb = (visible * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        gray = (infrared[:, 0] * 255).round().byte().cpu().numpy()
        fused = [torch.from_numpy(self._fuser.fuse(v, i)) for v, i in zip(rgb, gray, strict=True)]
        teacher_output = torch.stack(fused).permute(0, 3, 1, 2).to(visible.device)
        return luma_of(teacher_output / 255)


def _model_file(path: Path, device: str) -> Teacher:
    """A model file; one with a lattice for dark scenes as a module, which can be told the scene."""
    model = load_model(path)
    if not model.knows_scenes:
        return ModelFile(model)
    return MMLut.of(model).to(device).requires_grad_(False)


class _Settled:
    """A foreign network with what was found out about its input and output."""

    def __init__(self, network: Any, path: Path, takes_luma: bool, multiple: int) -> None:
        self._network, self._path = network, path
        self._takes_luma, self._multiple = takes_luma, multiple

    def __call__(self, visible: Tensor, infrared: Tensor) -> Tensor:
        height, width = infrared.shape[-2:]
        margin = (0, -width % self._multiple, 0, -height % self._multiple)
        seen = luma_of(visible) if self._takes_luma else visible
        seen, infrared = (F.pad(image, margin, mode="replicate") for image in (seen, infrared))
        try:
            with torch.no_grad():
                fused = self._network(seen, infrared)
            fused = fused[0] if isinstance(fused, list | tuple) else fused
            fused = luma_of(fused) if fused.shape[1] == 3 else fused
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a foreign network may raise anything
            failure = str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
            raise self._unfit(failure) from None
        if fused.shape != infrared.shape:
            raise self._unfit(f"it returned {tuple(fused.shape)} for {tuple(infrared.shape)}")
        return fused[..., :height, :width]

    def _unfit(self, failure: str) -> InputError:
        return InputError(
            f"{self._path} does not fuse a visible (B, 3 or 1, H, W) and an infrared (B, 1, H, W) "
            f"image: {failure}"
        )


def _settle(network: Any, path: Path, device: str) -> Teacher:
    """Try the network with RGB, then with luma, with any size, then with multiples.

    Raises:
        InputError: If it takes none of these.
    """
    probes = [
        (torch.rand(1, 3, *size, device=device), torch.rand(1, 1, *size, device=device))
        for size in PROBE_SIZES
    ]
    failure: InputError | None = None
    for takes_luma, multiple in product((False, True), (1, MULTIPLE)):
        teacher = _Settled(network, path, takes_luma, multiple)
        try:
            for probe in probes:
                teacher(*probe)
        except InputError as error:
            failure = error
            continue
        return teacher
    assert failure is not None
    raise failure


def _onnx(path: Path) -> Any:
    from lut_fuse_core.model.onnx_runtime import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base class
        raise InputError(f"{path} is not a usable ONNX model ({error})") from None
    names = [entry.name for entry in session.get_inputs()]
    if len(names) != 2:
        raise InputError(f"{path} takes {len(names)} inputs; a teacher takes visible and infrared")

    def run(visible: Tensor, infrared: Tensor) -> Tensor:
        feeds = {
            name: np.ascontiguousarray(image.cpu().numpy())
            for name, image in zip(names, (visible, infrared), strict=True)
        }
        return torch.from_numpy(session.run(None, feeds)[0]).to(visible.device)

    return run


def _is_torchscript(path: Path) -> bool:
    """TorchScript archives hold code; those of tensors do not."""
    import zipfile

    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())
