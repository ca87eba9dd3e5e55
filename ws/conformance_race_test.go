//go:build race && !js

package ws_test

// conformanceGroups leaves out, under the race detector, the groups that move
// megabytes and the sweeps: they pass through the same code as the others and take minutes.
var conformanceGroups = []string{"1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "2?.*", "-27.5.2", "-27.5.3"}
