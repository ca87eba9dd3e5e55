package deflate

// CheckSyntax reports whether the values of Sec-WebSocket-Extensions are well
// formed, whatever they name. A server that is sent others must refuse the
// handshake, also where it offers no compression (RFC 6455 §9.1).
func CheckSyntax(values []string) error {
	h := headerReader{values: values}
	for {
		name, err := h.nextExtension()
		if name == "" {
			return err
		}
	}
}
