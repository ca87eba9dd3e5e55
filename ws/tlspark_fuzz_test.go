//go:build !js

package ws_test

import (
	"bytes"
	"crypto/tls"
	"testing"
)

// FuzzTLSRecordsInPieces cuts a stream of records anywhere. Each byte of script
// makes a record, each of cuts says how much of the stream comes before a read that
// would block.
func FuzzTLSRecordsInPieces(f *testing.F) {
	f.Add([]byte{0, 4, 1, 3, 2, 255}, []byte{1, 5, 2})
	f.Add([]byte{7, 7, 3, 3, 250, 1, 1, 9}, []byte{22})
	f.Add([]byte{2, 2, 2, 0, 1}, []byte{})
	f.Fuzz(func(t *testing.T, script, cuts []byte) {
		for _, version := range tlsVersions {
			s, below, peer := parkedPair(t, version)
			var stream, want []byte
			idle := 0 // crypto/tls bears 16 records in a row that bring nothing
			for _, b := range script[:min(len(script), 100)] {
				switch op := b & 3; {
				case op == 0 || idle > 10:
					p := bytes.Repeat([]byte{b}, 1+int(b)*8)
					want = append(want, p...)
					stream = append(stream, peer.record(tlsData, p)...)
					idle = 0
				case op == 1 && version == tls.VersionTLS13:
					stream = append(stream, peer.keyUpdate(b&4 != 0, 1+int(b>>6))...)
					idle++
				case op == 2:
					stream = append(stream, peer.record(tlsData, nil)...)
					idle++
				default:
					stream = append(stream, peer.record(tlsAlert, []byte{1, tlsUserCanceled})...)
					idle++
				}
			}
			var got []byte
			for i := 0; len(stream) > 0; i++ {
				k := len(stream)
				if len(cuts) > 0 && i < 1000 {
					k = min(k, 1+int(cuts[i%len(cuts)]))
				}
				below.fed, stream = stream[:k], stream[k:]
				var err error
				if got, err = drain(s, got); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("read %d bytes of %d", len(got), len(want))
			}
			for below.out.Len() > 0 { // every answer is whole, under the right keys
				if _, _, err := peer.read(&below.out); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
