"""The C++ library behind the native backend: its structures, and how it is found and loaded."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from lut_fuse_core.errors import BackendUnavailableError

INTERFACE = 16
"""Version of the C interface in native/lut_fuse_native.h, which says what the fields mean."""


class Axis(ctypes.Structure):
    """One axis of the lattice."""

    _fields_ = (("nodes", ctypes.c_int32), ("low", ctypes.c_float), ("high", ctypes.c_float))


class Block(ctypes.Structure):
    """One convolution of the encoder."""

    _fields_ = (
        ("outputs", ctypes.c_int32),
        ("inputs", ctypes.c_int32),
        ("weight", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
    )


class Model(ctypes.Structure):
    """A model; see model/fusion_model.py."""

    _fields_ = (
        ("axes", Axis * 4),
        ("lattices", ctypes.POINTER(ctypes.c_void_p)),
        ("levels", ctypes.POINTER(ctypes.c_float)),
        ("lattice_count", ctypes.c_int32),
        ("gradient_l2", ctypes.c_int32),
        ("border_replicate", ctypes.c_int32),
        ("gradient_scale", ctypes.c_float),
        ("rgb_inputs", ctypes.c_int32),
        ("pool", ctypes.c_int32),
        ("unshuffle", ctypes.c_int32),
        ("skip", ctypes.c_int32),
        ("block_count", ctypes.c_int32),
        ("input_scale", ctypes.c_float),
        ("slope", ctypes.c_float),
        ("blocks", ctypes.POINTER(Block)),
    )


class Frame(ctypes.Structure):
    """A pair, its mask and where its fusion goes."""

    _fields_ = (
        ("visible", ctypes.c_void_p),
        ("infrared", ctypes.c_void_p),
        ("mask", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        ("visible_stride", ctypes.c_ssize_t),
        ("infrared_stride", ctypes.c_ssize_t),
        ("mask_stride", ctypes.c_ssize_t),
        ("out_stride", ctypes.c_ssize_t),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("strength", ctypes.c_float),
        ("ambient", ctypes.c_float),
    )


class ErrorBound(ctypes.Structure):
    """How far results may be from the exact ones."""

    _fields_ = (
        ("levels", ctypes.c_float),
        ("context", ctypes.c_float),
        ("proven", ctypes.c_int32),
    )


class Infrared(ctypes.Structure):
    """A raw infrared frame and where it goes."""

    _fields_ = (
        ("raw", ctypes.c_void_p),
        ("levels", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("fractions", ctypes.c_void_p),
        ("windows", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        ("raw_stride", ctypes.c_ssize_t),
        ("out_stride", ctypes.c_ssize_t),
        ("band", ctypes.c_int32),
        ("wide", ctypes.c_int32),
        ("raw_height", ctypes.c_int32),
        ("raw_width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
    )


class Histogram(ctypes.Structure):
    """A raw frame, and how often each count occurs in a sample of it."""

    _fields_ = (
        ("raw", ctypes.c_void_p),
        ("cumulative", ctypes.c_void_p),
        ("stride", ctypes.c_ssize_t),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("wide", ctypes.c_int32),
        ("step", ctypes.c_int32),
        ("least", ctypes.c_int32),
        ("entries", ctypes.c_int32),
    )


class Comparison(ctypes.Structure):
    """A raw frame, and how a sample of it differs from that of the one before."""

    _fields_ = (
        ("raw", ctypes.c_void_p),
        ("past", ctypes.c_void_p),
        ("sample", ctypes.c_void_p),
        ("stride", ctypes.c_ssize_t),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("wide", ctypes.c_int32),
        ("step", ctypes.c_int32),
        ("low", ctypes.c_double),
        ("high", ctypes.c_double),
        ("span", ctypes.c_double),
        ("shift", ctypes.c_double),
        ("stray", ctypes.c_double),
        ("same", ctypes.c_int32),
        ("common", ctypes.c_int32),
    )


class Tones(ctypes.Structure):
    """The table from counts to gray levels with soft ends."""

    _fields_ = (
        ("levels", ctypes.c_void_p),
        ("low", ctypes.c_double),
        ("width", ctypes.c_double),
        ("foot", ctypes.c_double),
        ("shoulder", ctypes.c_double),
        ("entries", ctypes.c_int32),
    )


class Roughness(ctypes.Structure):
    """A raw frame, and how much its neighbors differ."""

    _fields_ = (
        ("raw", ctypes.c_void_p),
        ("stride", ctypes.c_ssize_t),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("step", ctypes.c_int32),
        ("as_is", ctypes.c_int64),
        ("swapped", ctypes.c_int64),
    )


class Edges(ctypes.Structure):
    """An image, and the channels that describe its edges."""

    _fields_ = (
        ("gray", ctypes.c_void_p),
        ("inside", ctypes.c_void_p),
        ("smoothing", ctypes.c_void_p),
        ("pooling", ctypes.c_void_p),
        ("channels", ctypes.c_void_p),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("wide", ctypes.c_int32),
        ("unit", ctypes.c_float),
    )


class Areas(ctypes.Structure):
    """An image, and its means over the areas of a smaller one."""

    _fields_ = (
        ("image", ctypes.c_void_p),
        ("result", ctypes.c_void_p),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("bytes", ctypes.c_int32),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
    )


class Planes(ctypes.Structure):
    """An image, and the planes that its channels become."""

    _fields_ = (
        ("pixels", ctypes.c_void_p),
        ("luma", ctypes.c_void_p),
        ("blue", ctypes.c_void_p),
        ("red", ctypes.c_void_p),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
    )


class Blur(ctypes.Structure):
    """An image, and the weights that smooth it."""

    _fields_ = (
        ("image", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("result", ctypes.c_void_p),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("taps", ctypes.c_int32),
    )


class Distances(ctypes.Structure):
    """A mask, and how far each of its pixels is from what is outside."""

    _fields_ = (
        ("inside", ctypes.c_void_p),
        ("result", ctypes.c_void_p),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
    )


class Match(ctypes.Structure):
    """Cells of a grid and the search lines along which they are compared."""

    _fields_ = (
        ("visible", ctypes.c_void_p),
        ("infrared", ctypes.c_void_p),
        ("slopes", ctypes.c_void_p),
        ("scores", ctypes.c_void_p),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("margin", ctypes.c_int32),
        ("vertical", ctypes.c_int32),
        ("first_label", ctypes.c_int32),
        ("last_label", ctypes.c_int32),
        ("blurs", ctypes.c_int32),
        ("floor", ctypes.c_float),
    )


class Labels(ctypes.Structure):
    """Costs of labels on a grid, and how neighbors are bound to each other."""

    _fields_ = (
        ("costs", ctypes.c_void_p),
        ("right_links", ctypes.c_void_p),
        ("down_links", ctypes.c_void_p),
        ("lowest", ctypes.c_void_p),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("labels", ctypes.c_int32),
        ("small", ctypes.c_float),
        ("large", ctypes.c_float),
    )


class Surroundings(ctypes.Structure):
    """Scores of cells, and the places around which they are wanted."""

    _fields_ = (
        ("scores", ctypes.c_void_p),
        ("places", ctypes.c_void_p),
        ("around", ctypes.c_void_p),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("labels", ctypes.c_int32),
        ("reach", ctypes.c_int32),
    )


class Surface(ctypes.Structure):
    """Values on a grid, and the smooth surface through most of them."""

    _fields_ = (
        ("basis", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("surface", ctypes.c_void_p),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("terms", ctypes.c_int32),
        ("steps", ctypes.c_int32),
        ("widest", ctypes.c_float),
        ("narrower", ctypes.c_float),
        ("sharp", ctypes.c_float),
    )


class Standing(ctypes.Structure):
    """How well cells fit, and the grounds on which columns of them may stand."""

    _fields_ = (
        ("fit", ctypes.c_void_p),
        ("places", ctypes.c_void_p),
        ("best", ctypes.c_void_p),
        ("feet", ctypes.c_void_p),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("labels", ctypes.c_int32),
        ("grounds", ctypes.c_int32),
        ("farthest", ctypes.c_int32),
        ("least", ctypes.c_float),
        ("bend", ctypes.c_float),
    )


class Expansion(ctypes.Structure):
    """Positions at the nodes of a grid, and the remap that they become."""

    _fields_ = (
        ("nodes", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("fractions", ctypes.c_void_p),
        ("windows", ctypes.c_void_p),
        ("mask", ctypes.c_void_p),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("step", ctypes.c_int32),
        ("band", ctypes.c_int32),
        ("raw_height", ctypes.c_int32),
        ("raw_width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("fade", ctypes.c_float),
    )


class JointSums(ctypes.Structure):
    """Sums over an image together with a source."""

    _fields_ = (
        ("products", ctypes.c_int64),
        ("joint_entropy", ctypes.c_double),
        ("similarity", ctypes.c_double),
        ("kept_edges", ctypes.c_double),
        ("kept_information", ctypes.c_double * 4),
    )


class Sums(ctypes.Structure):
    """Sums over an image, and over it together with each source."""

    _fields_ = (
        ("total", ctypes.c_int64),
        ("squares", ctypes.c_int64),
        ("across", ctypes.c_int64),
        ("down", ctypes.c_int64),
        ("entropy", ctypes.c_double),
        ("gradient", ctypes.c_double),
        ("edges", ctypes.c_double),
        ("information", ctypes.c_double * 4),
        ("joint", JointSums * 2),
    )


class Measurement(ctypes.Structure):
    """A pair, images fused from it, and the sums over them."""

    _fields_ = (
        ("images", ctypes.POINTER(ctypes.c_void_p)),
        ("windows", ctypes.POINTER(ctypes.c_void_p)),
        ("sums", ctypes.POINTER(Sums)),
        ("results", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
    )


def instruction_sets() -> tuple[str, ...]:
    """The instruction sets that the library can use on this machine, best first.

    Raises:
        BackendUnavailableError: If there is no library.
    """
    return tuple(load_library().lut_fuse_instructions().decode().split())


@lru_cache(maxsize=1)
def load_library() -> ctypes.CDLL:
    """The library.

    Raises:
        BackendUnavailableError: If it was not built or does not load.
    """
    library = first_that_fits(Path(__file__).parent)
    library.lut_fuse_create.restype = ctypes.c_void_p
    library.lut_fuse_create.argtypes = (
        ctypes.POINTER(Model),
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
    )
    library.lut_fuse_destroy.argtypes = (ctypes.c_void_p,)
    library.lut_fuse_destroy.restype = None
    library.lut_fuse_run.argtypes = (ctypes.c_void_p, ctypes.POINTER(Frame))
    library.lut_fuse_late.argtypes = (ctypes.c_void_p,)
    library.lut_fuse_sample.argtypes = (
        ctypes.POINTER(Infrared),
        ctypes.c_int,
        ctypes.c_char_p,
    )
    library.lut_fuse_ambient.argtypes = (
        ctypes.POINTER(Frame),
        ctypes.POINTER(ctypes.c_int32 * 3),
    )
    library.lut_fuse_ambient.restype = None
    library.lut_fuse_histogram.argtypes = (ctypes.POINTER(Histogram),)
    library.lut_fuse_compare.argtypes = (ctypes.POINTER(Comparison),)
    library.lut_fuse_tones.argtypes = (ctypes.POINTER(Tones),)
    library.lut_fuse_roughness.argtypes = (ctypes.POINTER(Roughness),)
    library.lut_fuse_edge_channels.argtypes = (ctypes.POINTER(Edges),)
    library.lut_fuse_mean_areas.argtypes = (ctypes.POINTER(Areas),)
    library.lut_fuse_split_planes.argtypes = (ctypes.POINTER(Planes),)
    library.lut_fuse_blur.argtypes = (ctypes.POINTER(Blur),)
    library.lut_fuse_distances.argtypes = (ctypes.POINTER(Distances),)
    library.lut_fuse_match.argtypes = (ctypes.POINTER(Match),)
    library.lut_fuse_smooth_labels.argtypes = (ctypes.POINTER(Labels),)
    library.lut_fuse_scores_around.argtypes = (ctypes.POINTER(Surroundings),)
    library.lut_fuse_fit_surface.argtypes = (ctypes.POINTER(Surface),)
    library.lut_fuse_stand_on.argtypes = (ctypes.POINTER(Standing),)
    library.lut_fuse_expand.argtypes = (ctypes.POINTER(Expansion),)
    library.lut_fuse_measure.argtypes = (ctypes.POINTER(Measurement), ctypes.c_char_p)
    library.lut_fuse_stage_times.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64))
    library.lut_fuse_stage_times.restype = None
    library.lut_fuse_is_packed.argtypes = (ctypes.c_void_p,)
    library.lut_fuse_error_bound.argtypes = (ctypes.c_void_p,)
    library.lut_fuse_error_bound.restype = ErrorBound
    library.lut_fuse_instructions.restype = ctypes.c_char_p
    return library


def built_libraries(folder: Path = Path(__file__).parent) -> list[Path]:
    """The libraries that were built, whether they load or not, those for this Python first.

    Args:
        folder: Where to look.
    """
    own = [folder / f"_native{suffix}" for suffix in EXTENSION_SUFFIXES]
    others = sorted(set(folder.glob("_native*.so")) - set(own))
    return [*filter(Path.exists, own), *others]


def first_that_fits(folder: Path) -> ctypes.CDLL:
    """The library that was built for this Python, or else one for another that loads here as well.

    Args:
        folder: Where the libraries are.

    Raises:
        BackendUnavailableError: If there is none.
    """
    problems = []
    for path in built_libraries(folder):
        try:
            library = ctypes.CDLL(str(path))
            interface = library.lut_fuse_interface()
        except (OSError, AttributeError) as error:
            problems.append(f"its library does not load ({error})")
            continue
        if interface == INTERFACE:
            return library
        problems.append(f"{path.name} belongs to another version of the package; build it again")
    problems.append(
        "its library was not built; install a C++ compiler and install the package again"
    )
    raise BackendUnavailableError(problems[0])
