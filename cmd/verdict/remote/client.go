package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
)

// answerTimeout bounds a call whose answer is one document.
const answerTimeout = 75 * time.Second // above the longest wait a server grants

// maxAnswer bounds a document: a page of 1000 entities of the largest size.
const maxAnswer = 256 << 20

// Client calls one listener of one server. It is made by New.
type Client struct {
	server    string // base URL without a trailing slash
	key       string // secret
	userAgent string
	http      *http.Client
}

// New makes a client of the server at base, an http or https URL, that presents
// the API key; an empty one is not presented.
func New(base, key, userAgent string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, authz.Invalid("server", "is not a URL such as http://127.0.0.1:8182")
	}
	transport := &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		// A server that refuses an import answers before it has read the whole.
		ExpectContinueTimeout: time.Second,
	}
	return &Client{
		server:    strings.TrimSuffix(base, "/"),
		key:       key,
		userAgent: userAgent,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Call is one request. Path is escaped already and starts with a slash.
type Call struct {
	Method, Path string
	Query        url.Values
	Header       http.Header
	Body         io.Reader // nil sends none
	ContentType  string    // empty with a body means application/json
}

// Answer is a 2xx answer read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends call and reads the answer whole, within a time limit.
func (c *Client) Do(ctx context.Context, call Call) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return c.Upload(ctx, call)
}

// Upload sends call, whose body may take any time, and reads the answer whole.
func (c *Client) Upload(ctx context.Context, call Call) (*Answer, error) {
	response, err := c.send(ctx, call)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	return &Answer{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// Download sends call and copies the answer to w as it arrives. On an error w
// has received a part that is worthless.
func (c *Client) Download(ctx context.Context, call Call, w io.Writer) error {
	response, err := c.send(ctx, call)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body := &failing{Reader: response.Body}
	_, err = io.Copy(w, body)
	if body.err != nil {
		return c.lost(ctx, body.err)
	}
	return err
}

// Lines sends call and gives each line of the answer (NDJSON) to take as it arrives,
// without its end. A line is only good until take returns; an error of take ends
// it, and is returned.
func (c *Client) Lines(ctx context.Context, call Call, take func(line []byte) error) error {
	response, err := c.send(ctx, call)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		if err := take(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return c.lost(ctx, err)
	}
	return nil
}

// failing remembers the error of reading, to tell it from one of writing.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

func (c *Client) send(ctx context.Context, call Call) (*http.Response, error) {
	request, err := c.request(ctx, call)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		defer response.Body.Close()
		return nil, readProblem(response)
	}
	return response, nil
}

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	target := c.server + call.Path
	if len(call.Query) > 0 {
		target += "?" + call.Query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, call.Method, target, call.Body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	for name, values := range call.Header {
		request.Header[name] = values
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	request.Header.Set("User-Agent", c.userAgent)
	if call.Body != nil {
		request.Header.Set("Content-Type", api.TypeJSON)
		if call.ContentType != "" {
			request.Header.Set("Content-Type", call.ContentType)
		}
	}
	return request, nil
}

// lost explains a connection that failed. The caller's own wish to stop stays
// what it is.
func (c *Client) lost(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Cause(ctx)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Unreachable{Server: c.server, Cause: fmt.Errorf("none within %s", answerTimeout)}
	}
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	return &Unreachable{Server: c.server, Cause: err}
}
