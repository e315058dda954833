# Everything a newcomer needs: make run, make test. `make` alone lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO        ?= go
# The toolchain of go.mod, also where the go command is told to stay with its own.
# `make GOTOOLCHAIN=local ...` builds with the Go that is installed.
export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)
MODULE    := $(shell sed -n 's/^module //p' go.mod)
COMMA     := ,
DATA      ?= data
# Executions, not seconds: before Go 1.27 those end in a false failure now and then
# (go.dev/issue/75804).
FUZZRUNS  ?= 10000x
# What guides the fuzzer: how it moves through our code and the parsers we trust with
# tokens and JSON. With FUZZBUILD=-fuzz=. the whole of OPA and Badger is compiled for
# it again, which takes longer than all the runs.
FUZZBUILD ?= $(addprefix -gcflags=,$(addsuffix =-d=libfuzzer,$(MODULE)/... github.com/go-json-experiment/json/... github.com/go-jose/go-jose/v3/...))
FUZZROOMS ?= $(shell git grep --untracked -lE '^func Fuzz' -- '*_test.go' | xargs dirname | sort -u)
BENCHTIME ?= 1s
# Seconds that outdated waits for the module proxy.
OUTDATED  ?= 30
PACKAGES  := ./...
# Temporary files stay in the clone too.
export TMPDIR := $(CURDIR)/.tmp
# Packages that have no tests of their own: the wire types, and what tests are made with.
# Every other one must pass a test for `make test` to pass.
UNTESTED := $(subst $() ,$(COMMA),$(addprefix $(MODULE)/,api server/servertest store/storetest test/pdptest test/vectors))
TALLY     = $(GO) run ./test/tally -untested $(UNTESTED)
# Says why the race detector cannot run, or nothing.
NORACE    = { read -r cgo && read -r cc; } < <($(GO) env CGO_ENABLED CC); \
	[ "$$cgo" = 1 ] && $$cc -x c -o $(TMPDIR)/compiler - <<< 'int main(void) { return 0; }' &> /dev/null || \
	echo "The race detector needs a C compiler that works: CC is $$cc, CGO_ENABLED is $$cgo."
# The opa command line and staticcheck have a go.mod of their own, so that what they
# need is not the product's. test/modules_test.go holds the versions together.
TOOL      = $(GO) tool -modfile=tools/go.mod

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/verdict
	$(GO) build -trimpath -buildvcs=auto -ldflags '-s -w' -o bin/verdict ./cmd/verdict

.PHONY: run
run: build ## build, start the server with the demo data, print a decision to repeat with curl
	./bin/verdict serve --demo --data $(DATA)

.PHONY: test
test: ## everything CI runs: lint, rego, race, fuzz; how long each took
	@norace=$$($(NORACE)); [ -z "$$norace" ] || export CGO_ENABLED=0; \
	took=; for part in lint rego race fuzz; do \
		began=$$SECONDS; $(MAKE) --no-print-directory $$part; took+="$$part $$((SECONDS - began)) s, "; \
	done; echo "== $${took}all $$SECONDS s"; \
	[ -z "$$norace" ] || echo "NOT RUN: the tests with -race. $$norace"

.PHONY: compiler
compiler: # fails without a C compiler that works
	@norace=$$($(NORACE)); [ -z "$$norace" ] || { echo "$$norace"; exit 1; }

.PHONY: generate
generate: ## write what is made of the sources: server/openapi.yaml, the settings in the manuals
	$(GO) run ./cmd/openapi
	$(GO) run ./cmd/config/manual

.PHONY: verify
verify: ## generate anew, and want no difference; tests of the generators want the same
	@mkdir -p $(TMPDIR)
	$(GO) run ./cmd/openapi -o $(TMPDIR)/openapi.yaml
	@diff -u server/openapi.yaml $(TMPDIR)/openapi.yaml || { echo "run make generate"; exit 1; }
	$(GO) run ./cmd/config/manual -check

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, go.mod tidy
	@echo '== lint'
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); if [ -n "$$out" ]; then echo "gofmt these files:"; echo "$$out"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(TOOL) staticcheck $(PACKAGES)
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff

.PHONY: rego
rego: ## opa fmt, opa check --strict, opa test with full coverage, verdict test
	@echo '== rego'
	$(TOOL) opa fmt --fail --list policies
	$(TOOL) opa check --strict policies
	$(TOOL) opa test --coverage --threshold 100 policies | tail -n 3
	$(GO) run ./cmd/verdict test policies

.PHONY: unit
unit: ## the tests without the race detector: the quick loop
	$(GO) test -json $(PACKAGES) | $(TALLY) $$($(GO) list $(PACKAGES))

