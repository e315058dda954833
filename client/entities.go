package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// Entities are the entities of one collection. Their keys are ids, of edges,
// entitlements, revocations and renewals two ids with a slash between.
type Entities[E any] struct{ Reader[E] }

// Reader reads the entities of one collection.
type Reader[E any] struct {
	client     *Client
	collection authz.Collection
}

func entities[E any](c *Client, collection authz.Collection) Entities[E] {
	return Entities[E]{Reader[E]{client: c, collection: collection}}
}

// MachineUsers are the subjects of decisions.
func (c *Client) MachineUsers() Entities[authz.MachineUser] {
	return entities[authz.MachineUser](c, authz.MachineUsers)
}

// Users of the tenants.
func (c *Client) Users() Entities[authz.User] { return entities[authz.User](c, authz.Users) }

// Tenants are who users belong to.
func (c *Client) Tenants() Entities[authz.Tenant] { return entities[authz.Tenant](c, authz.Tenants) }

// Plans of tenants.
func (c *Client) Plans() Entities[authz.Plan] { return entities[authz.Plan](c, authz.Plans) }

// Services are what machine users call.
func (c *Client) Services() Entities[authz.Service] {
	return entities[authz.Service](c, authz.Services)
}

// Edges say which machine user may do what to which service.
func (c *Client) Edges() Entities[authz.Edge] { return entities[authz.Edge](c, authz.Edges) }

// Entitlements say what holders have or have not.
func (c *Client) Entitlements() Entities[authz.Entitlement] {
	return entities[authz.Entitlement](c, authz.Entitlements)
}

// Credentials of machine users.
func (c *Client) Credentials() Entities[authz.Credential] {
	return entities[authz.Credential](c, authz.Credentials)
}

// Issuers of tokens and certificates.
func (c *Client) Issuers() Entities[authz.Issuer] { return entities[authz.Issuer](c, authz.Issuers) }

// RotationSets are machine users that rotate together; see StartRotation.
func (c *Client) RotationSets() Entities[authz.RotationSet] {
	return entities[authz.RotationSet](c, authz.RotationSets)
}

// Rotations are how far the sets are, as it is stored; see RotationStatus.
func (c *Client) Rotations() Reader[authz.Rotation] {
	return entities[authz.Rotation](c, authz.Rotations).Reader
}

// Revocations is the list that Revoke writes to.
func (c *Client) Revocations() Entities[authz.Revocation] {
	return entities[authz.Revocation](c, authz.Revocations)
}

// Renewals is the list that Renew writes to.
func (c *Client) Renewals() Entities[authz.Renewal] {
	return entities[authz.Renewal](c, authz.Renewals)
}

// Collection is a collection by its name, with entities as JSON; what is written is sent
// as it is.
func (c *Client) Collection(name authz.Collection) Entities[json.RawMessage] {
	return entities[json.RawMessage](c, name)
}

func (r Reader[E]) path(key string) string {
	path := api.PathV1 + string(r.collection)
	if key == "" {
		return path
	}
	return path + joined(strings.Split(key, "/")...)
}

// Get reads one entity.
func (r Reader[E]) Get(ctx context.Context, key string) (E, error) {
	return ask[E](ctx, r.client, get(r.path(key)), nil)
}

// Filters are values that fields of entities must have, by JSON name: those of
// authz.Collection.Filters.
type Filters map[string]string

// Paging says which page of a list to read. The zero one is the first, of the length the
// server chooses.
type Paging struct {
	Cursor string // NextCursor of the page before
	Limit  int    // most items, up to MaxLimit
}

// MaxLimit is the largest Paging.Limit a server takes.
const MaxLimit = 1000

func (p Paging) add(to url.Values) url.Values {
	if p.Cursor != "" {
		to.Set("cursor", p.Cursor)
	}
	if p.Limit != 0 {
		to.Set("limit", strconv.Itoa(p.Limit))
	}
	return to
}

