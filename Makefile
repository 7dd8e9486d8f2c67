# Every task of this repository. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# PostgreSQL for the short tests, for `make tools`, `make attribution`, `make race`, `make queue` and for the demo.
VERSION ?= 15
# Which tool runs against itself in `make race`, and how often.
TOOL ?= both
ROUNDS ?= 20
# `make equality`: how many migrations, and the number that the first is made of.
CASES ?= 1000
SEED ?= 1
# `make deploy-day`: which tools, on how many rows, how often, and how many milliseconds the application may wait through the proxy.
DEPLOY ?= alembic,flyway,golang-migrate
ROWS ?= 2000000
REPETITIONS ?= 3
LIMIT ?= 100
# `make audit-kills`: how many; `make fleet`: how often the store is stopped.
N ?= 200
STOPS ?= 10
# `make audit-bench`, `make dashboard-bench`: how many records are searched.
RECORDS ?= 1000000
# `make browser`: where its pictures go.
PICTURES ?= docs/screenshots
# `make estimates`: on which versions.
ESTIMATED ?= 13 15 17 18
# PostgreSQL versions that the integration tests run on.
PGAIRLOCK_TEST_VERSIONS ?= 15 18
export PGAIRLOCK_TEST_VERSIONS

target := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# Where scripts/install puts a Go when the system has none that is new enough.
export PATH := $(target)/go/bin:$(PATH)
# One build serves a whole `make test`: `cargo test` leaves this binary behind and the Python harnesses use it.
debug_binary := $(target)/debug/pgairlock
# Where time is measured, or ten thousand sessions are opened, the optimised one is used.
release_binary := $(target)/release/pgairlock

# The versions that the servers of the integration tests said they have.
tested_on := $(target)/tested-on

.PHONY: help
help: ## this list
	@echo 'usage: make TASK'
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14
	@echo
	@echo 'settings: VERSION=$(VERSION) (tools, attribution, race, queue), TOOL=$(TOOL), ROUNDS=$(ROUNDS) (race), DEPLOY, ROWS, REPETITIONS, LIMIT (deploy-day), ESTIMATED (estimates), PGAIRLOCK_TEST_VERSIONS="$(PGAIRLOCK_TEST_VERSIONS)" (test, kills, equality), CASES, SEED (equality), DEMO_PG, DEMO_ROWS, DEMO_STAY=1 (demo)'

.PHONY: build
build: ## the optimised binary: target/release/pgairlock
	@scripts/install build
	cargo build --release --locked

.PHONY: test
test: ## everything a change must pass: style, unit and integration tests, short tool, attribution, race, queue, deploy-day, browser, driver, abuse and accuracy runs
	@scripts/install test browser
	@$(MAKE) style cargo-test
	PGAIRLOCK_BIN='$(debug_binary)' python3 tests/tools/run.py --quick --pg-version 15
	PGAIRLOCK_BIN='$(debug_binary)' python3 tests/tools/attribution.py --quick --pg-version 15
	PGAIRLOCK_BIN='$(debug_binary)' python3 tests/tools/race.py --rounds 2 --pg-version 15
	PGAIRLOCK_BIN='$(debug_binary)' python3 tests/tools/lock_queue.py --seconds 5 --pg-version 15
	PGAIRLOCK_BIN='$(debug_binary)' python3 tests/deploy_day/quick.py --pg-version 15
	PGAIRLOCK_BIN='$(debug_binary)' python3 tests/browser/run.py --quick --pg-version 15
	PGAIRLOCK_BIN='$(debug_binary)' python3 tests/drivers/run.py --quick --pg-version 15
	PGAIRLOCK_BIN='$(debug_binary)' python3 tests/abuse/run.py --connections 500
	PGAIRLOCK_BIN='$(debug_binary)' python3 tests/abuse/check.py
	PGAIRLOCK_BIN='$(debug_binary)' python3 tests/accuracy/accuracy.py --pg-versions 15 --no-peers

.PHONY: test-full
test-full: export PGAIRLOCK_TEST_VERSIONS = 13 14 15 16 17 18
test-full: export PICTURES = $(target)/screenshots
test-full: ## as test, on PostgreSQL 13 to 18, with every tool and driver, 10,000 connections and the demo
	@scripts/install test tools browser
	@$(MAKE) style cargo-test
	@$(MAKE) browser tools attribution race queue drivers abuse abuse-check accuracy demo

