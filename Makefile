# What a developer types. Each target installs what it needs first and says so (scripts/setup.sh).

.PHONY: help dev test test-full lint

help:
	@echo "make dev        build, then run a leader and three agents on this machine, on a fast schedule"
	@echo "make test       every test"
	@echo "make test-full  the tests, and the check of the dependencies with what it needs"
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

lint:
	@scripts/setup.sh lint
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	@scripts/deny.sh
