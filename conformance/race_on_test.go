//go:build race

package conformance_test

// heavyCases are left out of the whole runs of the raw peer under the race
// detector, where moving megabytes costs minutes; without it they are played.
var heavyCases = heavy
