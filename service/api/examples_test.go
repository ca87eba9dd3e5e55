package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// The examples in the file are requests that can be sent as they are, and get the answers of the same name.
func TestExamples(t *testing.T) {
	d := open(t)
	ann, _ := d.join("ann", "room:7")
	sent := 0
	for _, at := range []string{"publish", "broadcast", "rooms", "presence", "history", "disconnect"} {
		item := described().doc.Paths.Value("/api/" + at)
		for method, op := range item.Operations() {
			requests, answers := map[string]bool{}, map[string]bool{}
			for _, name := range exampleNames(op, requests) {
				for status, response := range op.Responses.Map() {
					content := response.Value.Content["application/json"]
					if content == nil || content.Examples[name] == nil {
						continue
					}
					answers[name] = true
					body := ""
					query := url.Values{}
					if op.RequestBody != nil {
						p, err := json.Marshal(op.RequestBody.Value.Content["application/json"].Examples[name].Value.Value)
						if err != nil {
							t.Fatal(err)
						}
						body = string(p)
					}
					for _, p := range op.Parameters {
						if e := p.Value.Examples[name]; e != nil {
							query.Set(p.Value.Name, fmt.Sprint(e.Value.Value))
						}
					}
					path := "/api/" + at
					if len(query) > 0 {
						path += "?" + query.Encode()
					}
					want, err := json.Marshal(content.Examples[name].Value.Value)
					if err != nil {
						t.Fatal(err)
					}
					code, _, text := d.ask(method, path, body)
					sent++
					if strconv.Itoa(code) != status || !reflect.DeepEqual(settled(t, text), settled(t, string(want))) {
						t.Errorf("the example %s of %s: %d %s, and in the file %s %s", name, at, code, text, status, want)
					}
				}
			}
			if !reflect.DeepEqual(requests, answers) {
				t.Errorf("%s: examples of requests %v, and of answers %v", at, requests, answers)
			}
			for _, response := range op.Responses.Map() {
				if content := response.Value.Content["application/json"]; content != nil {
					for name := range content.Examples {
						if !requests[name] {
							t.Errorf("%s: an answer %s without its request", at, name)
						}
					}
				}
			}
		}
	}
	if sent < 12 {
		t.Errorf("only %d examples", sent)
	}
	<-ann.Done()
}

// exampleNames returns the names of an operation's requests in the order of the file, and notes them.
func exampleNames(op *openapi3.Operation, in map[string]bool) []string {
	var names []string
	add := func(name string) {
		if !in[name] {
			in[name] = true
			names = append(names, name)
		}
	}
	// What the file has in which order is lost in a map. "one" comes before "batch", as its message does.
	for _, name := range []string{"one", "volatile", "batch", "leave", "away"} {
		if op.RequestBody != nil && op.RequestBody.Value.Content["application/json"].Examples[name] != nil {
			add(name)
		}
	}
	if op.RequestBody != nil {
		for name := range op.RequestBody.Value.Content["application/json"].Examples {
			add(name)
		}
	}
	for _, p := range op.Parameters {
		for name := range p.Value.Examples {
			add(name)
		}
	}
	return names
}

// settled parses an answer, and takes away what is another one each time.
func settled(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range []string{"epoch", "seq", "session"} {
				if v[name] != nil {
					v[name] = "any"
				}
			}
			for _, one := range v {
				walk(one)
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(v)
	return v
}
