package admin

import (
	"bufio"
	"context"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/route"
	"github.com/verdict-pdp/verdict/server/wire"
)

// Decisions is the decision log; *decisionlog.Log implements it. Callers do not change the
// records they get.
type Decisions interface {
	// Get reads the record of one decision; CodeNotFound when there is none.
	Get(ctx context.Context, id string) (authz.Record, error)
	// List reads a page, newest first. A page may have fewer records than limit, even
	// none, and a NextCursor; its NextAfter is the head. CodeInvalid for a cursor that is
	// not one of its own.
	List(ctx context.Context, f authz.RecordFilter, cursor string, limit int) (authz.RecordPage, error)
	// Tail reads records later than the sequence number after, oldest first. A page
	// may have fewer than limit, even none, before the head is reached: NextAfter says
	// how far it looked. CodeGone when records later than after are no longer kept.
	Tail(ctx context.Context, f authz.RecordFilter, after uint64, limit int) (authz.RecordPage, error)
	// Await returns nil when the head is above after, and the context's error when
	// that ends first.
	Await(ctx context.Context, after uint64) error
	// Export calls fn with every record that the filter selects, oldest first, and stops
	// at its first error. Changes are among them; their content only when changes is set.
	Export(ctx context.Context, f authz.RecordFilter, changes bool, fn func(*authz.Record) error) error
	// Verify recomputes the chain. A broken chain is a report, not an error.
	Verify(ctx context.Context) (authz.VerifyReport, error)
}

// History judges recorded decisions again. replay.History implements it.
type History interface {
	// Explain judges a recorded decision again, with the generation and the data it was
	// made with, and explains it. When these are gone, note says what was used instead, or
	// that there is no explanation; e is nil when there is nothing to explain.
	// CodeNotFound when there is no such decision.
	Explain(ctx context.Context, id string) (e *authz.Explanation, note string, err error)
}

// filterParams select records. validateFilter checks their values, as it does those of a
// replay.
var filterParams = []route.Param{
	{Name: "outcome", Loose: true, Doc: "outcome", Enum: []string{"allow", "deny"}}, {Name: "code", Loose: true, Doc: "code"}, {Name: "guard", Loose: true, Doc: "guard"},
	{Name: "subject", Loose: true, Doc: "subject", Kind: route.ID}, {Name: "service", Loose: true, Doc: "service", Kind: route.ID},
	{Name: "action", Loose: true, Doc: "action"}, {Name: "caller", Loose: true, Doc: "caller", Kind: route.ID}, {Name: "edge", Loose: true, Doc: "edge"},
	{Name: "generation", Kind: route.Number, Low: 1, High: maxGeneration, Doc: "ofGeneration"},
	{Name: "from", Kind: route.Moment, Doc: "from"}, {Name: "to", Kind: route.Moment, Doc: "to"},
}

// tailParams are the parameters of a list that can be followed.
var tailParams = []route.Param{limit, cursor, {Name: "after", Kind: route.Number, High: math.MaxInt64, Doc: "after"}, waitS}

func (h *Handler) recordRows() []route.Row {
	return []route.Row{
		{Method: "GET", Path: api.PathDecisions, ID: "listDecisions", Roles: readers, Params: append(tailParams[:4:4], filterParams...), Handler: route.Get(h.listRecords)},
		{Method: "GET", Path: api.PathDecisions + "/:id", ID: "getDecision", Roles: readers, Params: []route.Param{{Name: "explain", Enum: []string{string(authz.ExplainFull)}}}, Handler: route.Get(h.record)},
		{Method: "GET", Path: api.PathDecisionsExport, ID: "exportDecisions", Roles: readers, Params: filterParams,
			Answers: []route.Answer{{Status: http.StatusOK, Type: api.TypeNDJSON, Body: authz.Record{}}}, Handler: route.Stream(h.exportRecords)},
		{Method: "POST", Path: api.PathDecisionsVerify, ID: "verifyDecisions", Roles: readers, Handler: route.Get(h.verifyRecords)},
	}
}

func (h *Handler) listRecords(c *route.Call) (reply route.Reply[authz.RecordPage], err error) {
	filter, err := filterQuery(c)
	if err != nil {
		return reply, err
	}
	most := int(c.Number("limit"))
	follow, err := following(c)
	if err != nil {
		return reply, err
	}
	if follow {
		reply.Body, err = h.tail(c, filter, most)
	} else {
		reply.Body, err = h.Decisions.List(c.Request().Context(), filter, c.Text("cursor"), most)
	}
	return reply, err
}

// following reports whether the request has after, and so wants what was recorded later
// instead of before.
func following(c *route.Call) (bool, error) {
	switch {
	case c.Given("after") && c.Given("cursor"):
		return false, authz.Invalid("cursor", "goes back and after goes on; give one of them")
	case c.Given("wait_s") && !c.Given("after"):
		return false, authz.Invalid("wait_s", "waits for records later than after; give after too")
	}
	return c.Given("after"), nil
}

