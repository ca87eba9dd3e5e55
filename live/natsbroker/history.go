package natsbroker

import (
	"context"
	"slices"
	"sort"
	"time"

	"github.com/tidewire/tidewire/live"
)

// History reads what a stream has of a room.
func (b *Broker) History(ctx context.Context, room live.Room, q live.Query) (live.Page, error) {
	s, err := b.of(room)
	if err != nil {
		return live.Page{}, err
	}
	r := &reader{s: s, subject: s.every(room.Name)}
	if q.Backward {
		return r.backward(ctx, q)
	}
	return r.forward(ctx, q)
}

// reader reads one room.
type reader struct {
	s       *stream
	subject string
}

// pageBytes is how many bytes an answer may have; there is at least one message in it.
const pageBytes = 1 << 20

// head returns where the room stands: behind its last message, or, if nothing is there that is given out, behind the stream's.
func (r *reader) head(ctx context.Context) (live.Position, error) {
	found, err := r.s.heads(ctx, []string{r.subject})
	if err != nil {
		return live.Position{}, err
	}
	for _, x := range found.all {
		if x.msg != nil && !r.old(x) {
			return x.msg.Pos, nil
		}
	}
	return live.Position{Epoch: r.s.epochNow(), Seq: found.upTo}, nil
}

// headAgain returns the head where what was read did not reach it: the same, if it was read from who has not got it yet, unless
// it has been evicted since, or is of a history that is no more.
func (r *reader) headAgain(ctx context.Context, was live.Position) (live.Position, error) {
	now, err := r.head(ctx)
	if err != nil || now.Mid == "" || now.Epoch != was.Epoch || now.Seq < was.Seq {
		return now, err
	}
	return was, nil
}

// old reports whether a message has an age at which it is not given out any more.
func (r *reader) old(x stored) bool {
	age := r.s.keep.Age
	return age > 0 && time.Since(x.at) >= age
}

// forward reads on from a position. Any replica may answer: what it says must reach the head that was true at the call.
func (r *reader) forward(ctx context.Context, q live.Query) (live.Page, error) {
	head, err := r.head(ctx)
	page := live.Page{Head: head}
	if err != nil || q.Limit == 0 {
		return page, err
	}
	batch := q.Limit + 1
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		got, err := r.s.ask(ctx, get{Next: r.subject, Seq: q.From, Batch: batch, Bytes: pageBytes})
		if err != nil && !isUnavailable(err) {
			return page, err
		}
		reaches := got.rest > 0 || head.Mid == "" || head.Seq < q.From || len(got.all) > 0 && got.all[len(got.all)-1].seq >= head.Seq
		if err == nil && reaches {
			err := r.fill(ctx, &page, q, got)
			if err == nil && len(page.Messages) == 0 && page.More {
				// Nothing of that is given out. An empty page would say that there is nothing, so what is behind it is read.
				q.From, wait = got.all[len(got.all)-1].seq+1, time.Millisecond
				page.More, batch = false, max(batch, 500) // there may be many of age
				continue
			}
			return page, err
		}
		if err := r.s.pause(ctx, wait); err != nil {
			return page, err
		}
		if err == nil {
			if head, err = r.headAgain(ctx, head); err != nil {
				return page, err
			}
			page.Head = head
		}
	}
}

// fill makes a page of what a stream has answered.
func (r *reader) fill(ctx context.Context, page *live.Page, q live.Query, got batch) error {
	all := got.all
	known := false       // what was evicted
	hidden := page.Floor // by what was read before
	defer func() { page.Floor = max(page.Floor, hidden) }()
	if uint64(len(all))+got.rest > uint64(r.s.keep.History) {
		page.Floor, known = all[0].seq, true // the one that is kept beyond what is given out
		all = all[1:]
	}
	for len(all) > 0 && r.old(all[0]) {
		if all[0].seq == page.Head.Seq {
			page.Head.Mid = "" // it has come of age since that was read
		}
		page.Floor, known = all[0].seq, true
		all = all[1:]
	}
	if !known && len(all) > 0 && all[0].seq == q.From && q.From > 0 {
		page.Floor, known = q.From-1, true // the oldest go first: it is there, and so is all behind it
	}
	if got.rest > 0 || len(all) > q.Limit {
		page.More = true
	}
	page.Messages = append(page.Messages, messages(all[:min(len(all), q.Limit)])...)
	if n := len(page.Messages); n > 0 && page.Messages[n-1].Pos.Seq > page.Head.Seq {
		page.Head = page.Messages[n-1].Pos // it came meanwhile
	}
	if known {
		return nil
	}
	floor, err := r.floor(ctx)
	page.Floor = floor
	return err
}

// messages returns those that are some: what a stranger has published into the stream may be none.
func messages(all []stored) (out []*live.Message) {
	for _, x := range all {
		if x.msg != nil {
			out = append(out, x.msg)
		}
	}
	return out
}

