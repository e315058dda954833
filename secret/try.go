package secret

import "sync"

// try names one secret presented for one client.
type try struct {
	client string
	secret mac
}

// tries knows which secrets are being compared, so that the many first calls of a
// client that starts up cost one comparison between them.
type tries struct {
	mu  sync.Mutex
	now map[try]chan struct{} // :: what is being compared -> closed at its end; guarded by mu
}

func newTries() *tries { return &tries{now: map[try]chan struct{}{}} }

// begin makes t the caller's, who must call end; or gives the channel that is
// closed when the one whose it is has ended.
func (s *tries) begin(t try) (ended <-chan struct{}, ours bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended, ok := s.now[t]; ok {
		return ended, false
	}
	s.now[t] = make(chan struct{})
	return nil, true
}

func (s *tries) end(t try) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.now[t])
	delete(s.now, t)
}
