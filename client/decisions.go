package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// Decide asks for a decision. Let the call through only when its Outcome is api.Allow and
// every obligation can be met; an error is no decision.
func (c *Client) Decide(ctx context.Context, question api.DecideRequest) (api.Decision, error) {
	return c.decide(ctx, api.PathDecide, question, repeatable(question.Credential))
}

// DecideJSON is Decide for a question that is JSON already. The server judges whether it
// is one; it is asked once.
func (c *Client) DecideJSON(ctx context.Context, question json.RawMessage) (api.Decision, error) {
	return c.decide(ctx, api.PathDecide, question, false)
}

// Simulate asks what would be decided. It is not recorded as a decision.
func (c *Client) Simulate(ctx context.Context, question api.DecideRequest) (api.Decision, error) {
	return c.decide(ctx, api.PathSimulate, question, repeatable(question.Credential))
}

func (c *Client) decide(ctx context.Context, path string, question any, idempotent bool) (d api.Decision, err error) {
	op := post(path, question)
	op.idempotent = idempotent
	err = c.read(ctx, op, func(body []byte) error {
		d, err = c.readDecision(body)
		return err
	})
	return d, err
}

// readDecision reads a decision. One that is neither allow nor deny is an error, not the
// deny that it would be read as.
func (c *Client) readDecision(data []byte) (d api.Decision, err error) {
	var said struct {
		Decision string `json:"decision"`
	}
	if err := ijson.UnmarshalOpen(data, &said); err != nil {
		return d, err
	}
	if said.Decision != api.Allow.String() && said.Decision != api.Deny.String() {
		return d, fmt.Errorf("a decision is %q", said.Decision)
	}
	return d, c.decode(data, &d)
}

// repeatable reports whether a question with this evidence may be asked twice: an
// assertion and a proof of possession are good once.
func repeatable(c *api.Credential) bool {
	return c == nil || c.ClientAssertion == "" && c.DPoP == nil
}

// DecideBatch asks several questions, judged on one data snapshot by one policy. The
// answer has one decision for each item judged, in order: fewer than items when the
// semantics stopped early.
func (c *Client) DecideBatch(ctx context.Context, batch api.BatchRequest) (api.BatchResponse, error) {
	idempotent := repeatable(batch.Credential)
	for _, item := range batch.Items {
		idempotent = idempotent && repeatable(item.Credential)
	}
	return c.decideBatch(ctx, batch, idempotent)
}

// DecideBatchJSON is DecideBatch for a batch that is JSON already, see DecideJSON.
func (c *Client) DecideBatchJSON(ctx context.Context, batch json.RawMessage) (api.BatchResponse, error) {
	return c.decideBatch(ctx, batch, false)
}

func (c *Client) decideBatch(ctx context.Context, batch any, idempotent bool) (made api.BatchResponse, err error) {
	op := post(api.PathBatch, batch)
	op.idempotent = idempotent
	err = c.read(ctx, op, func(body []byte) error {
		var many struct {
			Decisions []json.RawMessage `json:"decisions"`
		}
		if err := c.decode(body, &many); err != nil {
			return err
		}
		made.Decisions = make([]api.Decision, len(many.Decisions))
		for i, one := range many.Decisions {
			if made.Decisions[i], err = c.readDecision(one); err != nil {
				return err
			}
		}
		return nil
	})
	return made, err
}

// Following says what to read of a log that grows: what comes After a number, at most
// Limit, and for how long to Wait when there is none yet, up to a minute.
type Following struct {
	After uint64
	Limit int
	Wait  time.Duration
}

func (f Following) pairs() []string {
	return []string{
		"after", strconv.FormatUint(f.After, 10), "limit", number(f.Limit), "wait_s", number(int(f.Wait / time.Second)),
	}
}

func recordPairs(f authz.RecordFilter) []string {
	return []string{
		"outcome", f.Outcome, "code", f.Code, "guard", f.Guard, "subject", f.Subject, "service", f.Service, "action", f.Action,
		"caller", f.Caller, "edge", f.Edge, "generation", number(f.Generation), "from", moment(f.From), "to", moment(f.To),
	}
}

// ListDecisions reads recorded decisions, newest first.
func (c *Client) ListDecisions(ctx context.Context, f authz.RecordFilter) iter.Seq2[authz.Record, error] {
	return allOfLog(func(p Paging) (authz.RecordPage, error) { return c.ListDecisionsPage(ctx, f, p) })
}

