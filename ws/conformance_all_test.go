//go:build !race && !js

package ws_test

// conformanceGroups selects the cases that every door must pass: all.
var conformanceGroups []string
