//go:build !race && !js

package ws_test

// Norace: TestServerConformance TestClientConformance

// sweptBy is "": every door plays the sweeps.
const sweptBy = ""

// conformanceGroups selects the cases that every door must pass: all.
var conformanceGroups []string
