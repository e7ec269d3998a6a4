"""The suite on machines that lack some of what it uses."""

from __future__ import annotations

import sys
from types import ModuleType

import bare_machine
import pytest
from suite import missing_module


def test_a_stand_in_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lens_flares", ModuleType("lens_flares"))
    monkeypatch.setattr(bare_machine, "REPLACED", ["lens_flares"])
    assert missing_module("json", "lens_flares") == "the module lens_flares is missing"


def test_what_can_be_imported_is_not_missing() -> None:
    assert missing_module("json", "numpy") == ""
    assert missing_module("json", "no_such_module") == "the module no_such_module is missing"
