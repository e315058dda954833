package decisionlog

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog/redact"
)

// MaxPending is how many announced changes may be without an outcome: Announce
// refuses further ones.
const MaxPending = 1000

// Bounds of one intent or change. Longer texts are cut and end in an ellipsis.
const (
	maxChangeText = 2 << 10 // bytes of Message, and of Error
	maxChangeWord = 512     // bytes of every other text
	// maxSearched is how much of a text is searched for secrets, more than is kept of any.
	maxSearched = 64 << 10
	// maxChangingBytes bounds the intents and changes that wait to be written.
	maxChangingBytes = 16 << 20
)

// Announce records that c is about to be made: an intent. When it returns nil the
// record is on the disk. An error, CodeUnavailable mostly, means that it is not known
// to be there, and the change must not be made: there is no space, the log failed or is
// closed, ctx ended, MaxPending changes are under way. CodeConflict says that the log
// has a change of this id already.
//
// The caller sets ID and leaves Number and PrevChange to the log. An At of zero means
// now. Secrets in texts are masked, and long texts cut.
func (l *Log) Announce(ctx context.Context, c authz.AuditedChange) error {
	if c.Outcome != authz.ChangePending {
		return authz.Errorf(authz.CodeInternal, "a change is announced with the outcome %q", c.Outcome)
	}
	return l.recordChange(ctx, authz.RecordIntent, c)
}

// Settle records what became of c, after which its intent is no longer pending. There
// need not be one: a refusal is recorded without. It is durable as Announce is, and an
// error means the same. It must outlast the request that asked for the change: give it
// a context that does not end with it.
//
// A change that has this outcome already is settled, which is no error, and nothing is
// recorded. With another outcome it is CodeConflict.
func (l *Log) Settle(ctx context.Context, c authz.AuditedChange) error {
	if c.Outcome == authz.ChangePending || !knownOutcome(c.Outcome) {
		return authz.Errorf(authz.CodeInternal, "a change is settled with the outcome %q", c.Outcome)
	}
	return l.recordChange(ctx, authz.RecordChange, c)
}

func knownOutcome(outcome string) bool {
	switch outcome {
	case authz.ChangePending, authz.ChangeMade, authz.ChangeRefused, authz.ChangeFailed, authz.ChangeNotMade, authz.ChangeInterrupted:
		return true
	}
	return false
}

func (l *Log) recordChange(ctx context.Context, kind string, c authz.AuditedChange) error {
	if err := authz.ValidateID("id", c.ID); err != nil {
		return err
	}
	r := authz.Record{Kind: kind, At: l.config.Now().UTC().Round(0), Durability: authz.Required, Change: &c}
	if c.At.IsZero() {
		c.At = r.At
	}
	c.At = c.At.UTC().Round(0)
	c.Number, c.PrevChange, c.By.Roles = 0, "", nil
	cleanChange(&r)
	d, err := encodeChange(&r)
	if err != nil {
		return internal("writing the record of a change", err)
	}
	w := newWrite(&l.changing, 1)
	w.add(d, 2*d.size())
	return l.submit(ctx, w)
}

// cleanChange masks secrets in the texts of r's change, lists them in r.Masked, and
// cuts long ones.
func cleanChange(r *authz.Record) {
	c := r.Change
	clean := func(name string, text *string, most int) {
		*text = strings.ToValidUTF8((*text)[:min(len(*text), maxSearched)], "\uFFFD")
		if clean := redact.Identifier(*text); clean != *text {
			*text = clean
			r.Masked = append(r.Masked, "/change/"+name)
		}
		*text = cut(*text, most)
	}
	clean("message", &c.Message, maxChangeText)
	clean("error", &c.Error, maxChangeText)
	for name, text := range map[string]*string{
		"kind": (*string)(&c.Kind), "collection": (*string)(&c.Collection), "code": (*string)(&c.Code),
		"by/key": &c.By.Key, "by/name": &c.By.Name, "by/from": &c.By.From, "by/request_id": &c.By.RequestID,
		"key": &c.Key, "bundle": &c.Bundle, "guard": &c.Guard, "mode": &c.Mode, "before": &c.Before, "after": &c.After,
	} {
		clean(name, text, maxChangeWord)
	}
	if c.Import != nil {
		chunk := *c.Import
		clean("import/digest", &chunk.Digest, maxChangeWord)
		c.Import = &chunk
	}
	slices.Sort(r.Masked)
}

