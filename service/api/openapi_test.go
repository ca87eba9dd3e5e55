package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/tidewire/tidewire/service/api"
)

// description is the API's, with all that the tests have seen of it.
type description struct {
	doc *openapi3.T

	mu     sync.Mutex
	seen   map[string]bool // "POST /api/publish 200"
	codes  map[string]bool
	faults []string
}

var described = sync.OnceValue(func() *description {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(api.OpenAPI))
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err != nil {
		panic(err)
	}
	// To who reads an answer, members may be added. Here one that is not described is a fault.
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, answer := range op.Responses.Map() {
				for typ, content := range answer.Value.Content {
					if typ == "application/json" {
						seal(content.Schema)
					}
				}
			}
		}
	}
	return &description{doc: doc, seen: map[string]bool{}, codes: map[string]bool{}}
})

// seal has a schema allow what it names and no more.
func seal(ref *openapi3.SchemaRef) {
	s := ref.Value
	if len(s.OneOf) == 0 && s.Type.Is("object") {
		no := false
		s.AdditionalProperties = openapi3.BoolSchema{Has: &no}
	}
	for _, one := range s.OneOf {
		seal(one)
	}
	for _, one := range s.Properties {
		seal(one)
	}
	if s.Items != nil {
		seal(s.Items)
	}
}

// check compares a request and its answer with the description. What is not there must be answered as it says in its head.
func (d *description) check(r *http.Request, body []byte, status int, header http.Header, answer []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fault := func(format string, args ...any) {
		what := fmt.Sprintf(format, args...)
		d.faults = append(d.faults, fmt.Sprintf("%s %s %.200q: %d %.200q: %.2000s", r.Method, r.URL, body, status, answer, what))
	}
	for _, code := range jsonCodes(answer) {
		d.codes[code] = true
	}
	ctx := context.Background()
	item := d.doc.Paths.Value(r.URL.EscapedPath())
	if item == nil {
		if status != 404 && status != 401 {
			fault("it is not in the file")
		}
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op := item.GetOperation(method)
	if op == nil {
		if status != 405 && status != 401 {
			fault("it is not in the file")
		}
		return
	}
	d.seen[fmt.Sprintf("%s %s %d", method, r.URL.Path, status)] = true
	own := r.Clone(ctx)
	own.Body = io.NopCloser(bytes.NewReader(body))
	// A path and a parameter that cannot be parsed are none to openapi3filter.
	q, queryErr := url.ParseQuery(r.URL.RawQuery)
	in := &openapi3filter.RequestValidationInput{
		Request: own, QueryParams: q,
		Route: &routers.Route{Spec: d.doc, Path: r.URL.Path, PathItem: item, Method: method, Operation: op},
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, IncludeResponseStatus: true,
			RejectWhenRequestBodyNotSpecified: true,
		},
	}
	err := openapi3filter.ValidateRequest(ctx, in)
	if queryErr != nil {
		err = queryErr
	}
	if err != nil && status < 400 {
		fault("the request is not as the file says: %v", err)
	}
	err = openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(answer)), Options: in.Options,
	})
	if err != nil {
		fault("the answer is not as the file says: %v", err)
	}
}

// jsonCodes returns the codes of errors in an answer.
func jsonCodes(answer []byte) []string {
	var codes []string
	for part := range strings.SplitSeq(string(answer), `"error":{"code":"`) {
		code, _, _ := strings.Cut(part, `"`)
		codes = append(codes, code)
	}
	return codes[1:]
}

// documented returns what the file has: "POST /api/publish 200".
func (d *description) documented() []string {
	var all []string
	for path, item := range d.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				all = append(all, method+" "+path+" "+status)
			}
		}
	}
	return slices.Sorted(slices.Values(all))
}

// complain returns what the tests, all of them, have shown to be wrong in the file: what is said in it and was not seen,
// and what was seen and is not as it says.
func (d *description) complain(whole bool) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.Clone(d.faults)
	if !whole {
		return all
	}
	for _, what := range d.documented() {
		if !d.seen[what] {
			all = append(all, "the file has it, and no test has seen it: "+what)
		}
	}
	var codes []string
	for _, code := range d.doc.Components.Schemas["Error"].Value.Properties["code"].Value.Enum {
		codes = append(codes, code.(string))
	}
	slices.Sort(codes)
	if seen := slices.Sorted(maps.Keys(d.codes)); !slices.Equal(codes, seen) {
		all = append(all, fmt.Sprintf("the codes in the file are %v; seen were %v", codes, seen))
	}
	return all
}

// Each path of the Handler is in the file, and each in the file is one of the Handler's.
func TestRoutesAreDescribed(t *testing.T) {
	var want []string
	for _, name := range paths {
		want = append(want, "/api/"+name)
	}
	got := slices.Sorted(maps.Keys(described().doc.Paths.Map()))
	slices.Sort(want)
	h, err := api.New(open(t).hub, key)
	if err != nil {
		t.Fatal(err)
	}
	own := api.Routes(h)
	if !slices.Equal(got, want) || len(own) != len(want) {
		t.Errorf("the file has %v, the tests %v, the Handler %v", got, want, own)
	}
	for path, method := range own {
		item := described().doc.Paths.Value(path)
		if item == nil || len(item.Operations()) != 1 || item.GetOperation(method) == nil {
			t.Errorf("%s %s is not in the file", method, path)
		}
	}
	d := open(t)
	if code, header, text := d.ask("GET", "/api/openapi.yaml", ""); code != 200 || text != api.OpenAPI || header.Get("Content-Type") != "application/yaml" {
		t.Errorf("%d %v", code, header)
	}
}
