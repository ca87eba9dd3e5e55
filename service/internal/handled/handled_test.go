package handled_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/internal/handled"
)

func TestCodeOf(t *testing.T) {
	for want, err := range map[string]error{
		"":            nil,
		"no-room":     &live.Error{Code: "no-room"},
		"forbidden":   fmt.Errorf("wrapped: %w", protocol.Errorf("forbidden", "no")),
		"unavailable": fmt.Errorf("wrapped: %w", live.ErrUnavailable),
		"internal":    errors.New("anything"),
	} {
		if got := handled.CodeOf(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestKindOf(t *testing.T) {
	for want, m := range map[string]live.Message{
		"hello": {Type: "$hello"}, "join": {Type: "$join", Room: "r"}, "leave": {Type: "$leave", Room: "r"}, "history": {Type: "$history", Room: "r"},
		"presence": {Type: "$presence", Room: "r"}, "publish": {Type: "say", Room: "r", ID: 1}, "call": {Type: "say", ID: 1}, "message": {Type: "say"},
	} {
		if got := handled.KindOf(&m).String(); got != want {
			t.Errorf("%+v is %q, want %q", m, got, want)
		}
	}
}
