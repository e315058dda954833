package admin

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/wire"
)

func (h *Handler) importLines(c echo.Context) error {
	r := c.Request()
	if _, err := writer(r.Context()); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	if err := wire.RequireType(r.Header, api.TypeNDJSON); err != nil {
		return err
	}
	stream := h.streamOf(c)
	report, err := h.Bulk.Import(r.Context(), stream, h.check)
	if err != nil {
		return err
	}
	if err := stream.extend(); err != nil {
		return err
	}
	setRevision(c, report.DataRevision)
	return wire.WriteJSON(c.Response(), http.StatusOK, report)
}

func (h *Handler) exportLines(c echo.Context) error {
	ctx := c.Request().Context()
	caller, err := reader(ctx)
	if err != nil {
		return err
	}
	query, err := parameters(c, "collection")
	if err != nil {
		return err
	}
	collections, err := exported(query["collection"])
	if err != nil {
		return err
	}
	if slices.Contains(collections, authz.Credentials) && !caller.Has(authz.RoleOperate) {
		return &authz.Error{Code: authz.CodeForbidden, Field: "collection", Message: "includes credentials, whose export has the hashes of their secrets and needs the role operate; name the other collections"}
	}
	_, revision, err := h.Bulk.Counts(ctx)
	if err != nil {
		return err
	}
	// The export is of this revision or a later one, so the change feed after it
	// misses nothing; a change may be seen twice.
	c.Response().Header().Set(api.HeaderRevision, strconv.FormatUint(revision, 10))
	c.Response().Header().Set("Content-Type", api.TypeNDJSON)
	return h.Bulk.Export(ctx, h.streamOf(c), collections)
}

// exported is what an export of the named collections has, all when none is
// named, in the order an import should write them.
func exported(names []string) ([]authz.Collection, error) {
	if len(names) == 0 {
		return Collections(), nil
	}
	asked := map[authz.Collection]bool{}
	for _, name := range names {
		collection := authz.Collection(name)
		if !collection.Known() || collection == authz.APIKeys {
			return nil, authz.Invalid("collection", "must name collections that can be exported: all but "+string(authz.APIKeys))
		}
		asked[collection] = true
	}
	var ordered []authz.Collection
	for _, collection := range Collections() {
		if asked[collection] {
			ordered = append(ordered, collection)
		}
	}
	return ordered, nil
}

func (h *Handler) backup(c echo.Context) error {
	ctx := c.Request().Context()
	if _, err := writer(ctx); err != nil {
		return err
	}
	if _, err := parameters(c); err != nil {
		return err
	}
	c.Response().Header().Set("Content-Type", api.TypeBackup)
	c.Response().Header().Set("Content-Disposition", `attachment; filename="verdict.backup"`)
	return h.Bulk.Backup(ctx, h.streamOf(c))
}

// stream reads a request's body and writes its response without a limit on the
// whole, but on the time each step takes.
type stream struct {
	request  *http.Request
	response http.ResponseWriter
	handler  *Handler
}

func (h *Handler) streamOf(c echo.Context) *stream {
	return &stream{request: c.Request(), response: c.Response(), handler: h}
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if err := s.extend(); err != nil {
		return 0, err
	}
	return s.request.Body.Read(p)
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	if err := s.extend(); err != nil {
		return 0, err
	}
	return s.response.Write(p)
}

// extend gives the next step its time, and the answer that may follow it.
func (s *stream) extend() error { return s.handler.extend(s.response, 0) }

// extend moves the deadlines of a connection to StreamIdle after wait. Both of
// them: net/http takes a read deadline that passes for a caller that left.
func (h *Handler) extend(w http.ResponseWriter, wait time.Duration) error {
	control := http.NewResponseController(w)
	// The network keeps real time, whatever clock the handler was given.
	deadline := time.Now().Add(wait + h.streamIdle())
	if err := control.SetReadDeadline(deadline); err != nil {
		return err
	}
	return control.SetWriteDeadline(deadline)
}

func (h *Handler) streamIdle() time.Duration {
	if h.StreamIdle > 0 {
		return h.StreamIdle
	}
	return DefaultStreamIdle
}
