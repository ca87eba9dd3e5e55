package frame

// Error is a breach of the protocol. The errors of this package are the
// variables below: compare them with errors.Is, and read the code to close with
// through errors.As.
type Error struct {
	Code   StatusCode // what to close the connection with
	Reason string     // what was wrong; fits the reason of a close frame
}

// Error returns Reason. It has no prefix, so that it can be sent to the peer as
// it is.
func (e *Error) Error() string { return e.Reason }

// What a peer can do wrong, or a caller of [AppendClose].
var (
	// ErrNonMinimalLength: a length was not in its shortest form.
	ErrNonMinimalLength = &Error{StatusProtocolError, "frame length is not in its shortest form (RFC 6455 section 5.2)"}

	// ErrLengthOverflow: the top bit of a 64-bit length was set.
	ErrLengthOverflow = &Error{StatusProtocolError, "frame length has its top bit set (RFC 6455 section 5.2)"}

	// ErrReservedBits: a bit was set that no extension has given a meaning here.
	ErrReservedBits = &Error{StatusProtocolError, "frame has a reserved bit set that was not negotiated (RFC 6455 section 5.2)"}

	// ErrReservedOpcode: the opcode was 3 to 7 or 11 to 15.
	ErrReservedOpcode = &Error{StatusProtocolError, "frame has a reserved opcode (RFC 6455 section 5.2)"}

	// ErrControlTooLong: a control frame had more than 125 bytes of payload.
	ErrControlTooLong = &Error{StatusProtocolError, "control frame is longer than 125 bytes (RFC 6455 section 5.5)"}

	// ErrControlFragmented: a control frame came without FIN.
	ErrControlFragmented = &Error{StatusProtocolError, "control frame is fragmented (RFC 6455 section 5.5)"}

	// ErrUnmasked: a server received a frame without a mask.
	ErrUnmasked = &Error{StatusProtocolError, "frame from a client is not masked (RFC 6455 section 5.1)"}

	// ErrMasked: a client received a frame with a mask.
	ErrMasked = &Error{StatusProtocolError, "frame from a server is masked (RFC 6455 section 5.1)"}

	// ErrContinuation: a continuation came while no message was under way.
	ErrContinuation = &Error{StatusProtocolError, "continuation frame without a message to continue (RFC 6455 section 5.4)"}

	// ErrInterleaved: a message began inside another one.
	ErrInterleaved = &Error{StatusProtocolError, "message begins before the fragmented one has ended (RFC 6455 section 5.4)"}

	// ErrInvalidUTF8: a text message or the reason of a close was not UTF-8.
	ErrInvalidUTF8 = &Error{StatusInvalidFramePayloadData, "text is not valid UTF-8 (RFC 6455 section 8.1)"}

	// ErrCloseCode: a status code may not stand in a close frame.
	ErrCloseCode = &Error{StatusProtocolError, "status code is not allowed in a close frame (RFC 6455 section 7.4)"}

	// ErrClosePayload: the payload of a close frame was one byte long.
	ErrClosePayload = &Error{StatusProtocolError, "close frame has a payload of one byte (RFC 6455 section 5.5.1)"}

	// ErrCloseReason: the reason for a close was longer than MaxCloseReason.
	ErrCloseReason = &Error{StatusProtocolError, "reason for a close is longer than 123 bytes (RFC 6455 section 5.5)"}

	// ErrTooBig: a payload was larger than the caller allows.
	ErrTooBig = &Error{StatusMessageTooBig, "frame is larger than the limit"}
)
