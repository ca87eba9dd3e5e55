package interop_test

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/gobwas/httphead"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"

	"github.com/tidewire/tidewire/ws"
)

var gobwasLibrary = library{
	name:   "gobwas",
	dial:   gobwasDial,
	listen: gobwasListen,
	modes:  []compression{plain, noContext}, // wsflate has no takeover
}

// gobwasEnd does with wsutil what its documentation leaves to the user.
type gobwasEnd struct {
	inbox
	c     net.Conn
	state gobwas.State
	z     bool

	mu      sync.Mutex // around writes
	closing bool       // a close frame was sent
}

func gobwasDial(t testing.TB, url string, z compression) end {
	d := gobwas.Dialer{TLSConfig: clientTLS()}
	d.TLSClient = func(c net.Conn, host string) net.Conn {
		cfg := clientTLS()
		cfg.ServerName = host
		return tls.Client(c, cfg)
	}
	if z != plain {
		d.Extensions = []httphead.Option{wsflate.DefaultParameters.Option()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, br, hs, err := d.Dial(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	if (z != plain) != (len(hs.Extensions) == 1) {
		t.Errorf("extensions: %v", hs.Extensions)
	}
	if br != nil {
		t.Errorf("%d bytes came with the handshake", br.Buffered())
	}
	e := &gobwasEnd{inbox: newInbox(), c: c, state: gobwas.StateClientSide, z: z != plain}
	go e.run()
	return e
}

func gobwasListen(t testing.TB, secure bool, z compression) (string, <-chan end) {
	ends := make(chan end, 64)
	return listenHTTP(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ext := wsflate.Extension{Parameters: wsflate.DefaultParameters}
		var u gobwas.HTTPUpgrader
		if z != plain {
			u.Negotiate = ext.Negotiate
		}
		c, _, _, err := u.Upgrade(r, w)
		if err != nil {
			t.Error(err)
			return
		}
		if _, ok := ext.Accepted(); ok != (z != plain) {
			t.Errorf("compression accepted: %v", ok)
		}
		e := &gobwasEnd{inbox: newInbox(), c: c, state: gobwas.StateServerSide, z: z != plain}
		ends <- e
		e.run()
	})), ends
}

func (e *gobwasEnd) locked(f func() error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return f()
}

// Write is the control handler's way out.
func (e *gobwasEnd) Write(p []byte) (n int, err error) {
	err = e.locked(func() error {
		n, err = e.c.Write(p)
		return err
	})
	return n, err
}

func (e *gobwasEnd) control(h gobwas.Header, r io.Reader) error {
	p := make([]byte, h.Length)
	if _, err := io.ReadFull(r, p); err != nil {
		return err
	}
	switch h.OpCode {
	case gobwas.OpPong:
		e.inbox <- event{kind: pong, text: string(p)}
		return nil
	case gobwas.OpClose:
		e.mu.Lock()
		closing := e.closing
		e.mu.Unlock()
		if closing { // this is the answer; the library's handler would answer it again
			code, reason := gobwas.ParseCloseFrameData(p)
			if code == 0 {
				code = gobwas.StatusNoStatusRcvd
			}
			return wsutil.ClosedError{Code: code, Reason: reason}
		}
	}
	return wsutil.ControlFrameHandler(e, e.state)(h, bytes.NewReader(p))
}

func (e *gobwasEnd) run() {
	defer e.c.Close()
	err := e.read()
	ev := event{kind: closed, code: ws.StatusAbnormalClosure, err: err}
	if ce := (wsutil.ClosedError{}); errors.As(err, &ce) {
		ev.code, ev.text = ws.StatusCode(ce.Code), ce.Reason
	}
	e.inbox <- ev
}

func (e *gobwasEnd) read() error {
	var msg wsflate.MessageState
	r := &wsutil.Reader{Source: e.c, State: e.state, CheckUTF8: !e.z, OnIntermediate: e.control}
	if e.z {
		r.State |= gobwas.StateExtended
		r.Extensions = []wsutil.RecvExtension{&msg}
	}
	for {
		h, err := r.NextFrame()
		if err != nil {
			return err
		}
		if h.OpCode.IsControl() {
			if err := e.control(h, r); err != nil {
				return err
			}
			continue
		}
		var src io.Reader = r
		if e.z && msg.IsCompressed() {
			src = wsflate.NewReader(r, func(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) })
		}
		p, err := io.ReadAll(src)
		if err != nil {
			return err
		}
		e.inbox <- messageEvent(ws.MessageType(h.OpCode), p)
	}
}

func (e *gobwasEnd) send(typ ws.MessageType, p []byte) error {
	return e.sendParts(typ, [][]byte{p})
}

func (e *gobwasEnd) sendParts(typ ws.MessageType, parts [][]byte) error {
	return e.locked(func() error {
		if !e.z && len(parts) == 1 {
			return wsutil.WriteMessage(e.c, e.state, gobwas.OpCode(typ), parts[0])
		}
		w := wsutil.NewWriter(e.c, e.state, gobwas.OpCode(typ))
		if !e.z {
			for i, p := range parts {
				if _, err := w.Write(p); err != nil {
					return err
				}
				if i < len(parts)-1 {
					if err := w.FlushFragment(); err != nil {
						return err
					}
				}
			}
			return w.Flush()
		}
		var msg wsflate.MessageState
		msg.SetCompressed(true)
		w = wsutil.NewWriter(e.c, e.state|gobwas.StateExtended, gobwas.OpCode(typ))
		w.SetExtensions(&msg)
		z := wsflate.NewWriter(w, func(w io.Writer) wsflate.Compressor {
			f, _ := flate.NewWriter(w, flate.BestSpeed)
			return f
		})
		for _, p := range parts {
			if _, err := z.Write(p); err != nil {
				return err
			}
		}
		if err := z.Close(); err != nil {
			return err
		}
		return w.Flush()
	})
}

func (e *gobwasEnd) frame(f gobwas.Frame) error {
	if e.state.ClientSide() {
		f = gobwas.MaskFrame(f)
	}
	b, err := gobwas.CompileFrame(f)
	if err != nil {
		return err
	}
	_, err = e.c.Write(b)
	return err
}

func (e *gobwasEnd) ping(p []byte) error {
	return e.locked(func() error { return e.frame(gobwas.NewPingFrame(p)) })
}

func (e *gobwasEnd) close(code ws.StatusCode, reason string) error {
	return e.locked(func() error {
		e.closing = true
		if code == ws.StatusNoStatusRcvd {
			return e.frame(gobwas.NewCloseFrame(nil))
		}
		return e.frame(gobwas.NewCloseFrame(gobwas.NewCloseFrameBody(gobwas.StatusCode(code), reason)))
	})
}

func (e *gobwasEnd) abort() { e.c.Close() }
