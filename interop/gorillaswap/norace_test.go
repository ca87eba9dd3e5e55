//go:build !race

package gorillaswap

// Norace: TestProgramsBehaveTheSame

// raceFlag builds the programs like the test.
const raceFlag = "-race=false"
