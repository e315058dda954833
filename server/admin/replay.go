package admin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/reqctx"
	"github.com/verdict-pdp/verdict/server/route"
	"github.com/verdict-pdp/verdict/server/wire"
)

// replayRun is what to replay.
type replayRun struct {
	request api.ReplayRequest
	// bundle is the bundle in the request, gzipped tar, when request.Bundle names one;
	// else nil.
	bundle io.Reader
	// records are the records in the request, NDJSON as exported; nil for those of the
	// log. It has no limit but the time each Read takes.
	records io.Reader
}

// progressEvery is the least time between two lines of progress.
const progressEvery = 500 * time.Millisecond

func (h *Handler) replay(c *route.Call) error {
	run, sent, err := h.replayRunOf(c)
	if err != nil {
		return err
	}
	if err := validateReplay(&run); err != nil {
		return err
	}
	ctx, done, err := h.task(c)
	if err != nil {
		return err
	}
	defer done()
	answer := &replayAnswer{handler: h, context: c, giveUp: done}
	progress := func(done, total uint64) {
		if sent == nil || sent.ended.Load() { // HTTP/1.1 answers what was read
			answer.progress(done, total)
		}
	}
	_, by := c.Ask()
	report, err := h.Control.Replay(ctx, by, run.request, run.bundle, run.records, progress)
	return answer.end(report, taskError(c, err))
}

// replayAnswer writes the lines of one replay. The status is sent with the first line, so
// that an earlier error is a problem document like any other.
type replayAnswer struct {
	handler *Handler
	context echo.Context
	giveUp  context.CancelFunc
	last    time.Time // of the last line of progress; zero before the first
	broken  error     // of a line that could not be written
}

// progress writes a line now and then. When that fails, the client is gone and the replay
// is cancelled.
func (a *replayAnswer) progress(done, total uint64) {
	at := a.handler.Now()
	if a.broken != nil || !a.last.IsZero() && at.Sub(a.last) < progressEvery {
		return
	}
	a.last = at
	if a.broken = a.write(api.ReplayLine{Progress: &api.ReplayProgress{Done: done, Total: total}}); a.broken != nil {
		a.giveUp()
	}
}

// end writes the last line.
func (a *replayAnswer) end(report authz.Comparison, err error) error {
	switch {
	case a.broken != nil:
		return a.broken
	case err == nil:
		return a.write(api.ReplayLine{Report: &report})
	case a.last.IsZero():
		return err
	}
	r := a.context.Request()
	problem := wire.ProblemOf(r, err)
	reqctx.From(r.Context()).Failed = err
	return a.write(api.ReplayLine{Error: &problem})
}

// write sends a line at once, and extends the deadline for the next.
func (a *replayAnswer) write(line api.ReplayLine) error {
	response := a.context.Response()
	response.Header().Set("Content-Type", api.TypeNDJSON)
	if err := wire.WriteLine(a.handler.streamOf(a.context), line); err != nil {
		return err
	}
	if err := http.NewResponseController(response).Flush(); err != nil {
		return err
	}
	return a.handler.extend(response, a.handler.taskTime())
}

// replayRunOf reads what to replay: JSON, or a form whose parts are in the order
// request, bundle, records. The records sent stay in the request, to be read as
// they are replayed; nil when there are none.
func (h *Handler) replayRunOf(c echo.Context) (replayRun, *records, error) {
	r := c.Request()
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != typeMultipart {
		var body api.ReplayRequest
		err := wire.ReadJSON(c.Response(), r, h.bodyLimit(), &body)
		return replayRun{request: body}, nil, err
	}
	upload := h.uploadOf(c)
	form := &replayForm{upload: upload, parts: multipart.NewReader(upload, params["boundary"])}
	run, sent, err := form.read()
	if sent != nil {
		run.records = sent
	}
	return run, sent, err
}

const typeMultipart = "multipart/form-data"

// replayForm reads the parts of a replay in their order.
type replayForm struct {
	upload upload
	parts  *multipart.Reader
}

