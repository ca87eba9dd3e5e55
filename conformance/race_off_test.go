//go:build !race

package conformance_test

// Norace: TestSoundServer TestSoundClient

var heavyCases []string
