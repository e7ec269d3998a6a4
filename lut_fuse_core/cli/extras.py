"""Packages that only some subcommands need, and how to install them."""

from __future__ import annotations

EXTRAS = {
    "bags": ("rosbags", "ruamel", "zstandard", "mcap", "mcap_protobuf", "lz4"),
    "models": ("safetensors",),
    "video": ("av",),
    "thermal": (
        *("tifffile", "imagecodecs", "PIL", "flyr", "dji_thermal_cli"),
        *("fluke_thermal_reader", "infiray_irg", "fasthcc"),
    ),
    "detection": ("pycocotools", "onnxruntime"),
    "cluster": ("ray", "upath"),
    "s3": ("s3fs",),
    "gs": ("gcsfs",),
    "webdataset": ("webdataset",),
    "lerobot": ("lerobot",),
    "view": ("rerun",),
}
"""Modules by the extra of setup.py that installs them."""

REQUIRED = {
    "numpy": ("numpy", "python3-numpy"),
    "cv2": ("opencv-python-headless", "python3-opencv"),
    "yaml": ("pyyaml", "python3-yaml"),
    "google": ("protobuf", "python3-protobuf"),
    "tqdm": ("tqdm", "python3-tqdm"),
}
"""Modules that are always needed, with their packages of pip and of apt."""


def missing_package(error: ModuleNotFoundError) -> str:
    """The error message about a package that is not installed.

    Args:
        error: Raised by the import.

    Returns:
        A sentence with the name of the package and the command that installs it.
    """
    package = (error.name or str(error)).partition(".")[0]
    if package in REQUIRED:
        of_pip, of_apt = REQUIRED[package]
        return (
            f"the Python package '{of_pip}' is not installed; run 'pip install {of_pip}', or "
            f"'sudo apt install {of_apt}' for the system's Python"
        )
    extra = next((name for name, modules in EXTRAS.items() if package in modules), None)
    if extra is None:
        return f"the Python package '{package}' is not installed; run 'pip install {package}'"
    return (
        f"this needs the Python package '{package}', which is not installed; "
        f"{how_to_install(extra)}"
    )


def how_to_install(*extras: str) -> str:
    """The end of a sentence: the command that installs some extras."""
    names = ",".join(extras)
    return f"run \"pip install 'lut_fuse_ros[{names}]'\", or '.[{names}]' in the package's folder"