// floor returns up to where messages of the room have been evicted, as of a moment behind the call. The stream's leader
// knows, once it has a fence that was stored behind it.
func (r *reader) floor(ctx context.Context) (uint64, error) {
	behind := uint64(0)
	if r.s.replicated.Load() {
		var err error
		if behind, err = r.s.fence(ctx); err != nil {
			return 0, err
		}
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		info, err := r.s.info(ctx, r.subject)
		switch {
		case err != nil && !isUnavailable(err):
			return 0, err
		case err == nil && info.State.LastSeq >= behind:
			if n := info.State.Subjects[r.subject]; n <= uint64(r.s.keep.History) {
				return max(info.State.FirstSeq, 1) - 1, nil // what went was at the stream's own end
			}
			if seq, err := r.first(ctx); err == nil {
				return seq, nil
			} else if !isUnavailable(err) {
				return 0, err
			}
		}
		if err := r.s.pause(ctx, wait); err != nil {
			return 0, err
		}
	}
}

// first asks the stream's leader for the room's first message.
func (r *reader) first(ctx context.Context) (uint64, error) {
	var found struct {
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	err := r.s.request(ctx, "MSG.GET", get{Next: r.subject, Seq: 1}, &found)
	return found.Message.Seq, err
}

// backward reads the newest messages before a position. A stream reads forwards alone, and says how many there are: where to
// begin is searched for.
func (r *reader) backward(ctx context.Context, q live.Query) (live.Page, error) {
	head, err := r.head(ctx)
	if err != nil {
		return live.Page{}, err
	}
	page := live.Page{Head: head}
	if q.Limit == 0 || head.Mid == "" {
		return page, nil
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		end := head.Seq + 1
		if q.Before > 0 {
			end = min(end, q.Before)
		}
		all, more, seen, err := r.before(ctx, end, q.Limit)
		if err != nil && !isUnavailable(err) {
			return page, err
		}
		if err == nil && seen >= min(head.Seq, end-1) { // who has that has all before it
			page.Messages = messages(all)
			if len(all) == 0 && end > head.Seq {
				page.Head.Mid = "" // it has come of age since it was read
			}
			page.More = more
			return page, nil
		}
		if err := r.s.pause(ctx, wait); err != nil {
			return page, err
		}
		if err == nil {
			if head, err = r.headAgain(ctx, head); err != nil {
				return page, err
			}
			if page.Head = head; head.Mid == "" {
				return page, nil
			}
		}
	}
}

// before returns the last n messages below a position, and whether there are more. seen is up to where who answered last
// has the room, as far as it was read.
func (r *reader) before(ctx context.Context, end uint64, n int) (all []stored, more bool, seen uint64, err error) {
	// behind returns how many there are from a position on, and the first of them.
	behind := func(seq uint64) (uint64, stored, error) {
		got, err := r.s.ask(ctx, get{Next: r.subject, Seq: seq, Batch: 1})
		if err != nil || len(got.all) == 0 {
			return 0, stored{}, err
		}
		return got.rest + 1, got.all[0], nil
	}
	total, first, err := behind(0)
	if err != nil || total == 0 {
		return nil, false, 0, err
	}
	from, later := first.seq, uint64(0)
	if total > uint64(2*n+beforeSlack) {
		if later, _, err = behind(end); err != nil {
			return nil, false, 0, err
		}
		// One more says whether there are more. More still may come while it is searched for.
		wanted := later + uint64(n) + 1 + beforeSlack/2
		low, high := first.seq, end // low has at least so many behind it
		for high-low > 1 {
			mid := low + (high-low)/2
			count, _, err := behind(mid)
			if err != nil {
				return nil, false, 0, err
			}
			if count >= wanted {
				low = mid
			} else {
				high = mid
			}
			if count >= wanted && count < wanted+beforeSlack/2 {
				break
			}
		}
		from = low
	}
	for {
		if all, seen, err = r.between(ctx, from, end, 2*n+beforeSlack); err != nil {
			return nil, false, 0, err
		}
		if len(all) > n || from == first.seq {
			break
		}
		from = first.seq // too many came meanwhile, or another server has counted
	}
	if total > uint64(r.s.keep.History) { // the first is not given out
		all = slices.DeleteFunc(all, func(x stored) bool { return x.seq <= first.seq })
	}
	young := sort.Search(len(all), func(i int) bool { return !r.old(all[i]) })
	all = all[young:]
	if len(all) > n {
		return all[len(all)-n:], true, seen, nil
	}
	return all, false, seen, nil
}

// beforeSlack is how many messages more than are wanted are read rather than searched.
const beforeSlack = 64

// between returns the messages from a position to below another one, and what was seen behind those.
func (r *reader) between(ctx context.Context, from, end uint64, batch int) (all []stored, seen uint64, err error) {
	for {
		got, err := r.s.ask(ctx, get{Next: r.subject, Seq: from, Batch: batch, Bytes: pageBytes})
		if err != nil {
			return nil, 0, err
		}
		for _, x := range got.all {
			if x.seq < end {
				all = append(all, x)
			}
			seen, from = x.seq, x.seq+1
		}
		if len(got.all) == 0 || got.rest == 0 || from >= end {
			return all, seen, nil
		}
	}
}
