package introspection

import "time"

// ReadAnswer is the reading of an answer's body alone, for FuzzAnswer: with a client
// around it, goroutines blur the coverage that guides the fuzzer. passed reports
// whether exp is over at a time.
func ReadAnswer(body []byte) (active bool, passed func(time.Time) bool, err error) {
	r, err := readReply(body)
	return r.active, r.exp.passed, err
}
