//go:build race && !js

package ws_test

// conformanceGroups leaves out, under the race detector, the groups that move
// megabytes: they pass through the same code as the others and take minutes.
var conformanceGroups = []string{"1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "2?.*"}