.PHONY: demo
demo: ## naive Alembic migrations on a million rows under live traffic: directly, then through the proxy
	@scripts/install demo
	@$(MAKE) build
	@python=$$(scripts/venv demo demo/requirements.txt) && PGAIRLOCK_BIN='$(release_binary)' exec "$$python" demo/demo.py

.PHONY: deploy-day
deploy-day: build ## how long readers and writers wait while tools migrate a large table: make deploy-day DEPLOY=alembic ROWS=2000000
	@scripts/install demo tools
	@python=$$(scripts/venv deploy-day tests/deploy_day/requirements.txt) && PGAIRLOCK_BIN='$(release_binary)' exec "$$python" tests/deploy_day/deploy_day.py \
		--tools '$(DEPLOY)' --rows $(ROWS) --repetitions $(REPETITIONS) --limit $(LIMIT) --pg-version $(VERSION)

.PHONY: tools
tools: build ## the real migration tools through the proxy, on one PostgreSQL: make tools VERSION=15
	@scripts/install test tools
	PGAIRLOCK_BIN='$(release_binary)' python3 tests/tools/run.py --pg-version $(VERSION)

.PHONY: attribution
attribution: build ## which migration the log says each statement of the real tools belongs to, beside what docs/attribution.md says
	@scripts/install test tools
	PGAIRLOCK_BIN='$(release_binary)' python3 tests/tools/attribution.py --pg-version $(VERSION)

.PHONY: race
race: build ## two runners of one migration at once through one proxy: make race TOOL=golang-migrate|flyway ROUNDS=20
	@scripts/install test
	PGAIRLOCK_BIN='$(release_binary)' python3 tests/tools/race.py --pg-version $(VERSION) --tool '$(TOOL)' --rounds $(ROUNDS)

.PHONY: queue
queue: build ## readers behind a migration that waits for a lock, directly and through the proxy: make queue VERSION=15
	@scripts/install test
	PGAIRLOCK_BIN='$(release_binary)' python3 tests/tools/lock_queue.py --pg-version $(VERSION)

.PHONY: drivers
drivers: build ## the real database drivers through the proxy
	@scripts/install test drivers
	PGAIRLOCK_BIN='$(release_binary)' python3 tests/drivers/run.py --pg-version 15

.PHONY: abuse
abuse: build ## 10,000 connections, broken packets, dying peers
	@scripts/install test
	PGAIRLOCK_BIN='$(release_binary)' python3 tests/abuse/run.py

.PHONY: corpus
corpus: build ## the 880 migrations of a real project (the Go module coder), judged, and read by two readers
	@scripts/install test
	@corpus=$$(tests/corpus/fetch) && PGAIRLOCK_BIN='$(release_binary)' python3 tests/corpus/corpus.py "$$corpus" && \
		PGAIRLOCK_CORPUS="$$corpus" cargo test --locked --test second_reader real_project -- --nocapture

.PHONY: abuse-check
abuse-check: build ## files that nobody should send to `pgairlock check`, and what memory they take
	PGAIRLOCK_BIN='$(release_binary)' python3 tests/abuse/check.py

.PHONY: kills
kills: ## proxy, client, session or server die at every step: whether the next run ends where an undisturbed one does
	@scripts/install test
	@for version in $(PGAIRLOCK_TEST_VERSIONS); do scripts/postgres "$$version" >/dev/null; done
	PGAIRLOCK_KILLS=long cargo test --locked --test kills -- --nocapture

.PHONY: equality
equality: ## migrations that are made up, directly and through the proxy, in every shape: make equality CASES=1000 SEED=1
	@scripts/install test
	@for version in $(PGAIRLOCK_TEST_VERSIONS); do scripts/postgres "$$version" >/dev/null; done
	PGAIRLOCK_EQUALITY_CASES=$(CASES) PGAIRLOCK_EQUALITY_SEED=$(SEED) cargo test --locked --test equality -- --nocapture

.PHONY: estimates
estimates: build ## how long work takes beside how long `pgairlock check` says that it takes, on real servers: make estimates ESTIMATED='15 18'
	@scripts/install test tools
	PGAIRLOCK_BIN='$(release_binary)' python3 tests/estimates/estimates.py --pg-versions '$(ESTIMATED)'

