# What people and CI do with Parlor. Each target installs what it lacks and says so.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One thing at a time: the steps of a target share two cores, and ports.
.NOTPARALLEL:

# Where the install step puts a Node.js that is newer than the system's, if it must.
export PATH := $(CURDIR)/.tools/node/node_modules/node/bin:$(PATH)
STEP := infra/step
BEGUN := $(shell date +%s)
CLUSTER := infra/local/cluster
# Where `cargo test` leaves the binary.
BUILT := $(abspath $(or $(CARGO_TARGET_DIR),target))/debug

.PHONY: help
help:
	@sed -n 's/^#: //p' Makefile

#: make run             try it: one process, no servers, at http://127.0.0.1:3000
.PHONY: run
run:
	@infra/local/install run
	@$(MAKE) --no-print-directory binary
	@echo && echo "Parlor: http://127.0.0.1:3000   (data in .parlor/solo, stop with Ctrl-C)"
	@exec target/fast/parlor solo

#: make cluster         Kafka, Redis, PostgreSQL, nginx, gateways, workers, at http://127.0.0.1:8080
#:                      (BROKERS=3 for three brokers, PROFILE=load for no rate limits)
.PHONY: cluster cluster-status cluster-down cluster-start cluster-clean
cluster:
	@$(CLUSTER) up

#: make cluster-status  what of it runs
cluster-status:
	@$(CLUSTER) status

#: make cluster-start NAME=gateway-1   start again what was stopped or killed
cluster-start:
	@$(CLUSTER) start $(NAME)

#: make cluster-down    stop it, keep its data
cluster-down:
	@$(CLUSTER) down

#: make cluster-clean   stop it, remove its data
cluster-clean:
	@$(CLUSTER) clean

#: make test            everything that CI runs
# The page comes first: the binary carries it. The slow and broad steps come last. End to end runs what the unit tests have
# built, with assertions and checks of overflow on; `tests/run` alone takes the optimised binary.
.PHONY: test
test:
	@$(STEP) 'install' infra/local/install test
	@$(STEP) 'infrastructure files' infra/check
	@$(STEP) 'format' cargo fmt --all --check
	@$(STEP) 'web page' $(MAKE) --no-print-directory web web-test
	@$(STEP) 'lints (clippy)' cargo clippy --workspace --all-targets --locked -- -D warnings
	@RUSTDOCFLAGS='-D warnings' $(STEP) 'documentation (rustdoc)' cargo doc --workspace --no-deps --locked
	@$(STEP) 'unit tests and contract suites' infra/local/with-servers cargo test --workspace --locked
	@$(STEP) 'requirements covered' node tests/check-coverage.mjs
	@$(STEP) 'end to end' env PARLOR_BIN=$(BUILT)/parlor ECHO_BIN=$(BUILT)/examples/echo tests/run
	@echo && echo "make test: all passed in $$(($$(date +%s) - $(BEGUN))) s"

#: make bench           the budgets of the design, measured
.PHONY: bench
bench:
	@$(STEP) 'install' infra/local/install cluster
	@$(STEP) 'bench' loadtest/bench

#: make artillery       the documents' Artillery script against a running cluster
.PHONY: artillery
artillery: loadtest/node_modules/.package-lock.json
	@cd loadtest && npx --no-install artillery run --target $(or $(TARGET),http://127.0.0.1:8080) artillery.yml

#: make fuzz            hostile input for each parser of the transport (FUZZ_SECONDS=20 each)
.PHONY: fuzz
fuzz:
	@$(STEP) 'fuzz' socketio/fuzz/run

#: make clean           what was built; data in .parlor stays
.PHONY: clean
clean:
	cargo clean
	rm -rf web/dist web/node_modules tests/node_modules loadtest/node_modules

# ---- pieces -----------------------------------------------------------------------------------------------------------

# What `run` and the cluster run.
.PHONY: binary
binary: web
	@echo "building target/fast/parlor (the first time takes some minutes)"
	@cargo build --profile fast --locked -p parlor

.PHONY: web
web: web/dist/index.html

.PHONY: web-test
web-test: web/node_modules/.package-lock.json
	@cd web && npm test --silent

WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' 2>/dev/null) \
	$(shell find docs -type f)

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	@echo "building the web page"
	@cd web && npm run --silent build
	@touch $@

%/node_modules/.package-lock.json: %/package-lock.json
	@echo "fetching the packages of $*"
	@cd $* && npm ci --no-audit --no-fund
	@touch $@
