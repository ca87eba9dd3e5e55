//go:build !race

package conformance_test

var heavyCases []string