func (f *replayForm) read() (run replayRun, sent *records, err error) {
	part, err := f.next()
	if err != nil {
		return replayRun{}, nil, err
	}
	if part == nil || part.FormName() != "request" {
		return replayRun{}, nil, authz.Invalid("request", "must be the first part of the form: JSON that says what to replay")
	}
	if err := wire.ReadJSONPart(f.upload.response, part, f.upload.handler.bodyLimit(), &run.request); err != nil {
		return replayRun{}, nil, err
	}
	if part, err = f.next(); err != nil {
		return replayRun{}, nil, err
	}
	if part != nil && part.FormName() == "bundle" {
		if run.bundle, err = f.bundle(part); err != nil {
			return replayRun{}, nil, err
		}
		if part, err = f.next(); err != nil {
			return replayRun{}, nil, err
		}
	}
	switch {
	case part == nil:
		return run, nil, f.finish()
	case part.FormName() != "records":
		return replayRun{}, nil, unknownPart(part)
	}
	return run, &records{part: part, form: f}, nil
}

func unknownPart(part *multipart.Part) error {
	return authz.Invalid("body", "has a part "+strconv.Quote(part.FormName())+" where none is known; its parts are request, bundle and records, each at most once and in this order")
}

// maxEpilogue is how much may follow the last part of a form.
const maxEpilogue = 4 << 10

// finish reads the request to its end: only then does net/http notice that its sender went
// away.
func (f *replayForm) finish() error {
	if _, err := io.CopyN(io.Discard, f.upload, maxEpilogue); !errors.Is(err, io.EOF) {
		return formError(err)
	}
	return nil
}

// next is the next part, nil after the last one.
func (f *replayForm) next() (*multipart.Part, error) {
	part, err := f.parts.NextPart()
	switch {
	case err == nil:
		return part, nil
	case err == io.EOF: // a form that is cut short has it wrapped
		return nil, nil
	}
	return nil, formError(err)
}

// formError returns the error of reading a form for the response.
func formError(err error) error {
	var ours *authz.Error
	if errors.As(err, &ours) {
		return ours
	}
	return &authz.Error{Code: authz.CodeInvalid, Message: "the body is not a whole " + typeMultipart, Cause: err}
}

// bundle reads the bundle into memory, as the records follow it.
func (f *replayForm) bundle(part io.Reader) (io.Reader, error) {
	limit := f.upload.handler.bundleLimit()
	packed, err := io.ReadAll(io.LimitReader(part, limit+1))
	if err != nil {
		return nil, formError(err)
	}
	if int64(len(packed)) > limit {
		return nil, &authz.Error{Code: authz.CodeTooLarge, Field: "bundle", Message: "is larger than " + strconv.FormatInt(limit, 10) + " bytes"}
	}
	return bytes.NewReader(packed), nil
}

// records reads the last part of a form, and to the end of the form behind it.
type records struct {
	part  *multipart.Part
	form  *replayForm
	end   error       // of the part, once it was reached
	ended atomic.Bool // the form was read to its end
}

// Read implements io.Reader.
func (r *records) Read(p []byte) (int, error) {
	if r.end != nil {
		return 0, r.end
	}
	n, err := r.part.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		r.end = r.last()
	case err != nil:
		r.end = formError(err)
	}
	return n, r.end
}

// last is io.EOF when the form ends with the records.
func (r *records) last() error {
	switch part, err := r.form.next(); {
	case err != nil:
		return err
	case part != nil:
		return unknownPart(part)
	}
	if err := r.form.finish(); err != nil {
		return err
	}
	r.ended.Store(true)
	return io.EOF
}

// validateReplay returns an error for a request that is incomplete or contradicts itself.
func validateReplay(run *replayRun) error {
	r := &run.request
	switch {
	case r.Last < 0 || r.Last > maxCompared:
		return authz.Invalid("last", "must be a number up to "+strconv.Itoa(maxCompared))
	case r.Bundle != "" && run.bundle == nil:
		return authz.Invalid("bundle", "names a bundle, but none was sent along; send "+typeMultipart+" with the part bundle")
	case r.Bundle == "" && run.bundle != nil:
		return authz.Invalid("bundle", "is required: the name of the bundle that was sent along")
	case r.Bundle != "" && r.Generation != 0:
		return authz.Invalid("generation", "and a bundle are two things to judge by; send one of them")
	case r.Generation > maxGeneration:
		return authz.Invalid("generation", "must be the number of a generation")
	}
	if r.Bundle != "" {
		if err := authz.ValidateBundleName("bundle", r.Bundle); err != nil {
			return err
		}
	}
	if err := validateData(r.Data); err != nil {
		return err
	}
	return validateFilter("filter.", r.Filter)
}

func validateData(data string) error {
	switch data {
	case "", api.DataRecorded, api.DataNow:
		return nil
	}
	if n, err := strconv.ParseUint(data, 10, 63); err != nil || n == 0 {
		return authz.Invalid("data", "must be recorded, now or a data revision")
	}
	return nil
}
