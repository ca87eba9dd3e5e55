package talk

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
)

// answer is a ResponseWriter that tells of the answer to a handshake, be it a refusal or the 101 that is written to the
// connection itself.
type answer struct {
	http.ResponseWriter
	tracer *Tracer
	conn   *traced // on which the 101 is
}

func (a *answer) WriteHeader(status int) {
	a.tracer.head(">", fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status)), a.Header())
	a.ResponseWriter.WriteHeader(status)
}

// Hijack is for ws.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, buffered, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	a.conn = &traced{Conn: nc, tracer: a.tracer, in: direction{lost: true}, out: direction{mark: ">", heading: true}}
	return a.conn, buffered, nil
}

// wrap has the frames told of that follow.
func (a *answer) wrap(nc net.Conn) net.Conn {
	a.conn.silence()
	return a.tracer.trace(nc, false)
}
