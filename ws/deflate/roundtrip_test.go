package deflate_test

import (
	"bytes"
	"testing"

	"github.com/tidewire/tidewire/ws/deflate"
)

// FuzzRoundTrip plays a connection: data says which parameters and options are
// agreed on, and then which messages go, how, and of which part of text. The
// Decompressor must give them back, and so must the standard library.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 10, 0, 64, 0, 10, 0, 64, 1, 10, 0, 64, 2, 10, 0, 64}, []byte("the text that the messages are taken from, and taken from again"))
	for i := byte(0); i < 24; i++ {
		f.Add([]byte{i, i * 7, i * 31, i, 0, 200, 0, 1, 90, 250, 2, 3, 40, 3, 60, 60, 0, 0, 255, 1, 255, 255}, farText(uint64(i), 3000))
	}
	f.Fuzz(func(t *testing.T, data, text []byte) {
		if len(data) < 3 || len(text) > 1<<16 {
			return
		}
		p := params("", 8+int(data[0]&7), 8+int(data[0]>>3&7))
		p.ServerNoContextTakeover, p.ClientNoContextTakeover = data[0]&64 != 0, data[0]&128 != 0
		o := &deflate.Options{
			Level:             int(data[1] & 15),
			NoContextTakeover: data[1]&16 != 0,
			WindowBits:        int(data[1] >> 5 * 2),
			History:           []int{0, 1, 100, 3000, 1 << 15, 1 << 20, -1, 4096}[data[2]&7],
		}
		client := data[2]&8 != 0
		c := deflate.NewCompressor(o, p, client)
		d := deflate.NewDecompressor(p, !client)
		defer c.Release()
		defer d.Release()
		if bits := p.ServerMaxWindowBits; !client && c.Window() > bits || client && c.Window() > p.ClientMaxWindowBits {
			t.Fatalf("window %d with %+v", c.Window(), p)
		}
		alone := !client && p.ServerNoContextTakeover || client && p.ClientNoContextTakeover
		var past, payload, want []byte
		for ops := data[3:]; len(ops) >= 3 && len(past) < 1<<19; ops = ops[3:] {
			from := min(int(ops[1])<<8, len(text))
			m := text[from:min(len(text), from+int(ops[2])*(1+int(ops[0]>>4)))]
			var err error
			switch ops[0] & 3 {
			case 0: // a message, or the last part of one
				payload, err = c.Append(payload, m)
			case 1: // a part that is not the last
				payload, err = c.Append(payload, m)
				payload = append(payload, "\x00\x00\xff\xff"...)
				want = append(want, m...)
				if err == nil {
					continue
				}
			case 2: // prepared, unless a message was begun
				if len(payload) > 0 {
					continue
				}
				payload, err = deflate.AppendStateless(nil, m, o.Level, c.Window())
				c.Observe(m)
			case 3: // plain
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, m...)
			got, err := d.Append(nil, payload, int64(len(want)))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%+v, %+v: %d bytes became %d, and then %d, %v", o, p, len(want), len(payload), len(got), err)
			}
			if alone {
				past = nil
			}
			got, err = stdInflate(payload, past, "\x00\x00\xff\xff\x01\x00\x00\xff\xff")
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%+v, %+v: %d bytes became %d, of which the standard library makes %d, %v", o, p, len(want), len(payload), len(got), err)
			}
			if keep := 1 << c.Window(); c.Held() > max(512, keep) || d.Held() > 32<<10 {
				t.Fatalf("%d and %d bytes are held", c.Held(), d.Held())
			}
			past = append(past, want...)
			payload, want = payload[:0], want[:0]
		}
	})
}
