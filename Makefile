# The everyday verbs. Nothing here is needed to build or to test: ./test works without make.

.PHONY: serve test soak fuzz bench bench-live microbench fmt lint

# The demo server; `make serve ARGS='--addr 127.0.0.1:9000'` passes arguments on.
serve:
	go run ./cmd/tidewire serve $(ARGS)

# Every check; `make test ARGS=-quick` passes arguments on.
test:
	./test $(ARGS)

# Every test of the module many times over, with the race detector and without it; many random histories of live, and
# changes to it that must be found; 5,000 sessions that move to another process; a cluster that is hurt for half an hour; PostgreSQL's and Redis's clients over a bridge; what ./test leaves out for other systems.
COUNT ?= 20
soak:
	COUNT=$(COUNT) TIMEOUT=4h ./test -only race,nested,norace
	go test ./live -run TestPromise -promise.runs 20000 -promise.real 500 -timeout 1h
	go test -tags mutants ./live -run TestMutants -timeout 20m
	go test ./cmd/tidewire -run 'TestDrain$$' -drain.clients 5000 -v
	go test ./cmd/tidewire -run 'TestDrain$$' -drain.clients 5000 -drain.rooms -v
	go test ./cmd/tidewire -run 'TestConsolePage$$' -console.sessions 10000 -v
	{ ls /usr/lib/postgresql/*/bin/initdb && command -v redis-server; } >/dev/null 2>&1 || \
		apt-get install -y --no-install-recommends postgresql redis || { echo 'soak: please install postgresql and redis' >&2; exit 1; }
	go vet -tags soak ./cmd/tidewire
	go test -tags soak ./cmd/tidewire -run 'TestBridgePostgres|TestBridgeRedis' -v
	go test ./cmd/tidewire -run 'TestBridgeBulk$$' -bridge.bytes 1073741824 -v
	go test ./conformance -run TestEveryCaseCanFail -every.case
	go test ./ws -run TestServerConformance -conformance.whole
	go test ./ws -run TestClientConformance -conformance.whole
	go test ./live/natsbroker -run 'TestPromise|TestMinority' -promise.time 30m -minority.time 60s -timeout 45m -v
	go test ./live -run TestPromiseManyfold -promise.manyfold 150 -timeout 1h
	cd interop && go test . -run 'TestTheirClients|TestOurClient' -matrix.largest 16
	for os in windows darwin; do GOOS=$$os CGO_ENABLED=0 go vet ./... || exit; done
	for os in freebsd/arm64 netbsd/amd64 linux/arm64; do GOOS=$${os%/*} GOARCH=$${os#*/} CGO_ENABLED=0 go vet ./ws/... || exit; done
	GOOS=js GOARCH=wasm CGO_ENABLED=0 go vet ./ws/... ./client

# Each fuzz target for FUZZTIME.
FUZZTIME ?= 2m
fuzz:
	FUZZTIME=$(FUZZTIME) ./test -only fuzz

# Tidewire beside other libraries, in 10 minutes: writes docs/benchmarks.md. `make bench QUICK=1` measures less in 2
# minutes and writes into bench/out. `cd bench && go run . -h` says how to measure some of it.
bench:
ifdef QUICK
	cd bench && go run . -quick -write out -command 'make bench QUICK=1'
else
	cd bench && go run . -write ../docs -command 'make bench'
endif

# The hub of live beside others with rooms, in 12 minutes: writes docs/benchmarks-live.md.
ROUNDS ?= 7
bench-live:
	cd bench && go run . -live -rounds $(ROUNDS) -budget 12m -write ../docs -command 'make bench-live ROUNDS=$(ROUNDS)'

# The benchmarks of our packages, or with `make microbench BENCH=Mask` those whose names match.
BENCH ?= .
microbench:
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

fmt:
	git ls-files -z --cached --others --exclude-standard -- '*.go' | xargs -0 gofmt -l -w

lint:
	./test -only format,vet,cross,staticcheck,layout
