package route

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/wire"
)

// Row is one route.
type Row struct {
	Method string
	Path   string // as Echo has it: /v1/users/:id
	ID     string // of the operation, in the document
	// Public is a route that needs no API key. The server asks the room for it, see
	// server.PublicRoom.
	Public bool
	// Roles are those of which a caller needs one. Without any, and without a Change,
	// the Handler checks them, or none is needed.
	Roles []authz.Role
	// Change is the kind of change that the route asks for, if any; its role is needed
	// then. Of returns what is changed, as far as the path names it.
	Change authz.ChangeKind
	Of     func(path func(name string) string) authz.AuditedChange
	// Params are those of the query string and the headers that the document tells of,
	// and those of the path that are no plain id.
	Params []Param
	// Takes are the media types of a body that the Handler reads itself.
	Takes []string
	// Body and Shows replace the types of the Handler in the document, where those do
	// not say enough.
	Body, Shows any
	// Answers are those beside problems; empty means the one that the Handler's types
	// tell.
	Answers []Answer
	// Fault is the body of refusals that are no problem, where a standard has another.
	Fault   any
	Handler Handler
}

// Answer is one way a route answers.
type Answer struct {
	Status  int
	Type    string   // media type of what is not JSON
	Body    any      // when it is not the row's; NoBody when there is none
	Headers []string // that it has
}

// NoBody is the Body of an Answer without one.
var NoBody any = struct{ none struct{} }{}

// PathParams names the parameters in the path.
func (r *Row) PathParams() []string {
	var names []string
	for _, segment := range strings.Split(r.Path, "/") {
		if name, ok := strings.CutPrefix(segment, ":"); ok {
			names = append(names, name)
		}
	}
	return names
}

// Needs lists the roles of which a caller needs one.
func (r *Row) Needs() []authz.Role {
	if role, ok := r.Change.Role(); ok {
		return []authz.Role{role}
	}
	return r.Roles
}

// Template is the path as OpenAPI has it: /v1/users/{id}.
func (r *Row) Template() string {
	segments := strings.Split(r.Path, "/")
	for i, segment := range segments {
		if name, ok := strings.CutPrefix(segment, ":"); ok {
			segments[i] = "{" + name + "}"
		}
	}
	return strings.Join(segments, "/")
}

// Table is the rows of one room.
type Table struct {
	Rows []Row
	// BodyLimit bounds JSON bodies, in bytes.
	BodyLimit int64
	// Refused records a change that was refused before it reached the room that makes it,
	// and returns err. It is required when a row has a Change.
	Refused func(ctx context.Context, by authz.Author, c authz.AuditedChange, err error) error
}

// Mount adds every row to e.
func (t Table) Mount(e *echo.Echo) {
	for i := range t.Rows {
		e.Add(t.Rows[i].Method, t.Rows[i].Path, t.serve(&t.Rows[i]))
	}
}

// Public lists the paths of rows that need no API key.
func Public(rows []Row) []string {
	var paths []string
	for i := range rows {
		if rows[i].Public {
			paths = append(paths, rows[i].Path)
		}
	}
	return paths
}

func (t Table) serve(row *Row) echo.HandlerFunc {
	if row.Handler.elsewhere != nil {
		return row.Handler.elsewhere
	}
	return func(c echo.Context) error {
		call := &Call{Context: c, row: row, limit: t.BodyLimit}
		err := call.run()
		if err == nil || row.Change == "" || call.asked {
			return err
		}
		ctx := c.Request().Context()
		return t.Refused(ctx, reqctx.Author(ctx), call.change(), err)
	}
}

// Call is one request on its way through its row.
type Call struct {
	echo.Context
	row    *Row
	limit  int64
	values map[string]any // :: parameter of the query string -> its value; see Param
	asked  bool
}

func (c *Call) run() error {
	if needed := c.row.Needs(); len(needed) > 0 {
		if _, err := reqctx.Require(c.ctx(), needed...); err != nil {
			return err
		}
	}
	if err := c.readQuery(); err != nil {
		return err
	}
	if err := c.checkPath(); err != nil {
		return err
	}
	return c.row.Handler.serve(c)
}

func (c *Call) ctx() context.Context { return c.Request().Context() }

