package api

// Routes returns the method of each path.
func Routes(h *Handler) map[string]string {
	all := map[string]string{}
	for path, r := range h.routes {
		all[path] = r.method
	}
	return all
}
