package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/ijson"
)

// operation is one of the document, with what it is asked for with. Its path is escaped already.
type operation struct {
	method, path string
	query        url.Values
	header       http.Header
	// Of these at most one is set. A body is sent as JSON, json.RawMessage as it is.
	body   any
	form   url.Values
	upload io.Reader

	mediaType  string // of upload
	keyless    bool   // the caller proves itself in another way than by the API key
	idempotent bool   // it may be made twice
	unbounded  bool   // it may take any time
	accept     []int  // statuses that are answers too, beside 2xx
}

func get(path string) operation {
	return operation{method: http.MethodGet, path: path, idempotent: true}
}

func post(path string, body any) operation {
	return operation{method: http.MethodPost, path: path, body: body}
}

// segment is one part of a path.
func segment(text string) string { return "/" + url.PathEscape(text) }

// maxRetryAfter is the longest that a server may have a call wait for its next attempt.
// What is longer is for the caller to wait.
const maxRetryAfter = answerTimeout

// exchange makes a call, again if that does no harm, and hands the answer to use. The
// answer's body is closed after that.
func (c *Client) exchange(ctx context.Context, op *operation, use func(*http.Response) error) error {
	content, err := op.content()
	if err != nil {
		return err
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 100*time.Millisecond, 5*time.Second
	for attempt := 1; ; attempt++ {
		err := c.attempt(ctx, op, content, use)
		var failed *Error
		if err == nil || attempt >= c.attempts || !errors.As(err, &failed) || !op.retriable(failed) {
			return err
		}
		if failed.RetryAfter > maxRetryAfter || !pause(ctx, max(pauses.NextBackOff(), failed.RetryAfter)) {
			if errors.Is(ctx.Err(), context.Canceled) {
				return context.Cause(ctx)
			}
			return err
		}
	}
}

// content is the body as bytes; nil when there is none, or it is an upload.
func (op *operation) content() ([]byte, error) {
	switch body := op.body.(type) {
	case nil:
		if op.form != nil {
			return []byte(op.form.Encode()), nil
		}
		return nil, nil
	case json.RawMessage:
		return body, nil
	}
	return ijson.Marshal(op.body)
}

// retriable reports whether the call can be made again after err without the risk that
// it is done twice.
func (op *operation) retriable(err *Error) bool {
	if op.upload != nil {
		return false
	}
	var dialling *net.OpError
	notSent := errors.As(err.Cause, &dialling) && dialling.Op == "dial"
	switch err.Status {
	case 0:
		return notSent || op.idempotent && !err.tlsFailure()
	case http.StatusTooManyRequests:
		return true
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return op.idempotent
	}
	return false
}

// pause waits, unless ctx would end before: then it reports false at once.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (c *Client) attempt(ctx context.Context, op *operation, content []byte, use func(*http.Response) error) error {
	limit := time.Duration(0) // of ours
	if _, ok := ctx.Deadline(); !ok && !op.unbounded {
		limit = answerTimeout
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	request, err := c.request(ctx, op, content)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.connectionError(ctx, limit, err)
	}
	defer response.Body.Close()
	if (response.StatusCode < 200 || response.StatusCode > 299) && !slices.Contains(op.accept, response.StatusCode) {
		return readProblem(response, c.name)
	}
	received := &received{Reader: response.Body}
	response.Body = io.NopCloser(received)
	if err := use(response); received.err == nil || errors.As(err, new(*Error)) {
		return err
	}
	return c.connectionError(ctx, limit, received.err)
}

// received remembers the error of reading, to tell it from one of writing.
type received struct {
	io.Reader
	err error
}

func (r *received) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func (c *Client) request(ctx context.Context, op *operation, content []byte) (*http.Request, error) {
	target := c.base + op.path
	if len(op.query) > 0 {
		target += "?" + op.query.Encode()
	}
	body, mediaType := op.upload, op.mediaType
	if content != nil {
		body, mediaType = bytes.NewReader(content), api.TypeJSON
		if op.form != nil {
			mediaType = api.TypeForm
		}
	}
	request, err := http.NewRequestWithContext(ctx, op.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	for name, values := range op.header {
		request.Header[name] = values
	}
	request.Header.Set("User-Agent", c.userAgent)
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	if op.keyless {
		return request, nil
	}
	key, err := c.key(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding the API key: %w", err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	return request, nil
}

// ask makes a call whose answer is one JSON document. What check finds missing in it
// makes the answer unreadable; it may be nil.
func ask[R any](ctx context.Context, c *Client, op operation, check func(*R) error) (read R, err error) {
	err = c.read(ctx, op, func(body []byte) error {
		if err := c.decode(body, &read); err != nil || check == nil {
			return err
		}
		return check(&read)
	})
	return read, err
}

// read makes a call and hands the answer's body to use; an error of use makes the answer
// unreadable.
func (c *Client) read(ctx context.Context, op operation, use func(body []byte) error) error {
	answer, err := c.fetch(ctx, op)
	if err != nil {
		return err
	}
	if err := use(answer.Body); err != nil {
		return c.unreadable(answer, err)
	}
	return nil
}

// fetch makes a call and reads the answer whole.
func (c *Client) fetch(ctx context.Context, op operation) (answer Answer, err error) {
	err = c.exchange(ctx, &op, func(response *http.Response) error {
		answer = Answer{Status: response.StatusCode, Header: response.Header}
		answer.Body, err = io.ReadAll(io.LimitReader(response.Body, c.maxAnswer+1))
		if err == nil && int64(len(answer.Body)) > c.maxAnswer {
			return c.unreadable(answer, fmt.Errorf("it is longer than %d bytes", c.maxAnswer))
		}
		return err
	})
	if err == nil {
		storeAnswer(ctx, answer)
	}
	return answer, err
}

// copyTo makes a call and copies the answer to w as it arrives. On an error w has
// received a part that is worthless.
func (c *Client) copyTo(ctx context.Context, op operation, w io.Writer) error {
	op.unbounded = true
	return c.exchange(ctx, &op, func(response *http.Response) error {
		op.idempotent = false // what was written to w cannot be taken back
		storeAnswer(ctx, Answer{Status: response.StatusCode, Header: response.Header})
		_, err := io.Copy(w, response.Body)
		return err
	})
}

// lines makes a call and gives each line of the answer (NDJSON) to take as it arrives,
// without its end. A line is only good until take returns; an error of take ends it, and
// is returned.
func (c *Client) lines(ctx context.Context, op operation, take func(line []byte) error) error {
	op.unbounded = true
	return c.exchange(ctx, &op, func(response *http.Response) error {
		op.idempotent = false // some lines were taken
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, int(c.maxAnswer))
		for lines.Scan() {
			if err := take(lines.Bytes()); err != nil {
				return err
			}
		}
		if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
			return c.unreadable(Answer{Status: response.StatusCode, Header: response.Header}, err)
		}
		return lines.Err()
	})
}

func (c *Client) decode(body []byte, v any) error {
	if c.strict {
		return ijson.Unmarshal(body, v)
	}
	return ijson.UnmarshalOpen(body, v)
}

// query is the parameters of a URL, without those that are empty.
func query(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	return values
}

func number[N ~int | ~uint64](n N) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

func joined(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString(segment(s))
	}
	return b.String()
}
