package events

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/verdict-pdp/verdict/ijson"
)

// payload is what the events that matter here may say (CAEP 1.0 sections 2 and 3).
type payload struct {
	EventTimestamp *float64        `json:"event_timestamp"`
	ReasonAdmin    json.RawMessage `json:"reason_admin"`
	CredentialType string          `json:"credential_type"`
	ChangeType     string          `json:"change_type"`
	X509Issuer     string          `json:"x509_issuer"`
	X509Serial     string          `json:"x509_serial"`
}

// readObject reads one JSON object into v. The refusal names field.
func readObject(field string, raw json.RawMessage, v any) error {
	if trimmed := bytes.TrimLeft(raw, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return unreadable("%s must be a JSON object", field)
	}
	if err := ijson.UnmarshalOpen(raw, v); err != nil {
		return unreadable("%s: %s", field, err)
	}
	return nil
}

// maxSeconds is the largest number of seconds every reader of JSON holds exactly.
const maxSeconds = 1 << 53

// before is the time that tokens the event means were issued before: the end of the
// second in which it happened, and never later than now: tokens that are yet to be
// issued are good. It is never zero, which would mean tokens of any age.
func (p *payload) before(issued, now time.Time) (time.Time, error) {
	at := issued
	if p.EventTimestamp != nil {
		seconds := *p.EventTimestamp
		if !(seconds > 0 && seconds <= maxSeconds) {
			return time.Time{}, unreadable("event_timestamp must be a number of seconds since 1970")
		}
		at = time.Unix(int64(seconds), 0)
	}
	if at.IsZero() {
		at = now
	}
	return endOfSecond(earlier(at, now)), nil
}

func endOfSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second).Add(time.Second) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// maxReason bounds what is kept of reason_admin, in characters.
const maxReason = 200

// reason is reason_admin in one language, English when there is a choice. What is not
// a text for each language is no reason; nothing depends on it.
func (p *payload) reason() string {
	var texts map[string]string // :: language tag -> text
	if readObject("reason_admin", p.ReasonAdmin, &texts) != nil || len(texts) == 0 {
		return ""
	}
	if text, ok := texts["en"]; ok {
		return clean(text)
	}
	return clean(texts[slices.Min(slices.Collect(maps.Keys(texts)))])
}

// clean makes a stranger's text one short line that cannot steer a terminal.
func clean(text string) string {
	var b strings.Builder
	left := maxReason
	for _, r := range text {
		if left--; left < 0 {
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
