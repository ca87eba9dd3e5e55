package main

import (
	"context"
	"encoding/json"
)

// Row is a message that waits to be published.
type Row struct {
	ID   int64           `json:"id"` // increases; it is the message's mid
	Room string          `json:"room"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// Outbox is where an application puts messages in the same transaction as what they tell of. docs/api.md has the statements for
// PostgreSQL, where a claim is a transaction.
type Outbox interface {
	// Claim returns the oldest rows that are neither sent nor given up, at most that many, in the order of their IDs. They are the
	// caller's until it calls end, or dies: then those that end did not name are there for the next claim.
	Claim(ctx context.Context, most int) (rows []Row, end func(Outcome) error, err error)
}

// Outcome is what became of the rows of a claim.
type Outcome struct {
	Sent  []int64          `json:"sent,omitempty"`
	Given map[int64]string `json:"given,omitempty"` // given up, by the error code: for a person to look at
}
