//go:build !race && !js

package ws_test

// Norace: TestServerConformance TestClientConformance

// conformanceGroups selects the cases that are played: all.
var conformanceGroups []string