.PHONY: accuracy
accuracy: build ## how often `pgairlock check` is right about 298 statements on four versions, with and without a database, beside squawk and pgsafe
	@scripts/install test
	@python=$$(scripts/venv accuracy tests/accuracy/requirements.txt) && pgsafe=$$(tests/accuracy/pgsafe) && PGAIRLOCK_BIN='$(release_binary)' \
		python3 tests/accuracy/accuracy.py --squawk "$$(dirname "$$python")/squawk" --pgsafe "$$pgsafe"

.PHONY: bench
bench: ## how fast frames pass that need no decision
	@scripts/install build
	cargo bench --locked --bench frames

.PHONY: audit-kills
audit-kills: ## kill -9 at random moments under migrations; the log beside the server's own: make audit-kills N=200
	@scripts/install test
	@scripts/postgres '$(VERSION)' >/dev/null
	PGAIRLOCK_TEST_VERSIONS='$(VERSION)' PGAIRLOCK_AUDIT_KILLS=$(N) SEED=$(SEED) cargo test --locked --test audit_kills -- --nocapture

.PHONY: audit-tamper
audit-tamper: ## a log with a byte flipped, rows taken away, swapped, its tail cut, a writer removed …: found, or said to be beyond the last checkpoint
	cargo test --locked --test audit_tamper -- --nocapture

.PHONY: fleet
fleet: ## three replicas on one PostgreSQL store under load, which is stopped and started: make fleet STOPS=10
	@scripts/install test
	@scripts/postgres '$(VERSION)' >/dev/null
	PGAIRLOCK_TEST_VERSIONS='$(VERSION)' PGAIRLOCK_FLEET_STOPS=$(STOPS) cargo test --locked --test fleet -- --nocapture

.PHONY: observability
observability: ## a real Prometheus reads a real pgairlock: alerts, their tests, and every expression of the dashboard
	@scripts/install test
	@scripts/prometheus >/dev/null
	@scripts/postgres '$(VERSION)' >/dev/null
	PGAIRLOCK_TEST_VERSIONS='$(VERSION)' cargo test --locked --test observability -- --nocapture

.PHONY: audit-bench
audit-bench: ## a durable decision beside a bare fsync, and searches among a million records, in a file and in a database: make audit-bench RECORDS=1000000
	@scripts/install test
	RECORDS=$(RECORDS) cargo bench --locked --bench audit
	RECORDS=$(RECORDS) scripts/with-postgres $(VERSION) cargo bench --locked --bench audit

.PHONY: browser
browser: build ## the dashboard in headless Chromium: every page in light, dark and on a phone, axe, keys, logins; pictures into docs/screenshots
	@scripts/install test browser
	PGAIRLOCK_BIN='$(release_binary)' python3 tests/browser/run.py --pg-version $(VERSION) --pictures '$(PICTURES)'

.PHONY: dashboard-bench
dashboard-bench: ## how long each page of the dashboard takes among a million records, beside 200 sessions: make dashboard-bench RECORDS=1000000
	@scripts/install test
	RECORDS=$(RECORDS) scripts/with-postgres $(VERSION) cargo bench --locked --bench dashboard

.PHONY: lint
lint: style ## style, shell scripts, dependencies (licences, advisories)
	@$(call with_tool,shellcheck,shellcheck $(filter-out %.txt,$(wildcard scripts/*)) .ci/run,apt-get install shellcheck)
	@$(call with_tool,cargo-deny,cargo deny check,cargo install --locked cargo-deny)

.PHONY: doc
doc: ## the library's documentation: target/doc/pgairlock
	@scripts/install build
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

.PHONY: clean
clean: ## remove what was built and downloaded
	rm -rf '$(target)'

# The parts of `test`.
.PHONY: style cargo-test
style:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

cargo-test:
	@for version in $(PGAIRLOCK_TEST_VERSIONS); do scripts/postgres "$$version" >/dev/null; done
	@scripts/prometheus >/dev/null
	@rm -f '$(tested_on)'
	PGAIRLOCK_TESTED_ON='$(tested_on)' cargo test --locked
	@echo "PostgreSQL $$(sort -uV '$(tested_on)' | paste -sd, | sed 's/,/, /g'): integration tests"

# with_tool NAME,COMMAND,HOW TO INSTALL: locally a missing tool is only said; in CI it is a failure.
define with_tool
if command -v $(1) >/dev/null; then echo '$(2)'; $(2); else echo 'skipped: no $(1) ($(3))'; [ "$${CI:-}" != true ]; fi
endef
