# Everything a developer or CI does here. Built things live outside the checkout, in $(CACHE).
CACHE := $(or $(AETHERCONNECT_CACHE),$(HOME)/.cache/aetherconnect)
export CARGO_TARGET_DIR ?= $(CACHE)/target
RESOURCE ?= examples/quickstart.yaml
# `make install` puts programs into its folder bin.
PREFIX ?= $(HOME)/.local

.DEFAULT_GOAL := help
.PHONY: help run install test faults fuzz lint deny generate images up e2e upgrade down bench release

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

run: ## Start a chat backend with a page to try it at http://localhost:3000, stores embedded (RESOURCE=file.yaml)
	@command -v cargo >/dev/null || { echo "Rust is missing: get it from https://rustup.rs, then run this again." >&2; exit 1; }
	cargo build --locked --package aether-cli
	@PLAYGROUND_SOCKET_IO=$${PLAYGROUND_SOCKET_IO:-$$(scripts/socket-io || true)} exec "$(CARGO_TARGET_DIR)/debug/aetherconnect" run --file "$(RESOURCE)"

install: ## Put `aetherconnect` and `kubectl aetherconnect` into ~/.local/bin (PREFIX=/usr/local for all)
	cargo build --locked --release --package aether-cli
	install -d "$(PREFIX)/bin"
	install -m 755 "$(CARGO_TARGET_DIR)/release/aetherconnect" "$(PREFIX)/bin/aetherconnect"
	ln -sf aetherconnect "$(PREFIX)/bin/kubectl-aetherconnect"
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo "$(PREFIX)/bin is not in your PATH: add it." >&2 ;; esac

test: ## Run all tests that need no cluster, with real stores and a real API server
	cargo build --locked --workspace --bins
	cargo test --locked --workspace --no-run
	tests/tools/with-servers cargo test --locked --workspace

faults: ## Test long what holds while processes and stores fail; figures go to FAULTS_REPORT, if set
	cargo build --locked --workspace --bins
	cargo test --locked --package aether-tests --test faults --no-run
	FAULTS=long TEST_SERVERS="postgres redis mongodb" tests/tools/with-servers cargo test --locked --package aether-tests --test faults
	cargo test --locked --package aether-operator --test apiserver --no-run
	FAULTS=long TEST_SERVERS=kubernetes tests/tools/with-servers cargo test --locked --package aether-operator --test apiserver -- crashes faults fields idle tenants

fuzz: ## Try every parser of strangers' bytes with odd inputs, each for FUZZ_SECONDS (60); FUZZ_SEED repeats a run
	FUZZ_SECONDS=$${FUZZ_SECONDS:-60} cargo test --locked --workspace --lib --test fuzz_tokens -- fuzz_ --nocapture

lint: ## Check format, lints, and that generated files are fresh
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	scripts/generate
	git diff --exit-code -- crds charts docs clients || { echo "Generated files were out of date: commit the ones above." >&2; exit 1; }
	if command -v helm >/dev/null; then helm lint --quiet charts/aetherconnect-operator; else echo "helm is not installed: the chart was not linted"; fi

deny: ## Check licences, sources and known holes of all libraries (builds cargo-deny once, 5 minutes)
	scripts/deny

generate: ## Write the generated files again (CRD, chart CRD, descriptions of API and socket, TypeScript types)
	scripts/generate

images: ## Build the container images
	scripts/images

up: images ## Make a kind cluster with the operator and an example chat
	scripts/up

e2e: images ## Test the product on the kind cluster
	scripts/e2e

upgrade: ## Test the upgrade from the last release (FROM=ref) to this tree, on a kind cluster of its own
	scripts/upgrade-test $(FROM)

release: ## Build what a release consists of into dist/: binaries, images, chart, CRD, SBOM, checksums
	scripts/release

down: ## Delete the kind cluster
	scripts/down

bench: ## Measure the services, then the operator, print the figures and draw them (30 minutes; parts: bench/run [operator] --help)
	bench/run
	bench/run operator
