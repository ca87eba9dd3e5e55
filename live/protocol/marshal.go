package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// Marshal encodes a payload. Struct tags are those of encoding/json, for both codecs; a
// type that implements json.Marshaler or encoding.TextMarshaler is asked, for both. So a
// value is the same in both but for two things:
//
//   - A []byte is a byte string in CBOR, and in JSON what encoding/json makes of it: padded
//     base64 of the standard alphabet. Where the server converts CBOR to JSON it writes
//     base64url without padding. Whoever sends bytes to members of both codecs should
//     encode them to a string.
//   - Maps with keys that are not strings are refused in CBOR.
//
// What the other codec cannot say is refused too: NaN, infinities, in CBOR integers past
// ±(2^53-1) and tags. JSON writes such integers; they lose their last digits in CBOR and
// in JavaScript.
func (c Codec) Marshal(v any) ([]byte, error) {
	if c == CBOR {
		b, err := cborEncoder.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("protocol: %w", err)
		}
		if len(b) > math.MaxInt32 {
			return nil, errors.New("protocol: payload is longer than 2 GiB")
		}
		r := cborReader{p: b, depth: math.MaxInt}
		if r.value() {
			r.end()
		}
		return checked(b, r.first())
	}
	var buffer bytes.Buffer
	e := json.NewEncoder(&buffer)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("protocol: %w", err)
	}
	// A json.Marshaler may have written what encoding/json does not look at.
	b := bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))
	if !utf8.Valid(b) {
		return nil, errors.New("protocol: payload is not UTF-8")
	}
	r := jsonReader{p: b, depth: math.MaxInt}
	if r.value() {
		r.end()
	}
	return checked(b, r.first())
}

func checked(b []byte, fault *Error) ([]byte, error) {
	if fault != nil {
		return nil, fmt.Errorf("protocol: %s", fault.Message)
	}
	return b, nil
}

// Unmarshal decodes a payload into v, as encoding/json would: see Marshal. Data that is
// absent is taken for null, which leaves numbers, strings and structs alone and makes
// pointers, maps, slices and interfaces nil. In an interface, a number from JSON is a
// float64, and one from CBOR an int64 or a float64.
//
// An error about data is an *Error; one about v is not.
func (c Codec) Unmarshal(data []byte, v any) error {
	if to := reflect.ValueOf(v); to.Kind() != reflect.Pointer || to.IsNil() {
		return fmt.Errorf("protocol: cannot decode into %T: not a pointer, or nil", v)
	}
	var err error
	switch {
	case c == CBOR && len(data) == 0:
		err = cborDecoder.Unmarshal([]byte{cborNull}, v)
	case c == CBOR:
		err = cborDecoder.Unmarshal(data, v)
	case len(data) == 0:
		err = json.Unmarshal([]byte("null"), v)
	default:
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return c.misfit(data, v, err)
	}
	return nil
}

var (
	cborEncoder = must(cbor.EncOptions{
		Sort:                    cbor.SortBytewiseLexical,
		NaNConvert:              cbor.NaNConvertReject,
		InfConvert:              cbor.InfConvertReject,
		BigIntConvert:           cbor.BigIntConvertReject,
		Time:                    cbor.TimeRFC3339Nano,
		TagsMd:                  cbor.TagsForbidden,
		OmitEmpty:               cbor.OmitEmptyGoValue,
		ByteArray:               cbor.ByteArrayToArray,
		TextMarshaler:           cbor.TextMarshalerTextString,
		JSONMarshalerTranscoder: transcoder{JSON, CBOR},
	}.EncMode())

	cborDecoder = must(cbor.DecOptions{
		// Parse has bounded what comes from outside.
		MaxNestedLevels:           math.MaxUint16,
		MaxArrayElements:          math.MaxInt32,
		MaxMapPairs:               math.MaxInt32,
		TagsMd:                    cbor.TagsForbidden,
		IntDec:                    cbor.IntDecConvertSignedOrFail,
		DefaultMapType:            reflect.TypeFor[map[string]any](),
		TextUnmarshaler:           cbor.TextUnmarshalerTextString,
		JSONUnmarshalerTranscoder: transcoder{CBOR, JSON},
	}.DecMode())
)

// must returns a mode: its options are constants, and a test would fail.
func must[mode any](m mode, err error) mode {
	if err != nil {
		panic(err)
	}
	return m
}

// A transcoder gives types that know only JSON their place in CBOR.
type transcoder struct{ from, to Codec }

// Transcode implements cbor.Transcoder.
func (t transcoder) Transcode(w io.Writer, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if data, err = Convert(data, t.from, t.to); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