// tail returns what is recorded after a sequence number, and waits for it when the request
// asks for that.
func (h *Handler) tail(c *route.Call, filter authz.RecordFilter, most int) (authz.RecordPage, error) {
	page, err := h.Decisions.Tail(c.Request().Context(), filter, c.Number("after"), most)
	wait := time.Duration(c.Number("wait_s")) * time.Second
	if err != nil || len(page.Items) > 0 || wait == 0 {
		return page, err
	}
	err = h.follow(c, wait, func(waiting context.Context) (found bool, err error) {
		if err := h.Decisions.Await(waiting, page.NextAfter); err != nil && waiting.Err() == nil {
			return false, err
		}
		page, err = h.Decisions.Tail(c.Request().Context(), filter, page.NextAfter, most)
		return len(page.Items) > 0, err
	})
	return page, err
}

// follow calls look until it found something, at most for wait and until the server shuts
// down.
func (h *Handler) follow(c *route.Call, wait time.Duration, look func(waiting context.Context) (found bool, err error)) error {
	waiting, done, err := h.awaiting(c, wait)
	if err != nil {
		return err
	}
	defer done()
	for waiting.Err() == nil {
		if found, err := look(waiting); found || err != nil {
			return err
		}
	}
	return c.Request().Context().Err()
}

func (h *Handler) record(c *route.Call) (reply route.Reply[api.ShownRecord], err error) {
	if reply.Body.Record, err = h.Decisions.Get(c.Request().Context(), c.ID("id")); err != nil {
		return reply, err
	}
	if reply.HeadersOnly = c.Given("explain") && isHead(c); c.Given("explain") && !reply.HeadersOnly {
		reply.Body.Explanation, reply.Body.Note, err = h.explain(c, c.ID("id"))
	}
	return reply, err
}

func (h *Handler) explain(c *route.Call, id string) (*authz.Explanation, string, error) {
	ctx, done, err := h.task(c)
	if err != nil {
		return nil, "", err
	}
	defer done()
	explanation, note, err := h.History.Explain(ctx, id)
	return explanation, note, taskError(c, err)
}

// exportBuffer is how much of an export is written in one go.
const exportBuffer = 64 << 10

func (h *Handler) exportRecords(c *route.Call) error {
	filter, err := filterQuery(c)
	if err != nil {
		return err
	}
	if err := h.extend(c.Response(), h.taskTime()); err != nil {
		return err
	}
	if isHead(c) {
		return headersOnly(c, api.TypeNDJSON)
	}
	c.Response().Header().Set("Content-Type", api.TypeNDJSON)
	lines := bufio.NewWriterSize(h.downloadOf(c), exportBuffer)
	write := func(r *authz.Record) error { return wire.WriteLine(lines, r) }
	if err := h.Decisions.Export(c.Request().Context(), filter, c.Caller().Has(authz.RoleReview), write); err != nil {
		return err
	}
	return lines.Flush()
}

func (h *Handler) verifyRecords(c *route.Call) (reply route.Reply[authz.VerifyReport], err error) {
	ctx, done, err := h.task(c)
	if err != nil {
		return reply, err
	}
	defer done()
	reply.Body, err = h.Decisions.Verify(ctx)
	return reply, taskError(c, err)
}

// filterQuery reads the parameters that select records.
func filterQuery(c *route.Call) (authz.RecordFilter, error) {
	f := authz.RecordFilter{
		Outcome: c.Text("outcome"), Code: c.Text("code"), Guard: c.Text("guard"), Subject: c.Text("subject"), Service: c.Text("service"),
		Action: c.Text("action"), Caller: c.Text("caller"), Edge: c.Text("edge"),
		Generation: c.Number("generation"), From: c.Moment("from"), To: c.Moment("to"),
	}
	return f, validateFilter("", f)
}

// validateFilter returns an error for values that no record can have: a misspelt filter
// must not look like an empty log. Fields are named after prefix.
func validateFilter(prefix string, f authz.RecordFilter) error {
	if f.Outcome != "" && f.Outcome != authz.Allow.String() && f.Outcome != authz.Deny.String() {
		return authz.Invalid(prefix+"outcome", "must be allow or deny")
	}
	for _, id := range []struct{ name, value string }{
		{"code", f.Code}, {"guard", f.Guard}, {"subject", f.Subject}, {"service", f.Service}, {"action", f.Action}, {"caller", f.Caller},
	} {
		if id.value == "" {
			continue
		}
		if err := authz.ValidateID(prefix+id.name, id.value); err != nil {
			return err
		}
	}
	if f.Edge != "" && !isEdge(f.Edge) {
		return authz.Invalid(prefix+"edge", "must be a machine user and a service, such as mu:user-svc>svc:email")
	}
	return validateSpan(prefix, f.From, f.To)
}

func validateSpan(prefix string, from, to time.Time) error {
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return authz.Invalid(prefix+"to", "must be later than from")
	}
	return nil
}

func isEdge(text string) bool {
	from, to, parted := strings.Cut(text, ">")
	return parted && authz.ValidateID("edge", from) == nil && authz.ValidateID("edge", to) == nil
}
