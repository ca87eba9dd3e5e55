package frame

// Scanner finds the frames in one direction of a stream that another one reads,
// however the stream is cut, and does not look at their payloads. The zero value
// stands before the first frame. A copy of a Scanner goes on from where it stood.
type Scanner struct {
	head [MaxHeaderSize]byte
	have int   // bytes of head
	skip int64 // bytes of payload that are still to come
	err  error // what came is no frame
}

// Scan takes what comes next, and calls f for each header that is whole, with
// its bytes, which are valid until f returns. It neither changes p nor keeps it.
//
// An error is one of [ParseHeader]: what came is no frame, nobody can tell where
// the next one begins, and every later Scan returns the same error.
func (s *Scanner) Scan(p []byte, f func(h Header, raw []byte)) error {
	for len(p) > 0 && s.err == nil {
		if s.skip > 0 {
			n := min(s.skip, int64(len(p)))
			p, s.skip = p[n:], s.skip-n
			continue
		}
		n := copy(s.head[s.have:], p)
		h, size, err := ParseHeader(s.head[:s.have+n])
		switch {
		case err != nil:
			s.err = err
			return err
		case size == 0: // all of p is in head
			s.have += n
			return nil
		}
		p = p[size-s.have:]
		s.have, s.skip = 0, h.Length
		f(h, s.head[:size])
	}
	return s.err
}
