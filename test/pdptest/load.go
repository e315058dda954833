package pdptest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/api"
)

// Load asks a Verdict questions on a fixed schedule, each in a goroutine of its
// own, so that a slow answer delays no other question. With maxInFlight unanswered
// the schedule waits, so that a machine too slow for it is not buried.
type Load struct {
	pdp    *PDP
	slots  chan struct{} // holds one for each question unanswered
	client *http.Client
	stop   context.CancelFunc
	ended  chan struct{} // closed when the last answer is in

	mu    sync.Mutex
	tally Tally         // guarded by mu
	more  chan struct{} // guarded by mu; closed, and replaced, at each answer
}

const maxInFlight = 16

// Tally is what a Load was answered.
type Tally struct {
	Decisions int
	Denials   map[string]int // :: asker + " " + code -> how often
	Failures  []string       // answers that were no decision
	Took      []time.Duration
	Span      time.Duration // from the first question to the last answer
}

// Denied counts the denials.
func (t Tally) Denied() (n int) {
	for _, count := range t.Denials {
		n += count
	}
	return n
}

// String has the numbers a test reports.
func (t Tally) String() string {
	return fmt.Sprintf("%d decisions in %.1f s (%.0f/s), %d denials, %d failures, p50 %s, p99 %s",
		t.Decisions, t.Span.Seconds(), float64(t.Decisions)/t.Span.Seconds(), t.Denied(), len(t.Failures), Percentile(t.Took, 50), Percentile(t.Took, 99))
}

// Percentile of durations, in microseconds' precision; 0 of none.
func Percentile(took []time.Duration, percent int) time.Duration {
	if len(took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(took))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(time.Microsecond)
}

// Asker is one who asks under a Load. Question is called for each question, always
// from one goroutine.
type Asker struct {
	Name     string
	Question func() map[string]any
	// Check says what is wrong with an answer, which then counts as a failure; it may
	// be nil, and is called by many goroutines.
	Check func(api.Decision) error
}

// StartLoad has the askers ask in turn, one question every so often, until Stop or
// the end of the test.
func (p *PDP) StartLoad(every time.Duration, askers ...Asker) *Load {
	ctx, stop := context.WithCancel(p.T.Context())
	l := &Load{
		pdp:    p,
		slots:  make(chan struct{}, maxInFlight),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxInFlight}},
		stop:   stop,
		ended:  make(chan struct{}),
		more:   make(chan struct{}),
		tally:  Tally{Denials: map[string]int{}},
	}
	go l.run(ctx, every, askers)
	p.T.Cleanup(func() { l.Stop() })
	return l
}

func (l *Load) run(ctx context.Context, every time.Duration, askers []Asker) {
	defer close(l.ended)
	var asking sync.WaitGroup
	start := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		l.slots <- struct{}{}
		asker := askers[n%len(askers)]
		question := asker.Question()
		asking.Go(func() {
			defer func() { <-l.slots }()
			l.ask(asker, question)
		})
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(start.Add(time.Duration(n+1) * every))):
		}
	}
	asking.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.Span = time.Since(start)
}

// ask puts one question and counts the answer.
func (l *Load) ask(asker Asker, question map[string]any) {
	name := asker.Name
	began := time.Now()
	d, err := l.put(question)
	took := time.Since(began)
	if err == nil && asker.Check != nil {
		err = asker.Check(d)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.tally.Failures = append(l.tally.Failures, name+": "+err.Error())
	default:
		l.tally.Decisions++
		l.tally.Took = append(l.tally.Took, took)
	}
	if err == nil && d.Outcome != api.Allow {
		for _, code := range Codes(d.Reasons) {
			l.tally.Denials[name+" "+code]++
		}
	}
	close(l.more)
	l.more = make(chan struct{})
}

func (l *Load) put(question map[string]any) (d api.Decision, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return d, err
	}
	r, err := http.NewRequest(http.MethodPost, l.pdp.DecisionsURL()+api.PathDecide, bytes.NewReader(body))
	if err != nil {
		return d, err
	}
	r.Header.Set("Authorization", "Bearer "+l.pdp.pep)
	r.Header.Set("Content-Type", api.TypeJSON)
	answer, err := l.client.Do(r)
	if err != nil {
		return d, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return d, err
	}
	if answer.StatusCode != http.StatusOK {
		return d, fmt.Errorf("%d %s", answer.StatusCode, content)
	}
	return d, json.Unmarshal(content, &d)
}

// Await returns when so many more questions have been answered.
func (l *Load) Await(answers int) {
	l.pdp.T.Helper()
	until := -1
	for {
		l.mu.Lock()
		answered, more := l.tally.Decisions+len(l.tally.Failures), l.more
		l.mu.Unlock()
		if until < 0 {
			until = answered + answers
		}
		if answered >= until {
			return
		}
		select {
		case <-more:
		case <-l.ended:
			l.pdp.T.Fatal("the load ended while answers were waited for")
		}
	}
}

// Between runs do while no question is under way: all made before are answered, and
// none is made until do returns. It is for a clock that jumps, under which a token
// on its way would grow old.
func (l *Load) Between(do func()) {
	for range maxInFlight {
		l.slots <- struct{}{}
	}
	do()
	for range maxInFlight {
		<-l.slots
	}
}

// Stop ends the asking, waits for the last answer and gives the tally. Stopping
// twice is allowed.
func (l *Load) Stop() Tally {
	l.stop()
	<-l.ended
	l.client.CloseIdleConnections()
	l.mu.Lock()
	defer l.mu.Unlock()
	tally := l.tally
	tally.Denials = maps.Clone(tally.Denials)
	return tally
}
