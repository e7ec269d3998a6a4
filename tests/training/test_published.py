"""The published method: its importer and its PyTorch inference reproduce the published outputs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lut_fuse_training.networks.published import PublishedMethod, import_published  # noqa: E402

from lut_fuse_core.backends.reference import fuse_float  # noqa: E402
from lut_fuse_core.errors import ModelError  # noqa: E402


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    return shared / "reference" / "official_lut_fuse"


def files(folder: Path) -> tuple[Path, Path]:
    return folder / "fine_tuned_lut.npy", folder / "generator_context.pth"


def read_pair(shared: Path, stem: str) -> tuple[np.ndarray, np.ndarray]:
    folder = shared / "data" / "roadscene" / "test"
    visible = cv2.imread(str(next((folder / "visible").glob(f"{stem}.*"))))
    infrared = cv2.imread(str(next((folder / "infrared").glob(f"{stem}.*"))), cv2.IMREAD_GRAYSCALE)
    return cv2.cvtColor(visible, cv2.COLOR_BGR2RGB), infrared


def test_the_imported_model_reproduces_the_published_outputs(shared: Path, published: Path) -> None:
    model = import_published(*files(published))
    expected = np.load(published / "roadscene_test_outputs.npz")
    assert len(expected.files) == 7
    for stem in expected.files:
        fused = np.clip(fuse_float(model, *read_pair(shared, stem)) / 255, 0, 1)
        assert np.abs(fused - as_image(expected[stem])).max() < 1e-4, stem


def test_the_pytorch_method_reproduces_the_published_outputs(shared: Path, published: Path) -> None:
    method = PublishedMethod.from_files(*files(published))
    expected = np.load(published / "roadscene_test_outputs.npz")
    for stem in expected.files:
        visible, infrared = read_pair(shared, stem)
        fused = method(
            torch.from_numpy(visible).permute(2, 0, 1)[None].float(),
            torch.from_numpy(infrared)[None, None].float(),
        )
        image = fused[0].clamp(0, 1).permute(1, 2, 0).numpy()
        assert np.abs(image - as_image(expected[stem])).max() < 1e-4, stem


def as_image(array: np.ndarray) -> np.ndarray:
    """Channels last, whatever the stored order."""
    return array if array.shape[-1] == 3 else np.moveaxis(array, 0, -1)


def test_random_weights_have_the_published_shapes(published: Path) -> None:
    ours = PublishedMethod.with_random_weights().state_dict()
    theirs = PublishedMethod.from_files(*files(published)).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_a_missing_published_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.npy"):
        import_published(tmp_path / "absent.npy", tmp_path / "absent.pth")


def test_files_in_the_wrong_order_are_refused(published: Path) -> None:
    with pytest.raises(ModelError, match="not the published lattice and encoder"):
        import_published(*reversed(files(published)))


def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path, published: Path) -> None:
    witness = tmp_path / "witness"

    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (witness,)

    torch.save(Attack(), tmp_path / "evil.pth")
    with pytest.raises(ModelError):
        import_published(files(published)[0], tmp_path / "evil.pth")
    assert not witness.exists()


def test_files_that_only_look_like_the_published_ones_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "several.npz", lattice=np.zeros(3))
    np.save(tmp_path / "lattice.npy", np.zeros((3, 3, 3, 3, 1), np.float32))
    (tmp_path / "empty.pth").touch()
    torch.save([1, 2], tmp_path / "list.pth")
    weights = [f"{layer}.weight" for layer in ("input_layer.0", "mid_layer.0", "output_layer.1")]
    torch.save(dict.fromkeys(weights, torch.zeros(1)), tmp_path / "some.pth")
    for lattice, encoder, cause in (
        ("several.npz", "some.pth", "no array"),
        ("lattice.npy", "empty.pth", "EOFError"),
        ("lattice.npy", "list.pth", "no tensors by name"),
        ("lattice.npy", "some.pth", r"lacks .*input_layer\.0\.bias"),
    ):
        with pytest.raises(ModelError, match=cause):
            import_published(tmp_path / lattice, tmp_path / encoder)
