package protocol

import (
	"math"
	"unicode/utf8"
)

// HistoryPage is the data of the reply to a $history. It is encoded by AppendPage and
// decoded by ParsePage: Marshal does not know messages.
type HistoryPage struct {
	Messages []Message // the oldest first
	More     bool      // there are still older ones
}

// The members of a page.
const (
	pageMessages field = 1 << iota
	pageMore
)

func pageFieldOf(name []byte) field {
	switch string(name) {
	case "messages":
		return pageMessages
	case "more":
		return pageMore
	}
	return fieldUnknown
}

// AppendPage appends p to b, each message as Append does. With an error, which is an
// *Error, it returns b as it was.
func (c Codec) AppendPage(b []byte, p *HistoryPage) ([]byte, error) {
	start := len(b)
	if c == CBOR {
		b = append(b, majorMap<<5|2)
		b = appendCBORText(b, "messages")
		b = appendHead(b, majorArray, uint64(len(p.Messages)))
	} else {
		b = append(b, `{"messages":[`...)
	}
	for i := range p.Messages {
		if c == JSON && i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = c.Append(b, &p.Messages[i]); err != nil {
			return b[:start], err
		}
	}
	switch {
	case c == CBOR:
		b = appendCBORText(b, "more")
		return append(b, cborBool(p.More)), nil
	case p.More:
		return append(b, `],"more":true}`...), nil
	}
	return append(b, `],"more":false}`...), nil
}

// ParsePage decodes the data of a message. depth bounds each message of the page by
// itself, as in Parse. Their Data are parts of data. Data that is absent is an empty page.
// An error is always an *Error.
//
// Around the page is a message too, which Parse has to let be PageDepth levels deeper.
func (c Codec) ParsePage(data []byte, depth int) (HistoryPage, error) {
	if depth <= 0 {
		depth = DefaultDepth
	}
	var p HistoryPage
	var fault *Error
	switch {
	case len(data) == 0:
	case len(data) > math.MaxInt32:
		fault = Errorf(CodeTooLarge, "page is longer than 2 GiB")
	case c == CBOR:
		// The page and its array are two levels.
		r := cborReader{p: data, depth: min(depth, math.MaxInt-2) + 2}
		if r.page(&p) {
			r.end()
		}
		fault = r.first()
	case !utf8.Valid(data):
		fault = Errorf(CodeInvalid, "page is not UTF-8")
	default:
		r := jsonReader{p: data, depth: min(depth, math.MaxInt-2) + 2}
		r.space()
		if r.page(&p) {
			r.end()
		}
		fault = r.first()
	}
	if fault != nil {
		return HistoryPage{}, fault
	}
	for i := range p.Messages {
		p.Messages[i].Codec = c
	}
	return p, nil
}

func (r *jsonReader) page(p *HistoryPage) bool {
	if !r.at('{') {
		return r.fail("a page, which is an object,")
	}
	_, ok := r.fields(pageFieldOf, "", func(f field) bool {
		switch {
		case f == fieldUnknown:
			return r.value()
		case r.at('n'):
			return r.literal("null")
		case f == pageMore:
			return r.boolean(&p.More, "more")
		case r.at('['):
			return r.messages(p)
		}
		r.invalid("messages is not an array")
		return r.value()
	})
	return ok
}

func (r *jsonReader) messages(p *HistoryPage) bool {
	r.push(false)
	if r.space(); r.at(']') {
		r.pop()
		return true
	}
	for {
		var m Message
		if !r.message(&m) {
			return false
		}
		p.Messages = append(p.Messages, m)
		if r.space(); r.at(']') {
			r.pop()
			return true
		}
		if !r.at(',') {
			return r.fail("a comma or ]")
		}
		r.i++
		r.space()
	}
}

func (r *cborReader) page(p *HistoryPage) bool {
	if r.major() != majorMap {
		return r.fail("page is not a map")
	}
	_, ok := r.fields(pageFieldOf, "", func(f field) bool {
		switch {
		case f == fieldUnknown:
			return r.value()
		case r.at(cborNull):
			r.i++
			return true
		case f == pageMore:
			return r.boolean(&p.More, "more")
		case r.major() == majorArray:
			return r.messages(p)
		}
		r.invalid("messages is not an array")
		return r.value()
	})
	return ok
}

func (r *cborReader) messages(p *HistoryPage) bool {
	o, ok := r.enter()
	if !ok {
		return false
	}
	for {
		_, more, ok := r.next(&o)
		if !more || !ok {
			return ok
		}
		var m Message
		if !r.message(&m) {
			return false
		}
		p.Messages = append(p.Messages, m)
	}
}

func cborBool(v bool) byte {
	if v {
		return cborTrue
	}
	return cborFalse
}
