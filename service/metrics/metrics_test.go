package metrics_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/metrics"
	"github.com/tidewire/tidewire/ws"
)

func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := newKit(t, metrics.Options{}, nil).values() // of the process
		k := busy(t, metrics.Options{MaxAge: -1, Types: []string{"say", "ask"}, Version: "v1.2.3"})
		handled := func(kind, outcome string) string {
			return fmt.Sprintf(`tidewire_handled_messages_total{kind=%q,outcome=%q}`, kind, outcome)
		}
		k.want(map[string]float64{
			"tidewire_sessions":                                        2,
			"tidewire_rooms":                                           2,
			"tidewire_room_members":                                    2,
			"tidewire_users":                                           0,
			"tidewire_degraded":                                        0,
			"tidewire_draining":                                        0,
			"tidewire_publishes_in_flight":                             0,
			"tidewire_handler_panics_total":                            1,
			"tidewire_messages_received_total":                         17,
			"tidewire_sessions_started_total":                          4,
			`tidewire_sessions_ended_total{by="us",code="1011"}`:       1,
			`tidewire_sessions_ended_total{by="peer",code="other"}`:    1,
			"tidewire_session_duration_seconds_count":                  2,
			handled("join", "ok"):                                      3,
			handled("join", "no-room"):                                 2,
			handled("publish", "ok"):                                   3,
			handled("history", "ok"):                                   1,
			handled("call", "ok"):                                      1,
			handled("call", "application"):                             1,
			handled("call", "other"):                                   1,
			handled("call", "internal"):                                2, // one of them panicked
			handled("call", "unknown-type"):                            1,
			handled("message", "ok"):                                   1,
			`tidewire_handling_duration_seconds_count{kind="publish"}`: 3,
			`tidewire_handling_duration_seconds_count{kind="call"}`:    6,
			`tidewire_errors_sent_total{code="no-room"}`:               2,
			`tidewire_errors_sent_total{code="application"}`:           1,
			`tidewire_errors_sent_total{code="other"}`:                 1,
			`tidewire_errors_sent_total{code="internal"}`:              1,
			`tidewire_errors_sent_total{code="invalid"}`:               1,
			`tidewire_errors_sent_total{code="unknown-type"}`:          1,
			`tidewire_typed_messages_total{type="say"}`:                3,
			`tidewire_typed_messages_total{type="ask"}`:                1,
			`tidewire_typed_messages_total{type="other"}`:              6,
			"tidewire_fanout_members_count":                            53,
			`tidewire_gaps_total{reason="evicted"}`:                    0,
			`tidewire_hot_room_members{room="room:7"}`:                 1,
			`tidewire_hot_room_members{room="room:8"}`:                 1,
		})
		v := k.values()
		// 6 of room:7 as both were there, and those that were live when room:8 was published to.
		if n := v["tidewire_fanout_members_sum"]; n < 7 || n > 56 {
			t.Errorf("the fan-out comes to %v members", n)
		}
		if q := v["tidewire_queued_bytes"]; q < 5000 || q > 20_000 || q != v["tidewire_queued_bytes_max"] {
			t.Errorf("%v bytes are queued, %v at most; the queue of the only slow one holds 20,000", q, v["tidewire_queued_bytes_max"])
		}
		for _, name := range []string{`tidewire_slow_members_total{policy="catch-up"}`, "tidewire_recent_bytes", "tidewire_received_bytes_total", "tidewire_messages_sent_total", "tidewire_sent_bytes_total",
			`tidewire_hot_room_messages_per_second{room="room:8"}`, `tidewire_hot_room_horizon_seconds{room="room:8"}`} {
			if v[name] <= 0 {
				t.Errorf("%s is %v", name, v[name])
			}
		}
		for name, n := range map[string]float64{"tidewire_ws_connections_opened_total": 8, `tidewire_ws_connections_closed_total{by="us"}`: 2} {
			if got := v[name] - before[name]; got != n {
				t.Errorf("%s grew by %v, want %v", name, got, n)
			}
		}
		info := ""
		for name := range v {
			if strings.HasPrefix(name, "tidewire_build_info") {
				info = name
			}
		}
		if !strings.Contains(info, `version="v1.2.3"`) || v["process_start_time_seconds"] == 0 || v["go_goroutines"] == 0 {
			t.Errorf("%s; process %v, Go %v", info, v["process_start_time_seconds"], v["go_goroutines"])
		}
	})
}

