PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: install demo test cluster lint bench clean

install: $(STAMP)  ## everything that demo, tests and benchmarks need, in .venv

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: install  ## synthetic lesions: train, audit, shrink, report (under 3 minutes on 2 cores)
	$(BIN)/fairshrink demo --out $(or $(OUT),demo)

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

cluster: install  ## a sweep on a real Ray cluster of two nodes, one of which is lost on the way (a minute)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest cluster

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

bench: install  ## side by side with the peers; prints the tables of benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv demo runs
