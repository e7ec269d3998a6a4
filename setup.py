"""Installs the packages for pip and, as the ROS 2 package lut_fuse_ros, for colcon.

Everything stands here rather than in pyproject.toml because colcon builds with the setuptools of
the distribution (59 on Ubuntu 22.04) and without the network.
"""

import re
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.install_scripts import install_scripts

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # before setuptools 70
    try:
        from wheel.bdist_wheel import bdist_wheel
    except ImportError:
        bdist_wheel = None

try:
    from setuptools.command.develop import develop
except ImportError:  # announced to go
    develop = None

PACKAGE = "lut_fuse_ros"
# colcon build --symlink-install runs a link to this file from another folder.
HERE = Path(__file__).resolve().parent


NATIVE = HERE / "lut_fuse_core" / "native"


def sources(*patterns):
    return sorted(str(p.relative_to(HERE)) for pattern in patterns for p in NATIVE.glob(pattern))


def version():
    text = (HERE / "lut_fuse_core" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


def share(folder):
    """Everything under a folder, at the same place under share/lut_fuse_ros."""
    files = {}
    for path in sorted((HERE / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            relative = path.relative_to(HERE)
            files.setdefault(f"share/{PACKAGE}/{relative.parent}", []).append(str(relative))
    return list(files.items())


# A plain C library loaded with ctypes. Optional: without a compiler the `cpu` backend serves. It
# needs no -march: the instruction set is chosen at run time.
native = Extension(
    "lut_fuse_core.native._native",
    sources=sources("*.cpp"),
    depends=sources("*.h", "*.hpp", "*.inl"),
    include_dirs=[str(NATIVE.relative_to(HERE))],
    extra_compile_args=[
        *("-std=c++17", "-O3", "-fno-math-errno", "-fvisibility=hidden", "-pthread", "-g0"),
        # Python asks for -fwrapv, with which fewer loops vectorize.
        "-fno-wrapv",
    ],
    extra_link_args=["-pthread"],
    language="c++",
    optional=True,
)

COMMANDS = {}
if bdist_wheel is not None:

    class OneWheelForAllPythons(bdist_wheel):
        """The library does not know Python, so one wheel a platform serves all versions."""

        def get_tag(self):
            """Tags of Python, its ABI and the platform."""
            return "py3", "none", super().get_tag()[2]

    COMMANDS["bdist_wheel"] = OneWheelForAllPythons

# Found by `ros2 run` in a folder that colcon makes (setup.cfg). pip, which builds through
# setuptools.build_meta, would put names as general as these on the PATH.
NODES = {
    "fusion_node": "lut_fuse_ros.main:main",
    "synthetic_cameras": "lut_fuse_ros.commands:synthetic_cameras",
    "benchmark": "lut_fuse_ros.commands:benchmark",
}
BUILT_BY_PIP = "setuptools.build_meta" in sys.modules

# Python answers an interrupt during its own start with a traceback, before any code of ours runs.
# So a shell starts it with interrupts blocked: they wait until the program is ready for them
# (lut_fuse_ros/interrupts.py). To Python, which is given the same file, the shell's lines are a
# string.
NODE_SCRIPT = """\
#!/bin/sh
''':'
exec {blocking}"{python}" "$0" "$@"
'''
import sys

from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""
BLOCKING = "env --block-signal=INT,TERM "


def blocks_signals():
    """Whether the `env` of this system can: GNU's since 8.31, that of uutils since 0.6."""
    try:
        return not subprocess.run([*BLOCKING.split(), "true"], capture_output=True).returncode
    except OSError:
        return False


class InterruptsWait:
    """Of setuptools' commands that write the scripts of entry points: the nodes get their own."""

    def write_script(self, script_name, contents, mode="t", *ignored):
        """Write a script into the folder of executables."""
        entry = NODES.get(script_name)
        if entry and not BUILT_BY_PIP:
            module, function = entry.split(":")
            contents = NODE_SCRIPT.format(
                blocking=BLOCKING if blocks_signals() else "",
                python=sys.executable,
                module=module,
                function=function,
            )
        super().write_script(script_name, contents, mode, *ignored)


class InstallScripts(InterruptsWait, install_scripts):
    """Of `colcon build`."""


COMMANDS["install_scripts"] = InstallScripts
if develop is not None:

    class Develop(InterruptsWait, develop):
        """Of `colcon build --symlink-install`, where setuptools is older than 80."""

    COMMANDS["develop"] = Develop

# What only some of the offline tools need is imported where it is used.
EXTRAS = {
    "bags": [
        "rosbags>=0.11",
        "ruamel.yaml>=0.17",
        "ruamel.yaml.clib>=0.2.6",  # the same in C: a bag opens and closes sooner
        "zstandard>=0.20",
        "mcap>=1.1",
        "mcap-protobuf-support>=0.5",  # Foxglove's messages
        "lz4>=4",
    ],
    "models": ["safetensors>=0.4"],  # to write model files; reading them needs nothing
    "video": ["av>=17"],  # with FFmpeg's libraries
    # PNG is encoded five times faster, JPEG decoded twice as fast; OpenCV serves without them.
    "images": ["isal>=1.5", "simplejpeg>=1.8"],
    "thermal": [
        "tifffile>=2022.5",
        "imagecodecs>=2022.2",  # compressed TIFF
        "flyr>=5.1",  # FLIR
        'dji-thermal-cli>=1.4; python_version >= "3.12"',
        "fluke-thermal-reader>=0.2",
        "infiray-irg>=1.6",
        "fasthcc>=0.2; python_version >= '3.9'",  # Telops
        "pillow>=9",
    ],
    "detection": ["pycocotools>=2.0.7", "onnxruntime>=1.17"],
    "cluster": ["ray>=2.40", "universal-pathlib>=0.2.5"],  # the second brings fsspec
    "s3": ["universal-pathlib>=0.2.5", "s3fs>=2024.2"],
    "gs": ["universal-pathlib>=0.2.5", "gcsfs>=2024.2"],
    "webdataset": ["webdataset>=0.2.86"],
    "lerobot": ["lerobot>=0.3.2,<0.4"],  # with PyTorch
    "view": ["rerun-sdk>=0.23"],
    "gpu": ["cupy-cuda12x>=12.3"],  # TensorRT comes with JetPack, or from pip as tensorrt
}
EXTRAS["training"] = [
    *EXTRAS["models"],
    "torch==2.13.0",
    "tensorboard>=2.14",
    "onnxruntime>=1.17",
    "onnx>=1.16",  # to read detectors
]
EXTRAS["downstream"] = [  # detectors and segmenters to train on fused images
    *EXTRAS["training"],
    *EXTRAS["detection"],
    "transformers>=4.49",
    "scipy>=1.10",
]
EXTRAS["tools"] = [
    *EXTRAS["bags"],
    *EXTRAS["models"],
    *EXTRAS["video"],
    *EXTRAS["images"],
    *EXTRAS["thermal"],
]
EXTRAS["test"] = [
    *EXTRAS["tools"],
    *EXTRAS["detection"],
    *EXTRAS["webdataset"],
    "universal-pathlib>=0.2.5",
    "pytest>=8",
    "pytest-xdist>=3.5",
    "hypothesis>=6.100",
    "ruff>=0.9",
    "mypy>=1.11",
    "onnx>=1.16",
    "types-PyYAML>=6",
    "mcap-ros2-support>=0.5",
    "lark>=1.1",  # launch's, where ROS 2 is sourced
    "tensorboard>=2.14",
]

setup(
    name=PACKAGE,
    version=version(),
    description="Fuse visible and infrared images with look-up tables, with ROS 2 and without",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="LUT-Fuse maintainers",
    maintainer="LUT-Fuse maintainers",
    maintainer_email="maintainers@lut-fuse.invalid",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[
        *find_packages(include=["lut_fuse_core*", "lut_fuse_ros*"]),
        *(f"lut_fuse_{name}" for name in find_packages(include=["training*"])),
    ],
    package_dir={"lut_fuse_training": "training"},  # so general a name is not installed
    ext_modules=[native],
    cmdclass=COMMANDS,
    package_data={"lut_fuse_core": ["models/*", "backends/gpu/kernels/*", "py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *share("launch"),
        *share("config"),
    ],
    install_requires=[
        "numpy>=1.21",
        "opencv-python-headless>=4.5.4",
        "protobuf>=3.12",
        "pyyaml>=5.4",
        "tqdm>=4.57",
    ],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            "lut-fuse = lut_fuse_core.cli:main",
            "lut-fuse-train = lut_fuse_training.__main__:main",
            *(f"{name} = {entry}" for name, entry in NODES.items() if not BUILT_BY_PIP),
        ],
        "lut_fuse.extensions": [
            "import_published = lut_fuse_training.networks.published:import_published",
            "published_backend = lut_fuse_training.networks.published:PublishedBackend",
        ],
    },
    zip_safe=False,
)
