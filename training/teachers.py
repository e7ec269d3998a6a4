"""Any teacher behind one protocol: our MM-Net, an MM-LUT, TorchScript, ONNX, or a folder of images.

A teacher maps ``(B, 3, H, W)`` RGB and ``(B, 1, H, W)`` infrared, float in [0, 1], to the fused
luma ``(B, 1, H, W)``. Foreign networks may take the visible image as RGB or as luma and may return
one channel or RGB; both are found out by trying.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from lut_fuse_core import Fuser
from lut_fuse_core.errors import InputError
from training.mm_lut import luma_of
from training.mm_net import load_mm_net

PROBE_SIDE = 64


class Teacher(Protocol):
    """Fuses a batch of pairs."""

    def __call__(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """``(B, 3, H, W)`` and ``(B, 1, H, W)`` in [0, 1] to luma ``(B, 1, H, W)``."""
        ...


@dataclass(frozen=True)
class TeacherSource:
    """Where the teacher's images come from: a network, or a folder of images made beforehand."""

    network: Teacher | None = None
    folder: Path | None = None


def open_teacher(path: str | Path, device: str) -> TeacherSource:
    """The teacher at a path: a folder of images, .onnx, TorchScript, a model file (.safetensors)
    or mm_net.pt of a teacher run.

    Raises InputError if it is none of these, or does not fuse a pair of images.
    """
    path = Path(path)
    if path.is_dir():
        return TeacherSource(folder=path)
    if not path.is_file():
        raise InputError(f"no teacher {path}; give a model file or a folder of fused images")
    if path.suffix == ".onnx":
        return TeacherSource(_settle(_onnx(path), path, "cpu"))
    if path.suffix == ".safetensors":
        return TeacherSource(ModelFile(path))
    if _is_torchscript(path):
        script = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
        return TeacherSource(_settle(script, path, device))
    net = load_mm_net(path).to(device)
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    return TeacherSource(net)


class ModelFile:
    """Another MM-LUT, executed by the core: image by image, in whole grey levels."""

    def __init__(self, path: Path) -> None:
        self._fuser = Fuser(path)

    def __call__(self, visible: Tensor, infrared: Tensor, ambient: Tensor | None = None) -> Tensor:
        """As `Teacher`. ambient: of the scenes that the images are cut from, ``(B,)`` in [0, 1];
        None if they are whole."""
        levels = [None] * len(visible) if ambient is None else (255 * ambient).tolist()
        rgb = (visible * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        grey = (infrared[:, 0] * 255).round().byte().cpu().numpy()
        fused = [
            torch.from_numpy(self._in_scene(level).fuse(v, i))
            for v, i, level in zip(rgb, grey, levels, strict=True)
        ]
        taught = torch.stack(fused).permute(0, 3, 1, 2).to(visible.device)
        return luma_of(taught / 255)

    def _in_scene(self, ambient: float | None) -> Fuser:
        model = self._fuser.model
        if ambient is None or model.dark is None:
            return self._fuser
        lattice = model.lattice_in(model.dark.darkness(ambient))
        return Fuser(replace(model, lattice=lattice, dark=None))


class _Settled:
    """A foreign network with what was found out about its input and output."""

    def __init__(self, network: Any, takes_luma: bool) -> None:
        self._network, self._takes_luma = network, takes_luma

    def __call__(self, visible: Tensor, infrared: Tensor) -> Tensor:
        seen = luma_of(visible) if self._takes_luma else visible
        with torch.no_grad():
            fused = self._network(seen, infrared)
        fused = fused[0] if isinstance(fused, list | tuple) else fused
        return luma_of(fused) if fused.shape[1] == 3 else fused


def _settle(network: Any, path: Path, device: str) -> Teacher:
    """Try the network with RGB, then with luma. Raises InputError if it takes neither."""
    visible = torch.rand(1, 3, PROBE_SIDE, PROBE_SIDE, device=device)
    infrared = torch.rand(1, 1, PROBE_SIDE, PROBE_SIDE, device=device)
    failure = ""
    for takes_luma in (False, True):
        teacher = _Settled(network, takes_luma)
        try:
            fused = teacher(visible, infrared)
        except Exception as error:  # a foreign network may raise anything
            failure = str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
            continue
        if fused.shape == infrared.shape:
            return teacher
        failure = f"it returned {tuple(fused.shape)} for {PROBE_SIDE}x{PROBE_SIDE} pixels"
    raise InputError(
        f"{path} does not fuse a visible (B, 3 or 1, H, W) and an infrared (B, 1, H, W) image: "
        f"{failure}"
    )


def _onnx(path: Path) -> Any:
    import onnxruntime

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
