package servers

import "net"

var floorConn = Server{
	Name: "floor-conn", Title: "floor: net.Conn", Note: "frames on trust, a goroutine and net.Conn.Read", Floor: true,
	Echo: true, Fanout: true, TLS: true,
	Serve: func(ln net.Listener, job Job) error {
		ln, err := secured(ln, job)
		if err != nil {
			return err
		}
		var all hub[net.Conn]
		for {
			c, err := ln.Accept()
			if err != nil {
				return err
			}
			go func() {
				defer c.Close()
				// A buffer of its own: it has to be there before a Read.
				b := make([]byte, 4<<10)
				if !floorShake(c, b) {
					return
				}
				if job.Fanout {
					all.join(c)
					defer all.leave(c)
				}
				var p partial
				for {
					n, err := c.Read(p.into(b))
					if err != nil {
						return
					}
					t := p.take(b, n)
					switch {
					case t.closed:
						c.Write(t.out)
						return
					case len(t.out) == 0:
					case job.Fanout:
						all.each(func(c net.Conn) { c.Write(t.out) })
					default:
						c.Write(t.out)
					}
				}
			}()
		}
	},
}

// floorShake reads the request into b and answers it.
func floorShake(c net.Conn, b []byte) bool {
	for n := 0; n < len(b); {
		m, err := c.Read(b[n:])
		if err != nil {
			return false
		}
		n += m
		if answer := shake(b[:n]); answer != nil {
			_, err := c.Write(answer)
			return err == nil
		}
	}
	return false
}
