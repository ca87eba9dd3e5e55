//go:build race

package gorillaswap

// raceFlag builds the programs like the test.
const raceFlag = "-race=true"
