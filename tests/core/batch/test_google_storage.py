"""Inputs and outputs in Google Cloud Storage, tried on an emulator of its interface."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_work import in_this_process
from test_staging import write_bag

from lut_fuse_core.cli import batch_run, main

gcsfs = pytest.importorskip("gcsfs", reason="no gcsfs: pip install '.[gs]'")
emulator = pytest.importorskip(
    "gcp_storage_emulator.server", reason="no emulator: pip install gcp-storage-emulator"
)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A file system with an empty bucket, ``fleet``."""
    server = emulator.create_server("localhost", 0, in_memory=True, default_bucket="fleet")
    server.start()
    address = f"http://localhost:{server._api._httpd.server_port}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    # The emulator cannot be asked what kind of bucket it is, as another class does.
    file_system = gcsfs.core.GCSFileSystem
    monkeypatch.setattr(gcsfs, "GCSFileSystem", file_system)
    file_system.clear_instance_cache()
    yield file_system(token="anon", endpoint_url=address, use_listings_cache=False)
    file_system.clear_instance_cache()
    server.stop()


def test_bags_are_fused_from_a_bucket_into_it(
    storage: Any,
    tmp_path: Path,
    model_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_run, "run_tasks", in_this_process)
    for name in ("north/a", "south/b"):
        bag = write_bag(tmp_path / "recordings" / name)
        storage.put(str(bag), f"fleet/recordings/{name}", recursive=True)

    def fused(name: str, inputs: str, output: str) -> dict[str, Any]:
        job = {"inputs": inputs, "output": output,
               "settings": {"model": str(model_file), "backend": "reference"}}  # fmt: skip
        (tmp_path / name).write_text(json.dumps(job))
        assert main(["batch", str(tmp_path / name), "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    remote = "gs://fleet/recordings", "gs://fleet/fused"
    assert fused("remote.yaml", *remote)["pairs"] == 4
    assert fused("local.yaml", "recordings", "local")["pairs"] == 4
    storage.get("fleet/fused", str(tmp_path / "back"), recursive=True)
    for file in ("north/a/a.mcap", "north/a/metadata.yaml", "south/b/b.mcap"):
        assert (tmp_path / "back" / file).read_bytes() == (tmp_path / "local" / file).read_bytes()
    assert {"batch.html", "batch.sqlite"} < {path.name for path in (tmp_path / "back").iterdir()}
    assert fused("remote.yaml", *remote)["unchanged"] == 2
    storage.rm("fleet/fused/north/a", recursive=True)
    assert fused("remote.yaml", *remote)["fused"] == 1