// ListPage reads one page of the collection.
func (r Reader[E]) ListPage(ctx context.Context, f Filters, p Paging) (authz.Page[E], error) {
	list := get(r.path(""))
	list.query = p.add(url.Values{})
	for name, value := range f {
		list.query.Set(name, value)
	}
	return ask[authz.Page[E]](ctx, r.client, list, nil)
}

// List reads the whole collection, page by page, in the order of keys. An entity that
// stays unchanged meanwhile is seen exactly once. The first error ends it.
func (r Reader[E]) List(ctx context.Context, f Filters) iter.Seq2[E, error] {
	return all(func(p Paging) ([]E, string, error) {
		page, err := r.ListPage(ctx, f, p)
		return page.Items, page.NextCursor, err
	})
}

// errSamePage is of a list that would never end.
var errSamePage = &Error{Code: authz.CodeInternal, Status: http.StatusOK, Cause: errors.New("the next page is this one again"),
	Message: "the server's answer cannot be read: the next page is this one again"}

// all follows the cursors of a list.
func all[E any](page func(Paging) (items []E, next string, err error)) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		p := Paging{Limit: MaxLimit}
		for {
			items, next, err := page(p)
			if err == nil && next != "" && next == p.Cursor {
				err = errSamePage
			}
			if err != nil {
				yield(*new(E), err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			p.Cursor = next
		}
	}
}

// Written is an entity as it was stored.
type Written[E any] struct {
	Entity   E
	Created  bool // there was none before
	Revision uint64
}

// Create stores an entity that is not there yet, else CodeConflict.
func (e Entities[E]) Create(ctx context.Context, entity E) (Written[E], error) {
	return e.write(ctx, post(e.path(""), entity))
}

// Put stores an entity under key, in place of one that is there. The zero condition
// always holds; one that does not is CodePrecondition.
func (e Entities[E]) Put(ctx context.Context, key string, entity E, condition authz.Precondition) (Written[E], error) {
	header, err := conditionHeader(condition)
	if err != nil {
		return Written[E]{}, err
	}
	return e.write(ctx, operation{method: http.MethodPut, path: e.path(key), header: header, body: entity})
}

func (e Entities[E]) write(ctx context.Context, op operation) (w Written[E], err error) {
	answer, err := e.client.fetch(ctx, op)
	if err != nil {
		return w, err
	}
	if err := e.client.decode(answer.Body, &w.Entity); err != nil {
		return w, e.client.unreadable(answer, err)
	}
	w.Created = answer.Status == http.StatusCreated
	w.Revision, err = e.client.revision(answer)
	return w, err
}

// Delete removes an entity and returns the data revision without it. A condition of
// Revision or Present is taken.
func (e Entities[E]) Delete(ctx context.Context, key string, condition authz.Precondition) (revision uint64, err error) {
	header, err := conditionHeader(condition)
	if err != nil {
		return 0, err
	}
	answer, err := e.client.fetch(ctx, operation{method: http.MethodDelete, path: e.path(key), header: header})
	if err != nil {
		return 0, err
	}
	return e.client.revision(answer)
}

// revision is the one that a write made, which a header has.
func (c *Client) revision(answer Answer) (uint64, error) {
	revision, err := strconv.ParseUint(answer.Header.Get(api.HeaderRevision), 10, 64)
	if err != nil {
		return 0, c.unreadable(answer, errors.New(api.HeaderRevision+" is "+err.Error()))
	}
	return revision, nil
}

// conditionHeader is a precondition in headers (RFC 9110 section 13.1).
func conditionHeader(p authz.Precondition) (http.Header, error) {
	header := http.Header{}
	switch p {
	case authz.Precondition{}:
	case authz.IfPresent():
		header.Set("If-Match", "*")
	case authz.IfAbsent():
		header.Set("If-None-Match", "*")
	case authz.IfRevision(0):
		header.Set("If-Match", `"0"`)
	case authz.IfRevision(p.Revision):
		header.Set("If-Match", strconv.Quote(strconv.FormatUint(p.Revision, 10)))
	default:
		return nil, authz.Invalid("condition", "is one that cannot be asked for over HTTP")
	}
	return header, nil
}
