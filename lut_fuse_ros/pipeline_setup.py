"""The pipeline that the parameters describe: made, warmed up, changed while it runs."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np

from lut_fuse_core.arrays import Size
from lut_fuse_core.errors import BackendUnavailableError
from lut_fuse_core.libraries.opencv import use_threads
from lut_fuse_core.parallel import usable_cores
from lut_fuse_core.parallel.heap import give_back
from lut_fuse_core.pipeline.config import PipelineConfig
from lut_fuse_core.pipeline.pipeline import FusionPipeline
from lut_fuse_core.registration.file import load_registration
from lut_fuse_core.registration.homography import Homography
from lut_fuse_core.registration.registration import RegistrationConfig
from lut_fuse_core.registration.rig import CameraRig
from lut_fuse_core.sync.periods import MAX_TOLERANCE
from lut_fuse_core.sync.stamps import NANOSECONDS
from lut_fuse_ros.parameters.node_parameters import NodeParameters

WARM_UP_SIZE = (640, 480)


def make_pipeline(parameters: NodeParameters) -> tuple[FusionPipeline, str]:
    """Make the pipeline.

    Returns:
        The pipeline, and a warning if another backend had to be taken than was asked for.

    Raises:
        InputError: For a model or registration that cannot be used.
        BackendUnavailableError: If no backend runs here.
    """
    transform = None
    if parameters.registration.source == "file":
        transform = load_registration(Path(parameters.registration.file).expanduser())
    threads = parameters.threads or max(1, usable_cores() - 1)
    use_threads(threads)
    config = PipelineConfig(
        model=parameters.model,
        backend=parameters.backend,
        threads=threads,
        strength=parameters.strength,
        normalization=parameters.normalization,
        registration=RegistrationConfig(
            transform,
            parameters.registration.distance,
            parameters.registration.feather,
            parameters.registration.depth,
            parameters.registration.follow,
        ),
        max_infrared_age=_infrared_age(parameters),
        ambient_seconds=parameters.ambient_seconds,
        clock_offset=parameters.sync.offset,
        reuse_alignment=parameters.sync.reuse_alignment,
        gpu=parameters.gpu,
        clock="report" if parameters.sync.estimate_offset else "fixed",
    )
    try:
        return FusionPipeline(config), ""
    except BackendUnavailableError as error:
        pipeline = FusionPipeline(replace(config, backend="auto"))
        return pipeline, (
            f"backend '{parameters.backend}' cannot run here ({error}); "
            f"'{pipeline.fuser.backend.name}' is used instead"
        )


def warm_up(pipeline: FusionPipeline) -> None:
    """Compile and allocate now, not when the first frame waits."""
    infrared, visible = _sizes(pipeline.config.registration.transform)
    # None of them 0, which is taken for nothing seen and looked into.
    counts = 1 + (np.arange(infrared[0] * infrared[1], dtype=np.uint32) >> 4)
    image = np.zeros((visible[1], visible[0], 3), np.uint8)
    pipeline.process(image, counts.astype(np.uint16).reshape(infrared[::-1]))
    pipeline.reset()
    # What is loaded by now stays: kept out of later collections, which would hold up frames for
    # tens of milliseconds, and the end of the process for seconds.
    gc.collect()
    gc.freeze()
    give_back()


def _sizes(transform: Homography | CameraRig | None) -> tuple[Size, Size]:
    """Of the images to warm up with (width, height): infrared and visible, as registered."""
    if isinstance(transform, CameraRig):
        cameras = transform.infrared, transform.visible
        infrared, visible = ((camera.width, camera.height) for camera in cameras)
        return infrared, visible
    if isinstance(transform, Homography):
        return transform.infrared_size or WARM_UP_SIZE, transform.visible_size or WARM_UP_SIZE
    return WARM_UP_SIZE, WARM_UP_SIZE


def set_transform(pipeline: FusionPipeline, transform: Homography | CameraRig) -> None:
    """Change where infrared lands, distance and edge as they are."""
    registration = replace(pipeline.config.registration, transform=transform)
    pipeline.reconfigure(replace(pipeline.config, registration=registration))


def apply_changes(pipeline: FusionPipeline, parameters: NodeParameters) -> None:
    """Set on a pipeline what parameters may change while it runs."""
    registration = replace(
        pipeline.config.registration,
        distance=parameters.registration.distance,
        feather=parameters.registration.feather,
        depth=parameters.registration.depth,
        follow=parameters.registration.follow,
    )
    pipeline.reconfigure(
        replace(
            pipeline.config,
            strength=parameters.strength,
            ambient_seconds=parameters.ambient_seconds,
            normalization=parameters.normalization,
            registration=registration,
            clock_offset=parameters.sync.offset,
            max_infrared_age=_infrared_age(parameters),
        )
    )


def _infrared_age(parameters: NodeParameters) -> float:
    """A pair within the tolerance must never count as too old."""
    tolerance = parameters.sync.tolerance
    if tolerance < 0:
        tolerance = MAX_TOLERANCE / NANOSECONDS
    return max(parameters.fallback.max_infrared_age, tolerance)
