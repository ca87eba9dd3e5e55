//go:build race

package conformance_test

// heavyCases are left out of the whole runs of the raw peer under the race
// detector, where moving megabytes costs minutes; without it they are played.
var heavyCases = []string{"-9.[1-6].[3-9]", "-1[23].?.9", "-1[23].?.1[0-8]", "-27.5.[23]", "-23.4.?"}
