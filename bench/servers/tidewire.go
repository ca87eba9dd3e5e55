package servers

import (
	"context"
	"net"
	"net/http"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// tidewire is our library by its three doors.
var tidewire = []Server{
	{
		Name: "ours", Title: "Tidewire", Note: "ws.Server on its own listener, events (Attach); fan-out by Group", Ours: true,
		Echo: true, Fanout: true, TLS: true, Deflate: true, Takeover: true,
		Serve: func(ln net.Listener, job Job) error {
			handler, options := oursHandler(job), &ws.AcceptOptions{ConnOptions: oursOptions(job)}
			srv := &ws.Server{Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) { return handler, options, nil }}
			if job.Cert != "" {
				return srv.ServeTLS(ln, job.Cert, job.Key)
			}
			return srv.Serve(ln)
		},
	},
	{
		Name: "ours-http", Title: "Tidewire, net/http", Note: "ws.Accept in a net/http handler, then Attach", Ours: true,
		Echo: true, Fanout: true, TLS: true, Deflate: true, Takeover: true,
		Serve: func(ln net.Listener, job Job) error {
			handler, options := oursHandler(job), &ws.AcceptOptions{ConnOptions: oursOptions(job)}
			return serveHTTP(ln, job, func(w http.ResponseWriter, r *http.Request) {
				if c, err := ws.Accept(w, r, options); err == nil {
					c.Attach(handler)
				}
			})
		},
	},
	{
		Name: "ours-messages", Title: "Tidewire, goroutines", Note: "ws.HTTPHandler with a Messages loop, a goroutine per connection", Ours: true,
		Echo: true, TLS: true, Deflate: true, Takeover: true,
		Serve: func(ln net.Listener, job Job) error {
			h := ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
				for m, err := range c.Messages(ctx) {
					if err != nil {
						return err
					}
					if err := c.Write(ctx, m.Type, m.Data); err != nil {
						return err
					}
				}
				return nil
			}, &ws.AcceptOptions{ConnOptions: oursOptions(job)})
			return serveHTTP(ln, job, h.ServeHTTP)
		},
	},
}

func oursOptions(job Job) ws.ConnOptions {
	o := ws.ConnOptions{MaxMessage: maxMessage}
	if job.Deflate {
		o.Compression = &deflate.Options{NoContextTakeover: !job.Takeover}
	}
	return o
}

func oursHandler(job Job) ws.Handler {
	if job.Fanout {
		return &oursFanout{}
	}
	return oursEcho{}
}

type oursEcho struct{}

func (oursEcho) Opened(*ws.Conn) {}
func (oursEcho) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	c.Write(context.Background(), typ, p)
}
func (oursEcho) Closed(*ws.Conn, error) {}

type oursFanout struct{ group ws.Group }

func (f *oursFanout) Opened(c *ws.Conn) { f.group.Add(c) }
func (f *oursFanout) Message(_ *ws.Conn, typ ws.MessageType, p []byte) {
	f.group.Send(ws.Prepare(typ, p))
}
func (f *oursFanout) Closed(c *ws.Conn, _ error) { f.group.Remove(c) }
