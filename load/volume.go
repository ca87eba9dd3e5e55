package load

// Volume is how many messages were compressed, and to what.
type Volume struct {
	Messages int64 `json:"messages"`
	Plain    int64 `json:"plain"`  // bytes of the messages
	Packed   int64 `json:"packed"` // bytes of their compressed form
}

// Ratio is the compressed form's size relative to the messages'; 0 if there were none.
func (v Volume) Ratio() float64 {
	if v.Plain == 0 {
		return 0
	}
	return float64(v.Packed) / float64(v.Plain)
}

func (v *Volume) add(o Volume) {
	v.Messages += o.Messages
	v.Plain += o.Plain
	v.Packed += o.Packed
}
