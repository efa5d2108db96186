# What a developer types. Each target installs what it needs first and says so (scripts/setup.sh).

.PHONY: help dev test test-full lint model

help:
	@echo "make dev        build, then run a leader and three agents on this machine, on a fast schedule"
	@echo "make test       every test"
	@echo "make test-full  the tests, and the check of the dependencies with what it needs"
	@echo "make model      the model check, further: DEPTH=1 FAULTS=0 are added to its bounds"
	@echo "make lint       format, clippy, documentation, and the dependencies where cargo-deny is installed"

dev:
	@scripts/setup.sh build
	cargo build --locked
	cargo run --locked -- dev

test:
	@scripts/test.sh

# Besides the tests: cargo-deny is built here where it is missing, which takes minutes.
test-full: lint
	@scripts/test.sh
	@scripts/deny.sh --install

# The model check beyond its usual bounds: so many more acts, and so many more faults among them.
DEPTH ?= 1
FAULTS ?= 0
model:
	@scripts/setup.sh build
	DEPTH=$(DEPTH) FAULTS=$(FAULTS) cargo test --locked --release --test model no_order_of_events -- --nocapture

lint:
	@scripts/setup.sh lint
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	@scripts/deny.sh
