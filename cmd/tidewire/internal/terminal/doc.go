// Package terminal is what a person sits at: a [Prompt], whose line is edited and kept in a [History] while what comes is
// printed above it, and what makes text fit to be shown there.
package terminal
