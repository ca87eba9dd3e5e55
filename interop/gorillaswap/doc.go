// Package gorillaswap holds no code: its test builds the programs twice, against
// gorilla/websocket and against compat/websocket, and lets them talk to each other.
package gorillaswap
