//go:build !js

package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// attemptClient makes the handshake through DialOptions.HTTPClient.
func (d *dialer) attemptClient(ctx context.Context, key string) (*Conn, *http.Response, error) {
	req := d.request()
	h := req.Header
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h["Sec-WebSocket-Key"] = []string{key}
	h["Sec-WebSocket-Version"] = []string{"13"}
	if len(d.o.Subprotocols) > 0 {
		h["Sec-WebSocket-Protocol"] = []string{strings.Join(d.o.Subprotocols, ", ")}
	}
	if d.o.Compression != nil {
		h["Sec-WebSocket-Extensions"] = []string{d.o.Compression.Offer()}
	}
	client := *d.o.HTTPClient
	client.Jar = nil   // fields has asked it
	client.Timeout = 0 // would end the connection too; ctx does its work
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	asking, cancel := context.WithCancel(ctx)
	defer cancel() // means nothing to a connection that was switched
	resp, err := client.Do(req.WithContext(asking))
	if err != nil {
		return nil, nil, unwrapURL(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer time.AfterFunc(bodyTime, cancel).Stop() // a body may never end
		keepSome(resp)
		return nil, resp, explainRefusal(resp)
	}
	stream, ok := resp.Body.(io.ReadWriteCloser)
	resp.Body = http.NoBody
	if !ok {
		return nil, resp, errors.New("DialOptions.HTTPClient answers 101 with a Body that cannot be written to; its Transport must be an http.Transport or behave like one")
	}
	p, err := d.confirm(resp, key)
	if err != nil {
		stream.Close()
		return nil, resp, err
	}
	if ctx.Err() != nil {
		stream.Close()
		return nil, resp, fmt.Errorf("after the handshake: %w", context.Cause(ctx))
	}
	return newConn(birth{
		stream:      stream,
		set:         settingsFor(&d.o.ConnOptions),
		client:      true,
		subprotocol: resp.Header.Get("Sec-Websocket-Protocol"),
		deflate:     p,
	}), resp, nil
}