// cut is text with at most most bytes, of whole characters.
func cut(text string, most int) string {
	const ellipsis = "…"
	if len(text) <= most {
		return text
	}
	end := most - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// admitted answers those of drafts that are intents or changes and are not to be
// written, and returns the others. The caller holds the commit lock.
func (l *Log) admitted(drafts []*draft) []*draft {
	if !slices.ContainsFunc(drafts, func(d *draft) bool { return d.change != nil }) {
		return drafts
	}
	txn := l.db.NewTransaction(false)
	defer txn.Discard()
	kept := make([]*draft, 0, len(drafts))
	var ids []string // of changes among kept
	pending := l.pending.Load()
	for _, d := range drafts {
		if d.change == nil {
			kept = append(kept, d)
			continue
		}
		settled, err := false, error(nil)
		if slices.Contains(ids, d.id) {
			err = authz.Errorf(authz.CodeConflict, "the change %q is being recorded", d.id)
		} else {
			settled, err = d.admit(txn, pending)
		}
		if settled || err != nil {
			l.commits.Answer(d, err)
			continue
		}
		if d.change.intent {
			pending++
		}
		ids = append(ids, d.id)
		kept = append(kept, d)
	}
	return kept
}

// admit compares the draft with what the log has of the change. settled reports that
// its outcome is there already. pending is how many changes are.
func (d *draft) admit(txn *badger.Txn, pending int64) (settled bool, err error) {
	number, before, ok, err := changeByID(txn, d.id)
	switch {
	case err != nil:
		return false, readError(err)
	case d.change.intent && ok:
		return false, authz.Errorf(authz.CodeConflict, "the change %q was announced before", d.id)
	case d.change.intent && pending >= MaxPending:
		return false, authz.Errorf(authz.CodeUnavailable, "nothing was recorded: %d changes have no outcome yet; ask again later", pending)
	case d.change.intent || !ok:
		return false, nil
	case before.intent:
		d.change.settles = number
		return false, nil
	}
	r, err := before.record()
	if err != nil {
		return false, err
	}
	if r.Change.Outcome != d.change.outcome {
		return false, authz.Errorf(authz.CodeConflict, "the change %q has the outcome %q already", d.id, r.Change.Outcome)
	}
	return true, nil
}

// putChange writes the draft of an intent or a change after at.
func putChange(txn *badger.Txn, d *draft, at heads) (heads, error) {
	value, stub, next := d.sealedChange(at)
	number := changeKey(next.changes.seq)
	if err := txn.Set(recordKey(next.head.seq), stub); err != nil {
		return heads{}, err
	}
	if err := txn.Set(number, value); err != nil {
		return heads{}, err
	}
	if err := txn.Set(changeIDKey(d.id), number[1:]); err != nil {
		return heads{}, err
	}
	switch {
	case d.change.intent:
		return next, txn.Set(pendingKey(next.changes.seq), []byte{1})
	case d.change.settles > 0:
		return next, txn.Delete(pendingKey(d.change.settles))
	}
	return next, nil
}

// countPending counts drafts that were committed.
func (l *Log) countPending(drafts []*draft) {
	for _, d := range drafts {
		switch {
		case d.change == nil:
		case d.change.intent:
			l.pending.Add(1)
		case d.change.settles > 0:
			l.pending.Add(-1)
		}
	}
}