// What hooks hear is counted under names of which there are few.
func TestHooksCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, metrics.Options{}, nil)
		h := k.m.Hooks(nil)
		for _, reason := range []string{"evicted", "epoch", "rewound", "slow", "new"} {
			h.Gap("room:7", reason)
		}
		for _, p := range []live.Policy{live.CatchUp, live.Disconnect, live.DropOldest, live.Latest, 77} {
			h.Slow(nil, "room:7", p)
		}
		h.Healed("room:7", 5)
		h.Published(nil, 30)
		want := map[string]float64{"tidewire_healed_rooms_total": 1, "tidewire_healed_messages_total": 5, "tidewire_fanout_members_sum": 30}
		for _, reason := range []string{"evicted", "epoch", "rewound", "slow", "other"} {
			want[fmt.Sprintf("tidewire_gaps_total{reason=%q}", reason)] = 1
		}
		for _, p := range []string{"catch-up", "disconnect", "drop-oldest", "latest"} {
			want[fmt.Sprintf("tidewire_slow_members_total{policy=%q}", p)] = 1
		}
		k.want(want)
	})
}

// A client cannot make labels, whatever it sends.
func TestLabelsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, metrics.Options{HotRooms: 3, Types: []string{"ask"}, MaxAge: -1},
			&live.Options{Limits: live.Limits{Rate: -1, Burst: -1, Inbox: -1, Faults: -1}})
		a := k.dial()
		series := 0
		for round := range 3 {
			for i := range 100 {
				name := fmt.Sprintf("t%d-%d", round, i)
				k.send(a, `{"type":%q,"id":1}`, name)
				k.send(a, `{"type":"$%s","id":1}`, name)
				k.send(a, `{"type":%q,"room":"room:%s","id":1,"mid":%q,"key":%q}`, name, name, name, name)
				k.send(a, `{"type":"$join","room":"room:%d","id":1}`, i)
				k.send(a, `{"type":"say","room":"room:%d","id":1}`, i)
			}
			synctest.Wait()
			for i := range 20 {
				c := k.dial()
				synctest.Wait()
				c.Close(ws.StatusCode(4500+round*20+i), "")
			}
			synctest.Wait()
			got := len(k.values())
			if round == 0 {
				series = got
			} else if got != series {
				t.Errorf("round %d: %d series, before that %d", round, got, series)
			}
		}
		hot := 0
		for name := range k.values() {
			if strings.HasPrefix(name, "tidewire_hot_room_members") {
				hot++
			}
		}
		if hot != 3 {
			t.Errorf("%d hot rooms are shown, want 3", hot)
		}
	})
}

func TestNoHotRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name := range busy(t, metrics.Options{HotRooms: -1}).values() {
			if strings.Contains(name, "room:") {
				t.Errorf("%s has the name of a room", name)
			}
		}
	})
}

// What was read of all sessions is shown again for some seconds.
func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, metrics.Options{}, nil)
		k.want(map[string]float64{"tidewire_sessions": 0})
		k.dial()
		synctest.Wait()
		time.Sleep(4900 * time.Millisecond)
		k.want(map[string]float64{"tidewire_sessions": 0, "tidewire_sessions_started_total": 1})
		time.Sleep(200 * time.Millisecond)
		k.want(map[string]float64{"tidewire_sessions": 1})
	})
}

// The names are those that Prometheus' own tool has nothing against.
func TestNamesAreConventional(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := busy(t, metrics.Options{Types: []string{"say"}})
		problems, err := testutil.GatherAndLint(k.m.Gatherer())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "tidewire_") {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
	})
}

func TestNewRefuses(t *testing.T) {
	refuses := func(what string, f func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", what)
			}
		}()
		f()
	}
	refuses("101 types", func() { metrics.New(metrics.Options{Types: make([]string, 101)}) })
	hub := live.NewHub(nil)
	defer hub.Close()
	m := metrics.New(metrics.Options{})
	m.Watch(hub)
	refuses("a second hub", func() { m.Watch(hub) })
}
