SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)
SOURCES := $(wildcard actors transport cmd examples)

# What to run, for instance: make bench PKG=./actors/internal/room/ BENCH=Turn
PKG ?= ./...
BENCH ?= .
FUZZTIME ?= 30s
ARGS ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## serve the playground; flags go in ARGS="--listen HOST:PORT"
	./bin/parlor serve $(ARGS)

.PHONY: cluster
cluster: build ## Redis, three nodes and a balancer on this machine; flags in ARGS="-nodes 5"
	go run ./cmd/node/internal/fleet/local $(ARGS)

.PHONY: build
build: ## build bin/parlor
	go build -ldflags '$(LDFLAGS)' -o bin/parlor ./cmd/node

.PHONY: install
install: ## install parlor where go install puts programs
	@bin="$$(go env GOBIN)"; bin="$${bin:-$$(go env GOPATH | cut -d: -f1)/bin}"; \
	go build -ldflags '$(LDFLAGS)' -o "$$bin/parlor" ./cmd/node; \
	echo "installed $$bin/parlor"

.PHONY: deps
deps: ## install what the tests need; nothing to do costs no network
	@.ci/deps

# Packages of which some tests, or some code, are left out under the race detector.
WITHOUT_RACE := ./actors/rawio ./actors/node/carrier ./transport ./transport/internal/outbox

.PHONY: test
test: deps vet ## everything, race detector on, with Redis, browser, node and Python
	go test -race $(PKG)
	go test $(WITHOUT_RACE)

.PHONY: test-long
test-long: deps vet ## test, and the tests behind the build tag "long"
	go test -race -tags long -timeout 60m $(PKG)
	go test $(WITHOUT_RACE)

.PHONY: test-go
test-go: ## go test alone: no deps, no vet, no race detector, for the edit loop
	go test $(PKG)

.PHONY: vet
vet: ## go vet and the gofmt check
	go vet $(PKG)
	@files="$$(gofmt -l $(SOURCES))"; \
	if [ -n "$$files" ]; then printf 'not gofmt-ed (make fmt):\n%s\n' "$$files" >&2; exit 1; fi

.PHONY: lint
lint: ## golangci-lint, pinned in .ci/tools/go.mod
	go tool -modfile=.ci/tools/go.mod golangci-lint run $(PKG)

.PHONY: vuln
vuln: ## known vulnerabilities in what is called (needs the network)
	@.ci/vuln $(PKG)

.PHONY: licences
licences: ## the licences of every module that is linked, which must be allowed
	@go test -count=1 -v -run '^TestEveryModuleMayBeUsed$$' ./actors/internal/house

.PHONY: fuzz
fuzz: ## every fuzz target in turn, FUZZTIME each
	@FUZZTIME=$(FUZZTIME) .ci/fuzz $(SOURCES)

.PHONY: proto
proto: ## generate the messages of node links; needs Debian's protobuf-compiler
	@.ci/proto

.PHONY: bench
bench: ## benchmarks; PKG and BENCH narrow them
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

.PHONY: bench-nodes
bench-nodes: ## what a delivery costs over two nodes, against one and against Socket.IO; needs two processors
	@.ci/deps peers
	@mkdir -p bin && go build -o bin/compare ./cmd/node/internal/fleet/compare
	taskset -c 1 ./bin/compare $(ARGS)

.PHONY: bench-stores
bench-stores: deps ## what group commit is worth, what waking a room costs, and one that hibernates: docs/results/commit.txt, and tables
	@.ci/bench-stores docs/results/commit.txt

.PHONY: fmt
fmt: ## gofmt everything in place
	gofmt -s -w $(SOURCES)

.PHONY: clean
clean: ## remove what build and deps put into the tree
	rm -rf bin .cache
