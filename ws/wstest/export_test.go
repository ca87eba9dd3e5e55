//go:build !js

package wstest

// LeftNow lets a test see each thing that Pair's check can find.
var LeftNow = leftNow