// ListDecisionsPage reads one page of recorded decisions. It may have fewer than the
// limit, even none, and a next page.
func (c *Client) ListDecisionsPage(ctx context.Context, f authz.RecordFilter, p Paging) (authz.RecordPage, error) {
	return logPage[authz.Record](ctx, c, api.PathDecisions, recordPairs(f), p)
}

// ListDecisionsAfter reads decisions recorded after another, oldest first; its NextAfter
// is where to go on. CodeGone when some of them are no longer kept.
func (c *Client) ListDecisionsAfter(ctx context.Context, f authz.RecordFilter, from Following) (authz.RecordPage, error) {
	return logAfter[authz.Record](ctx, c, api.PathDecisions, recordPairs(f), from)
}

// allOfLog follows the cursors of a log.
func allOfLog[E any](page func(Paging) (authz.LogPage[E], error)) iter.Seq2[E, error] {
	return all(func(p Paging) ([]E, string, error) {
		read, err := page(p)
		return read.Items, read.NextCursor, err
	})
}

// logPage reads one page of the log at path, filtered by pairs.
func logPage[E any](ctx context.Context, c *Client, path string, pairs []string, p Paging) (authz.LogPage[E], error) {
	op := get(path)
	op.query = p.add(query(pairs...))
	return ask[authz.LogPage[E]](ctx, c, op, nil)
}

// logAfter reads what the log at path has after a number.
func logAfter[E any](ctx context.Context, c *Client, path string, pairs []string, from Following) (authz.LogPage[E], error) {
	op := get(path)
	op.query = query(append(pairs, from.pairs()...)...)
	return ask(ctx, c, op, func(page *authz.LogPage[E]) error { return checkNext(from.After, page.NextAfter) })
}

// checkNext refuses an answer that would have its reader go round in circles.
func checkNext(after, next uint64) error {
	if next < after {
		return fmt.Errorf("it goes on at %d, before %d", next, after)
	}
	return nil
}

// GetDecision reads one recorded decision; with api.ExplainFull it is judged again by
// what it was made by, to say how it came about.
func (c *Client) GetDecision(ctx context.Context, id string, explain api.Explain) (api.ShownRecord, error) {
	op := get(api.PathDecisions + segment(id))
	op.query = query("explain", string(explain))
	return ask[api.ShownRecord](ctx, c, op, nil)
}

// ExportDecisions copies recorded decisions to w: NDJSON, an authz.Record a line, oldest
// first. On an error w has received a part.
func (c *Client) ExportDecisions(ctx context.Context, f authz.RecordFilter, w io.Writer) error {
	op := get(api.PathDecisionsExport)
	op.query = query(recordPairs(f)...)
	return c.copyTo(ctx, op, w)
}

// VerifyDecisions has the server check the chain of records. That it does not hold is an
// answer and no error.
func (c *Client) VerifyDecisions(ctx context.Context) (authz.VerifyReport, error) {
	return ask[authz.VerifyReport](ctx, c, operation{method: http.MethodPost, path: api.PathDecisionsVerify, idempotent: true, unbounded: true}, nil)
}

func auditPairs(f authz.AuditFilter) []string {
	return []string{
		"by", f.By, "kind", string(f.Kind), "collection", string(f.Collection), "key", f.Key, "bundle", f.Bundle,
		"outcome", f.Outcome, "from", moment(f.From), "to", moment(f.To),
	}
}

// ListChanges reads the audit: who changed what, and what was refused, newest first.
func (c *Client) ListChanges(ctx context.Context, f authz.AuditFilter) iter.Seq2[authz.AuditedChange, error] {
	return allOfLog(func(p Paging) (authz.AuditPage, error) { return c.ListChangesPage(ctx, f, p) })
}

// ListChangesPage reads one page of the audit, like ListDecisionsPage.
func (c *Client) ListChangesPage(ctx context.Context, f authz.AuditFilter, p Paging) (authz.AuditPage, error) {
	return logPage[authz.AuditedChange](ctx, c, api.PathAudit, auditPairs(f), p)
}

// ListChangesAfter reads what the audit has after a number, like ListDecisionsAfter.
func (c *Client) ListChangesAfter(ctx context.Context, f authz.AuditFilter, from Following) (authz.AuditPage, error) {
	return logAfter[authz.AuditedChange](ctx, c, api.PathAudit, auditPairs(f), from)
}

// GetChange reads one change, and the record it stands in.
func (c *Client) GetChange(ctx context.Context, id string) (api.AuditedRecord, error) {
	return ask(ctx, c, get(api.PathAudit+segment(id)), func(r *api.AuditedRecord) error {
		if r.Change.ID == "" {
			return errors.New("it has no change")
		}
		return nil
	})
}
