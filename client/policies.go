package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// BundleChange says why a bundle is changed, and whether the generation this makes is to
// be decided with at once when it passes the gate.
type BundleChange struct {
	Message  string
	Activate bool
}

func (b BundleChange) query() url.Values {
	activate := ""
	if b.Activate {
		activate = "true"
	}
	return query("message", b.Message, "activate", activate)
}

// ListBundles lists the bundles that are decided with.
func (c *Client) ListBundles(ctx context.Context) (api.BundleList, error) {
	return ask[api.BundleList](ctx, c, get(api.PathBundles), nil)
}

// GetBundle copies a bundle of the active generation to w, as it came in: gzipped tar.
func (c *Client) GetBundle(ctx context.Context, name string, w io.Writer) error {
	return c.copyTo(ctx, get(api.PathBundles+segment(name)), w)
}

// PutBundle puts a bundle, gzipped tar, through the gate. It returns the generation it
// made, or the active one, and created is false, when that has the same content.
func (c *Client) PutBundle(ctx context.Context, name string, bundle io.Reader, change BundleChange) (g authz.Generation, created bool, err error) {
	var answer Answer
	g, err = c.generation(KeepAnswer(ctx, &answer), operation{
		method: http.MethodPut, path: api.PathBundles + segment(name), query: change.query(), upload: bundle, mediaType: api.TypeBundle,
	})
	if err == nil {
		storeAnswer(ctx, answer)
	}
	return g, answer.Status == http.StatusCreated, err
}

// DeleteBundle makes a generation without a bundle.
func (c *Client) DeleteBundle(ctx context.Context, name string, change BundleChange) (authz.Generation, error) {
	return c.generation(ctx, operation{method: http.MethodDelete, path: api.PathBundles + segment(name), query: change.query()})
}

// generation makes a call that is answered with one generation, which may take its time.
func (c *Client) generation(ctx context.Context, op operation) (authz.Generation, error) {
	op.unbounded = true
	return ask(ctx, c, op, func(g *authz.Generation) error {
		if g.Number == 0 {
			return errors.New("it names no generation")
		}
		return nil
	})
}

func generationPath(n uint64) string { return api.PathGenerations + segment(strconv.FormatUint(n, 10)) }

// ListGenerations lists the newest generations that are kept, up to limit; 0 leaves that
// to the server.
func (c *Client) ListGenerations(ctx context.Context, limit int) (api.GenerationList, error) {
	op := get(api.PathGenerations)
	op.query = query("limit", number(limit))
	return ask[api.GenerationList](ctx, c, op, nil)
}

// GetGeneration reads one generation.
func (c *Client) GetGeneration(ctx context.Context, n uint64) (authz.Generation, error) {
	return c.generation(ctx, get(generationPath(n)))
}

// ActivateGeneration decides with a generation from the next request on.
func (c *Client) ActivateGeneration(ctx context.Context, n uint64, r api.ActivateRequest) (authz.Generation, error) {
	return c.generation(ctx, post(generationPath(n)+"/activate", r))
}

// Rollback goes back to an earlier generation.
func (c *Client) Rollback(ctx context.Context, r api.RollbackRequest) (authz.Generation, error) {
	return c.generation(ctx, post(api.PathRollback, r))
}

// DiffGenerations compares two generations: their files, and what the second makes of
// the last so many decisions recorded; 0 compares files alone.
func (c *Client) DiffGenerations(ctx context.Context, from, to uint64, last int) (api.Difference, error) {
	op := get(generationPath(from) + "/diff" + segment(strconv.FormatUint(to, 10)))
	op.query, op.unbounded = url.Values{"last": {strconv.Itoa(last)}}, true
	return ask[api.Difference](ctx, c, op, nil)
}

// PolicyStatus says how the policies stand, and the sources they are pulled from.
func (c *Client) PolicyStatus(ctx context.Context) (authz.PolicyStatus, error) {
	return ask[authz.PolicyStatus](ctx, c, get(api.PathPolicyStatus), nil)
}

// ListGuards lists the guards: their modes, and what each said lately.
func (c *Client) ListGuards(ctx context.Context) (api.GuardList, error) {
	return ask[api.GuardList](ctx, c, get(api.PathGuards), nil)
}

// SetGuardMode changes the mode of a guard, which makes a generation and activates it.
func (c *Client) SetGuardMode(ctx context.Context, guard string, r api.ModeRequest) (authz.Generation, error) {
	return c.generation(ctx, post(api.PathGuards+segment(guard)+"/mode", r))
}

