# `make demo` and `make test` set up what they need in .venv; the second time they start at once.
# The first Python that fits is used; PYTHON=python3.12 names another.

PYTHON ?= $(firstword $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p; done; true))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST = PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 OMP_NUM_THREADS=1 $(1)/bin/python -m pytest \
	-p xdist -n auto --dist loadfile --ignore=tests/ros
BUILD_INPUTS := setup.py setup.cfg pyproject.toml $(foreach kind,cpp hpp h inl,$(wildcard lut_fuse_core/native/*.$(kind)))

.PHONY: demo test test-oldest test-ros lint bench gpu-compile clean

demo: $(VENV)/.runtime ## fuse a synthetic night street and show the result
	$(BIN)/lut-fuse demo

# Tests start a hundred processes: what they import is compiled once, whatever the environment says.
test test-oldest test-ros: export PYTHONDONTWRITEBYTECODE :=

test: $(VENV)/.test ## every test that needs no ROS 2
	$(call PYTEST,$(VENV))

test-oldest: ## the same with the oldest versions that are supported (needs Python 3.10)
	$(MAKE) VENV=.venv-oldest PYTHON=$(or $(OLDEST),python3.10) .venv-oldest/.oldest
	$(call PYTEST,.venv-oldest) --ignore=tests/training

test-ros: $(VENV)/.test ## the tests of the ROS 2 node, with the ROS 2 that is sourced or under /opt/ros
	.ci/test-ros $(BIN)/python

lint: $(VENV)/.test ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy lut_fuse_core lut_fuse_ros training

bench: $(VENV)/.runtime ## milliseconds per frame here; after `make test` against the published method, too
	$(BIN)/lut-fuse bench $$($(BIN)/python -c 'import torch' 2>/dev/null && echo --against published)

gpu-compile: $(VENV)/.runtime ## the CUDA sources, for Orin, Hopper and Thor (needs nvcc)
	$(BIN)/python .ci/gpu_compile.py

clean: ## remove what the other targets made
	rm -rf $(VENV) demo build *.egg-info

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.10 or newer found; install one or name it: make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "make: $(PYTHON) cannot make virtual environments; run 'sudo apt install python3-venv' (or python3.X-venv) and try again" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@-$(PIP) uninstall --quiet --yes setuptools # only older Pythons bring it, nothing needs it

$(VENV)/.runtime: $(BIN)/python $(BUILD_INPUTS)
	@echo "Installing into $(VENV); this takes a minute or two the first time ..."
	$(PIP) install --quiet --no-compile --editable .
	@ls lut_fuse_core/native/_native*.so >/dev/null 2>&1 || echo "No C++ compiler, so without the fastest backend. For it: sudo apt install g++ && rm $@, and this again." >&2
	@touch $@

$(VENV)/.oldest: $(BIN)/python .ci/oldest.txt $(BUILD_INPUTS)
	$(PIP) install --quiet --no-compile --constraint .ci/oldest.txt '.[test]'
	$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

$(VENV)/.test: $(VENV)/.runtime .ci/install_torch.py
	$(PIP) install --quiet --no-compile --editable '.[test]'
	$(BIN)/python .ci/install_torch.py
	@touch $@
