package client

import (
	"context"
	"slices"
	"time"
)

// Phase is what a Client is doing.
type Phase string

// The phases.
const (
	Connecting Phase = "connecting"
	Open       Phase = "open"    // the server has answered $hello
	Waiting    Phase = "waiting" // before the next attempt
	Closed     Phase = "closed"  // for good
)

// State is what a Client is doing, and why.
type State struct {
	Phase Phase
	// Err is why the last connection ended, or could not be opened: in Waiting, and in
	// Closed unless Close was called.
	Err error
	// Wait is how long Waiting takes.
	Wait time.Duration
	// Session and User are what the server said in its answer to $hello, in Open. User is "" for a stranger.
	Session, User string
	// Degraded is true while the server cannot reach what stores messages: sends to rooms with history wait.
	Degraded bool
}

// maxStates bounds the changes that wait for OnState.
const maxStates = 16

// State returns the present state.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// setState changes the state and has it told. c.mu is held.
func (c *Client) setState(s State) {
	c.state = s
	if c.o.OnState == nil {
		return
	}
	if len(c.states) == maxStates {
		c.states = slices.Delete(c.states, 0, 1)
	}
	c.states = append(c.states, s)
	c.stateWorker.wake()
}

// nextState is the stateWorker's work.
func (c *Client) nextState() func(context.Context) {
	if len(c.states) == 0 {
		return nil
	}
	s := c.states[0]
	c.states = slices.Delete(c.states, 0, 1)
	return func(context.Context) { c.o.OnState(s) }
}
