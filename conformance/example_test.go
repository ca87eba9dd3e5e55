package conformance_test

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// Test a server that listens on port 9001, print what it got wrong, and show the traffic of
// the cases that failed.
func ExampleRunner_RunServer() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r := &conformance.Runner{}
	results, err := r.RunServer(ctx, "ws://127.0.0.1:9001/", "-9.*")
	if err != nil {
		log.Fatal(err)
	}
	conformance.Print(os.Stdout, results)
	for _, res := range results {
		if res.Verdict == conformance.Fail {
			res.Dump(os.Stdout)
		}
	}
}

// Test a client: connect dials the URL that it is given and echoes.
func ExampleRunner_RunClient() {
	connect := func(ctx context.Context, url string) error {
		return echoUntilClosed(ctx, url)
	}
	results, err := (&conformance.Runner{}).RunClient(context.Background(), nil, connect, "[1-7].*")
	if err != nil {
		log.Fatal(err)
	}
	log.Println(conformance.Count(results))
}

// echoUntilClosed stands for the client under test.
func echoUntilClosed(_ context.Context, url string) error { return visit(url, nil, nil, "") }