// Caller is who sent the request.
func (c *Call) Caller() authz.Caller { return reqctx.From(c.ctx()).Caller }

// Ask is called right before the change of the row is passed to the room that makes it,
// which from then on records what it refuses. It returns the context and the author.
func (c *Call) Ask() (context.Context, authz.Author) {
	c.asked = true
	return c.ctx(), reqctx.Author(c.ctx())
}

// change returns what the request would have changed, as far as its path names it. Invalid
// ids are left out.
func (c *Call) change() authz.AuditedChange {
	var of authz.AuditedChange
	if c.row.Of != nil {
		of = c.row.Of(func(name string) string {
			if id := c.Param(name); authz.ValidateID(name, id) == nil {
				return id
			}
			return ""
		})
	}
	of.Kind = c.row.Change
	return of
}

// Reply is the response of a Handler.
type Reply[R any] struct {
	Status int // 0: 200, or 204 when there is no body
	Body   R
	// ETag, Location and Revision are headers, left out when they are empty or 0.
	ETag, Location string
	Revision       uint64
	// HeadersOnly answers HEAD without a Content-Length, where the body would take long to
	// make.
	HeadersOnly bool
}

// None is the body of a Reply without one.
type None struct{}

// Show returns a Reply with a body only.
func Show[R any](body R) Reply[R] { return Reply[R]{Body: body} }

// Handler serves the requests of its Row.
type Handler struct {
	body, reply reflect.Type // nil when it has no such thing that is JSON
	serve       func(*Call) error
	elsewhere   echo.HandlerFunc // instead of serve
}

// Body is the type of the JSON that is taken; nil for none.
func (h Handler) Body() reflect.Type { return h.body }

// Reply is the type of the JSON that is answered; nil for none.
func (h Handler) Reply() reflect.Type { return h.reply }

// Get is a Handler that takes no body, or one that it reads itself.
func Get[R any](f func(*Call) (Reply[R], error)) Handler {
	return Handler{reply: shown[R](), serve: func(c *Call) error {
		if len(c.row.Takes) > 0 {
			if err := wire.RequireType(c.Request().Header, c.row.Takes...); err != nil {
				return err
			}
		}
		reply, err := f(c)
		if err != nil {
			return err
		}
		return send(c, &reply)
	}}
}

// Post is a Handler that takes JSON.
func Post[B, R any](f func(*Call, *B) (Reply[R], error)) Handler {
	return Reading(func() *B { return new(B) }, f)
}

// Reading is Post for a body of a type that make knows.
func Reading[B, R any](make func() B, f func(*Call, B) (Reply[R], error)) Handler {
	return Handler{body: reflect.TypeOf(make()), reply: shown[R](), serve: func(c *Call) error {
		body := make()
		if err := wire.ReadJSON(c.Response(), c.Request(), c.limit, body); err != nil {
			return err
		}
		reply, err := f(c, body)
		if err != nil {
			return err
		}
		return send(c, &reply)
	}}
}

// Stream is a Handler that writes its response itself.
func Stream(f func(*Call) error) Handler { return Handler{serve: f} }

// Elsewhere is the Handler of a row that only the document is made from: h checks roles,
// query and body itself.
func Elsewhere(h echo.HandlerFunc) Handler { return Handler{elsewhere: h} }

func shown[R any]() reflect.Type {
	if t := reflect.TypeFor[R](); t != reflect.TypeFor[None]() {
		return t
	}
	return nil
}

func send[R any](c *Call, reply *Reply[R]) error {
	header := c.Response().Header()
	if reply.ETag != "" {
		header.Set("ETag", reply.ETag)
	}
	if reply.Location != "" {
		header.Set("Location", reply.Location)
	}
	if reply.Revision > 0 {
		header.Set(api.HeaderRevision, decimal(reply.Revision))
	}
	status := reply.Status
	switch {
	case status == http.StatusNotModified:
		return c.NoContent(status)
	case shown[R]() == nil && status == 0:
		return c.NoContent(http.StatusNoContent)
	case shown[R]() == nil:
		return c.NoContent(status)
	case status == 0:
		status = http.StatusOK
	}
	if reply.HeadersOnly {
		header.Set("Content-Type", api.TypeJSON)
		return c.NoContent(status)
	}
	return wire.WriteJSON(c.Response(), status, reply.Body)
}