// StartShadow has a generation judge live traffic too, without effect.
func (c *Client) StartShadow(ctx context.Context, r api.ShadowRequest) (api.ShadowReport, error) {
	return ask[api.ShadowReport](ctx, c, post(api.PathShadow, r), nil)
}

// ShadowReport says what the shadow found so far; CodeNotFound when there is none.
func (c *Client) ShadowReport(ctx context.Context) (api.ShadowReport, error) {
	return ask[api.ShadowReport](ctx, c, get(api.PathShadow), nil)
}

// StopShadow ends the shadow and says what it found.
func (c *Client) StopShadow(ctx context.Context) (api.ShadowReport, error) {
	return ask[api.ShadowReport](ctx, c, operation{method: http.MethodDelete, path: api.PathShadow}, nil)
}

// ReplayInput is what is sent along with a replay; nil for what the server has itself.
type ReplayInput struct {
	Bundle   io.Reader // gzipped tar, under the name of ReplayRequest.Bundle
	Records  io.Reader // NDJSON, as exported
	Progress func(api.ReplayProgress)
}

// Replay judges recorded decisions again and compares the answers.
func (c *Client) Replay(ctx context.Context, r api.ReplayRequest, in ReplayInput) (authz.Comparison, error) {
	op, err := replayOperation(r, in)
	if err != nil {
		return authz.Comparison{}, err
	}
	var report json.RawMessage
	err = c.lines(ctx, op, func(text []byte) error {
		var line replayLine
		if err := c.decode(text, &line); err != nil {
			return c.unreadable(Answer{Status: http.StatusOK}, err)
		}
		if line.Error != nil {
			return c.ended(line.Error)
		}
		if line.Progress != nil && in.Progress != nil {
			in.Progress(*line.Progress)
		}
		if line.Report != nil {
			report = bytes.Clone(line.Report)
		}
		return nil
	})
	if err != nil {
		return authz.Comparison{}, err
	}
	answer := Answer{Status: http.StatusOK, Body: report}
	if report == nil {
		return authz.Comparison{}, c.unreadable(answer, errors.New("it ends without a report"))
	}
	var comparison authz.Comparison
	if err := c.decode(report, &comparison); err != nil {
		return comparison, c.unreadable(answer, err)
	}
	storeAnswer(ctx, answer)
	return comparison, nil
}

// replayLine is api.ReplayLine, with what is read later as it came.
type replayLine struct {
	Progress *api.ReplayProgress `json:"progress"`
	Report   json.RawMessage     `json:"report"`
	Error    json.RawMessage     `json:"error"`
}

// ended is the problem that a stream ended with.
func (c *Client) ended(document []byte) error {
	e := &Error{Server: c.name}
	if err := e.readDocument(document); err != nil {
		return c.unreadable(Answer{Status: http.StatusOK}, err)
	}
	return e
}

// replayOperation is JSON, or a form when something goes along.
func replayOperation(r api.ReplayRequest, in ReplayInput) (operation, error) {
	op := post(api.PathReplay, r)
	if in.Bundle == nil && in.Records == nil {
		return op, nil
	}
	request, err := ijson.Marshal(r)
	if err != nil {
		return op, err
	}
	f := newForm()
	f.part("request", api.TypeJSON, bytes.NewReader(request))
	f.part("bundle", api.TypeBundle, in.Bundle)
	f.part("records", api.TypeNDJSON, in.Records)
	op.body = nil
	op.upload, op.mediaType, err = f.end()
	return op, err
}

// form is a multipart/form-data body whose parts are read as it is sent, so that it
// needs no memory for them.
type form struct {
	between bytes.Buffer // what the writer wrote since the last part
	writer  *multipart.Writer
	readers []io.Reader
	err     error
}

func newForm() *form {
	f := &form{}
	f.writer = multipart.NewWriter(&f.between)
	return f
}

// part adds a part; a nil content adds none.
func (f *form) part(name, mediaType string, content io.Reader) {
	if f.err != nil || content == nil {
		return
	}
	_, f.err = f.writer.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + name + `"`},
		"Content-Type":        {mediaType},
	})
	f.readers = append(f.readers, bytes.NewReader(bytes.Clone(f.between.Bytes())), content)
	f.between.Reset()
}

// end is the whole body, and its content type.
func (f *form) end() (io.Reader, string, error) {
	if err := errors.Join(f.err, f.writer.Close()); err != nil {
		return nil, "", err
	}
	f.readers = append(f.readers, &f.between)
	return io.MultiReader(f.readers...), f.writer.FormDataContentType(), nil
}