.PHONY: race
# The scripts of the command line are run without it: what they call is raced where it
# lives, and they compile policies, which takes ten times as long with it. The stories
# begin first: they take longest, and wait in between, while other packages run.
UNRACED := $(MODULE)/cmd/verdict
race: ## every unit, system and conformance test with the race detector; lint has vetted them
	@norace=$$($(NORACE)); race=-race; \
	if [ -n "$$norace" ]; then export CGO_ENABLED=0; race=; echo '== tests without -race'; else echo '== tests with -race, and without it $(UNRACED)'; fi; \
	all=$$($(GO) list $(PACKAGES)); \
	raced=$$(grep -vx $(UNRACED) <<< "$$all" | awk '$$0 == "$(MODULE)/test" { print; next } { rest = rest " " $$0 } END { print rest }'); \
	{ red=0; $(GO) test $$race -vet=off -json -timeout 20m $$raced || red=1; \
	  ! grep -qx $(UNRACED) <<< "$$all" || $(GO) test -vet=off -json -timeout 20m $(UNRACED) || red=1; exit $$red; } | $(TALLY) $$all; \
	[ -z "$$norace" ] || echo "NOT RUN: the tests with -race. $$norace"

.PHONY: fuzz
fuzz: ## every fuzz target, FUZZRUNS each
	@echo '== fuzz, $(FUZZRUNS) a target'
	@count=0; work=$$(mktemp -d); trap 'rm -rf $$work' EXIT; \
	found=$$($(GO) env GOCACHE)/fuzz/$(MODULE); \
	$(GO) test -c -vet=off $(FUZZBUILD) -ldflags '-s -w' -o $$work/ $(addprefix ./,$(FUZZROOMS)); \
	for room in $(FUZZROOMS); do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' $$room/*_test.go); do \
			(cd $$room && $$work/$${room##*/}.test -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime $(FUZZRUNS) -test.fuzzcachedir $$found/$$room) > $$work/log 2>&1 || { cat $$work/log; exit 1; }; \
			if ! grep -q ' now fuzzing' $$work/log || grep -q 'not built with coverage' $$work/log; then cat $$work/log; echo "$$target was not guided, or did not run"; exit 1; fi; \
			echo "$$room $$target: $$(grep -o 'execs: [0-9]*' $$work/log | tail -n 1)"; \
			count=$$((count + 1)); \
		done; \
	done; echo "$$count fuzz targets ran"; [ $$count -gt 0 ]

.PHONY: soak
soak: ## kill loops and swaps at their full length, fuzz guided by everything; without -race
	@echo '== soak'
	VERDICT_TEST_SOAK=1 $(GO) test -count 1 -run 'Kill|Swap' -json -timeout 30m ./store ./decisionlog ./generations ./test | $(TALLY) $$($(GO) list ./store ./decisionlog ./generations ./test)
	@for room in $(FUZZROOMS); do $(MAKE) --no-print-directory fuzz FUZZBUILD=-fuzz=. FUZZROOMS=$$room; done

.PHONY: cover
cover: ## statement coverage of the rooms a decision passes through
	$(GO) test -cover ./authz ./ijson ./token/... ./secret ./introspection ./store ./bundles ./generations ./sources ./engine ./decisiontable ./decisionlog/... ./replay ./pdp ./rotation ./usage ./credentials ./events ./tokenservice ./server/...

.PHONY: bench
bench: ## benchmarks, with peers side by side where there is one
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) $(PACKAGES)

.PHONY: outdated
outdated: ## list direct dependencies behind their newest: module, have, newest
	@direct=$$($(GO) list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all); \
	tools=$$($(GO) -C tools list -f '{{with .Module}}{{.Path}}{{end}}' tool | sort -u); \
	newer() { timeout $(OUTDATED) $(GO) -C "$$1" list -m -u -f '{{with .Update}}{{printf "%-60s %-12s %s" $$.Path $$.Version .Version}}{{end}}' $$2; }; \
	why=$$(mktemp); trap 'rm -f $$why' EXIT; \
	if [ "$$($(GO) env GOPROXY)" = off ]; then echo 'the newest versions are not known: GOPROXY is off'; \
	elif behind=$$({ newer . "$$direct" && newer tools "$$tools"; } 2> $$why | sort -u); \
	then echo "$${behind:-every direct dependency is at its newest}"; \
	else echo "the newest versions are not known within $(OUTDATED) s: $$(head -n 1 $$why)"; fi

.PHONY: clean
clean: ## remove what was built (never the data directory)
	rm -rf bin .tmp

$(shell mkdir -p $(CURDIR)/.tmp)
