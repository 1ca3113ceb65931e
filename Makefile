# Two commands are all that is needed: `make run` and `make test`. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
RECIPE ?= recipes/stage_prune.yaml
BIN := .venv/bin

.PHONY: install run test clean

install: .venv/installed

run: .venv/installed
	$(BIN)/compress run $(RECIPE)

test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

clean:
	rm -rf .venv build *.egg-info

# pip upgrades nothing that already fits, so a second `make install` is quick. The stamp is written last: an install
# that was cut off is taken up again.
.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@
