package bridge

import (
	"net/http"
	"time"
)

// A page is a ResponseWriter of which each write has so much time, however long all of them take. It has no ReadFrom, by which a file
// would be one write.
type page struct {
	http.ResponseWriter
	each time.Duration
}

func (p page) Write(b []byte) (int, error) {
	http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(p.each))
	return p.ResponseWriter.Write(b)
}

// Flush is for who looks for a Flusher.
func (p page) Flush() { http.NewResponseController(p.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (p page) Unwrap() http.ResponseWriter { return p.ResponseWriter }
