# What a developer types. Each target installs what it needs first and says so (scripts/setup.sh).

.PHONY: help dev package test test-full lint model simulate mutants

help:
	@echo "make dev        build, then run a leader and three agents on this machine, on a fast schedule"
	@echo "make package    the Debian package, of a release build"
	@echo "make test       every test"
	@echo "make test-full  the tests, the check of the dependencies with what it needs, and the three below"
	@echo "make model      the model check, further: DEPTH=1 FAULTS=0 are added to its bounds"
	@echo "make simulate   the simulator: SEEDS=300 new courses of a fleet, or SEED=N once more"
	@echo "make mutants    each rule taken out: what model and simulator find, within SEEDS=300"
	@echo "make lint       format, clippy, documentation, and the dependencies where cargo-deny is installed"

dev:
	@scripts/setup.sh build
	cargo build --locked
	cargo run --locked -- dev

package:
	@scripts/setup.sh package
	@scripts/package.sh

test:
	@scripts/test.sh

# Besides the tests: cargo-deny is built here where it is missing, which takes minutes; and the long searches.
test-full: lint
	@scripts/test.sh
	@scripts/deny.sh --install
	@$(MAKE) --no-print-directory simulate
	@$(MAKE) --no-print-directory mutants
	@$(MAKE) --no-print-directory model DEPTH=0 FAULTS=1

# The model check beyond its usual bounds: so many more acts, and so many more faults among them.
DEPTH ?= 1
FAULTS ?= 0
model:
	@scripts/setup.sh build
	DEPTH=$(DEPTH) FAULTS=$(FAULTS) cargo test --locked --profile search --features mutants --test model no_order_of_events -- --nocapture

# So many courses of fleets with new seeds, or one with the seed that a failure has named.
SEEDS ?= 300
SEED ?=
simulate:
	@scripts/setup.sh build
	SEEDS=$(SEEDS) SEED=$(SEED) cargo test --locked --profile search --features mutants --test simulator no_course -- --nocapture

# The table of all rules that can be taken out.
mutants:
	@scripts/setup.sh build
	SEEDS=$(SEEDS) cargo test --locked --profile search --features mutants --test mutants -- --nocapture

lint:
	@scripts/setup.sh lint
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	@scripts/deny.sh
