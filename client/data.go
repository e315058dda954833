package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// Status says what a node runs and holds.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return ask(ctx, c, get(api.PathStatus), func(s *api.Status) error {
		if s.Problems == nil { // what is not known is not well
			return errors.New("it has no problems, not even an empty list; the server may be an older one")
		}
		return nil
	})
}

// Health asks whether the process serves.
func (c *Client) Health(ctx context.Context) (api.Health, error) {
	return ask[api.Health](ctx, c, public(api.PathHealth), nil)
}

// Ready asks whether the node answers questions; that it does not is an answer and no
// error.
func (c *Client) Ready(ctx context.Context) (api.Readiness, error) {
	op := public(api.PathReady)
	op.accept = []int{http.StatusServiceUnavailable}
	return ask[api.Readiness](ctx, c, op, nil)
}

// OpenAPI reads the document of what the listener serves.
func (c *Client) OpenAPI(ctx context.Context) (json.RawMessage, error) {
	return ask[json.RawMessage](ctx, c, public(api.PathOpenAPI), nil)
}

// Metrics copies the node's metrics to w, in the text format of Prometheus.
func (c *Client) Metrics(ctx context.Context, w io.Writer) error {
	return c.copyTo(ctx, get(api.PathMetrics), w)
}

// Changes reads a stretch of the change feed: what was written after a revision, oldest
// first. CodeGone when some of it is no longer kept. Each Entity is one of its
// Collection.
func (c *Client) Changes(ctx context.Context, from Following) (api.ChangeList[json.RawMessage], error) {
	op := get(api.PathChanges)
	op.query = query(from.pairs()...)
	return ask(ctx, c, op, func(list *api.ChangeList[json.RawMessage]) error { return checkNext(from.After, list.NextAfter) })
}

// Import writes many entities: NDJSON, an api.Line a line. Good lines are written even
// when others are not; the report says which, and that is no error.
func (c *Client) Import(ctx context.Context, lines io.Reader) (api.ImportReport, error) {
	return ask[api.ImportReport](ctx, c, operation{method: http.MethodPost, path: api.PathImport, upload: lines, mediaType: api.TypeNDJSON, unbounded: true}, nil)
}

// Export copies every entity of the collections named, or of all, to w, as Import takes
// them. On an error w has received a part.
func (c *Client) Export(ctx context.Context, w io.Writer, collections ...authz.Collection) error {
	op := get(api.PathExport)
	op.query = query()
	for _, name := range collections {
		op.query.Add("collection", string(name))
	}
	return c.copyTo(ctx, op, w)
}

// Backup copies all data of one revision to w. On an error w has received a part that
// cannot be restored.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	return c.copyTo(ctx, get(api.PathBackup), w)
}
