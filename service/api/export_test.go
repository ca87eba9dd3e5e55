package api

import "encoding/json"

// Routes returns the method of each path.
func Routes(h *Handler) map[string]string {
	all := map[string]string{}
	for path, r := range h.routes {
		all[path] = r.method
	}
	return all
}

// ParseObject reads a body.
func ParseObject(p []byte, names ...string) (map[string]json.RawMessage, error) {
	return parseObject(p, names...)
}

// Text reads a string of a body.
func Text(raw json.RawMessage) (string, error) { return text(raw, "it") }
