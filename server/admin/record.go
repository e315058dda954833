package admin

import (
	"bufio"
	"context"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

// RecordList answers GET PathDecisions.
type RecordList struct {
	Items []authz.Record `json:"items"`
	// NextCursor asks for the next page of older records; empty on the last one, and
	// in an answer to ?after=.
	NextCursor string `json:"next_cursor"`
	// NextAfter is the after to ask with for what is recorded later.
	NextAfter uint64 `json:"next_after"`
	Head      uint64 `json:"head"` // newest sequence number
}

// ShownRecord answers GET PathDecisions + "/" + id.
type ShownRecord struct {
	Record authz.Record `json:"record"`
	// Explanation is null without explain=full, and when Note says why.
	Explanation *authz.Explanation `json:"explanation"`
	Note        string             `json:"note,omitempty"`
}

func (h *Handler) mountDecisions(e *echo.Echo) {
	e.GET(api.PathDecisions, h.listRecords)
	e.GET(api.PathDecisions+"/:id", h.record)
	e.GET(api.PathDecisionsExport, h.exportRecords)
	e.POST(api.PathDecisionsVerify, h.verifyRecords)
}

// recordReader lets in who may know what was asked and by whom.
func recordReader(ctx context.Context) (authz.Caller, error) {
	return reqctx.Require(ctx, authz.RoleReview, authz.RoleOperate)
}

func (h *Handler) listRecords(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := recordReader(ctx); err != nil {
		return err
	}
	filter, query, err := filterQuery(c, "limit", "cursor", "after", "wait_s")
	if err != nil {
		return err
	}
	limit, err := number(query, "limit", 1, maxLimit, defaultLimit)
	if err != nil {
		return err
	}
	if query.Has("after") {
		return h.tail(c, query, filter, int(limit))
	}
	if query.Has("wait_s") {
		return authz.Invalid("wait_s", "waits for records later than after; give after too")
	}
	cursor, err := single(query, "cursor")
	if err != nil {
		return err
	}
	page, err := h.Decisions.List(ctx, filter, cursor, int(limit))
	if err != nil {
		return err
	}
	page.NextAfter = page.Head
	return writeRecords(c, page)
}

func writeRecords(c echo.Context, page RecordPage) error {
	return wire.WriteJSON(c.Response(), http.StatusOK, RecordList{
		Items:      page.Records,
		NextCursor: page.NextCursor,
		NextAfter:  page.NextAfter,
		Head:       page.Head,
	})
}

// tail answers with what is recorded after a sequence number, and waits for it.
func (h *Handler) tail(c echo.Context, query url.Values, filter authz.RecordFilter, limit int) error {
	if query.Has("cursor") {
		return authz.Invalid("cursor", "goes back and after goes on; give one of them")
	}
	after, err := number(query, "after", 0, math.MaxInt64, 0)
	if err != nil {
		return err
	}
	seconds, err := number(query, "wait_s", 0, maxWaitS, 0)
	if err != nil {
		return err
	}
	page, err := h.Decisions.After(c.Request().Context(), filter, after, limit)
	if err != nil {
		return err
	}
	if len(page.Records) == 0 && seconds > 0 {
		if page, err = h.awaitRecords(c, filter, page, limit, time.Duration(seconds)*time.Second); err != nil {
			return err
		}
	}
	page.NextCursor = ""
	return writeRecords(c, page)
}

// awaitRecords looks on behind an empty page until there is a record the filter
// selects, but no longer than wait nor than the server serves.
func (h *Handler) awaitRecords(c echo.Context, filter authz.RecordFilter, page RecordPage, limit int, wait time.Duration) (RecordPage, error) {
	ctx := c.Request().Context()
	waiting, done, err := h.awaiting(c, wait)
	if err != nil {
		return RecordPage{}, err
	}
	defer done()
	for len(page.Records) == 0 && waiting.Err() == nil {
		if err := h.Decisions.Await(waiting, page.NextAfter); err != nil && waiting.Err() == nil {
			return RecordPage{}, err
		}
		if page, err = h.Decisions.After(ctx, filter, page.NextAfter, limit); err != nil {
			return RecordPage{}, err
		}
	}
	return page, ctx.Err()
}

func (h *Handler) record(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := recordReader(ctx); err != nil {
		return err
	}
	query, err := parameters(c, "explain")
	if err != nil {
		return err
	}
	explain, err := single(query, "explain")
	if err != nil {
		return err
	}
	if explain != "" && explain != string(authz.ExplainFull) {
		return authz.Invalid("explain", "must be full, or be left out")
	}
	id := c.Param("id")
	if err := authz.ValidateID("id", id); err != nil {
		return err
	}
	record, err := h.Decisions.Get(ctx, id)
	if err != nil {
		return err
	}
	shown := ShownRecord{Record: record}
	if explain != "" && isHead(c) {
		return headersOnly(c, api.TypeJSON)
	}
	if explain != "" {
		if shown.Explanation, shown.Note, err = h.explain(c, id); err != nil {
			return err
		}
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, shown)
}

func (h *Handler) explain(c echo.Context, id string) (*authz.Explanation, string, error) {
	ctx, done, err := h.task(c)
	if err != nil {
		return nil, "", err
	}
	defer done()
	explanation, note, err := h.Decisions.Explain(ctx, id)
	return explanation, note, taskError(c, err)
}

// exportBuffer is how much of an export is written in one go.
const exportBuffer = 64 << 10

func (h *Handler) exportRecords(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := recordReader(ctx); err != nil {
		return err
	}
	filter, _, err := filterQuery(c)
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
	if err := h.Decisions.Export(ctx, filter, func(r *authz.Record) error { return wire.WriteLine(lines, r) }); err != nil {
		return err
	}
	return lines.Flush()
}

func (h *Handler) verifyRecords(c echo.Context) error {
	if _, err := recordReader(c.Request().Context()); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	ctx, done, err := h.task(c)
	if err != nil {
		return err
	}
	defer done()
	report, err := h.Decisions.Verify(ctx)
	if err != nil {
		return taskError(c, err)
	}
	return wire.WriteJSON(c.Response(), http.StatusOK, report)
}
