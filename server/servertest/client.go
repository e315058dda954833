package servertest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/verdict-pdp/verdict/api"
)

// Call is one HTTP request of a test.
type Call struct {
	Method string // empty: GET without a Body, POST with one
	URL    string // Node.Decisions() or Node.Admin() and a path
	Key    string // API key; empty sends none
	Body   string
	Header http.Header // replaces what would be sent under the same names
}

// Answer is what came back, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Problem is the answer as a problem; the zero one when it is none.
func (a Answer) Problem() (p api.Problem) {
	if a.Header.Get("Content-Type") != api.TypeProblem || json.Unmarshal([]byte(a.Body), &p) != nil {
		return api.Problem{}
	}
	return p
}

// Do sends call and holds the exchange against the OpenAPI document.
func (n *Node) Do(call Call) Answer {
	n.t.Helper()
	answer, err := n.Try(call)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer
}

// Try is Do that returns what went wrong on the way, such as an answer that
// broke off.
func (n *Node) Try(call Call) (Answer, error) {
	n.t.Helper()
	request := n.request(call)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Answer{}, err
	}
	body, err := io.ReadAll(response.Body)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	answer := Answer{Status: response.StatusCode, Header: response.Header, Body: string(body)}
	if err != nil {
		return answer, err
	}
	if err := n.document.check(request, call.Body, answer); err != nil {
		n.t.Errorf("%s %s answered %d, not as documented: %v\n%s", request.Method, request.URL, answer.Status, err, answer.Body)
	}
	return answer, nil
}

func (n *Node) request(call Call) *http.Request {
	n.t.Helper()
	if call.Method == "" {
		call.Method = http.MethodGet
		if call.Body != "" {
			call.Method = http.MethodPost
		}
	}
	var body io.Reader
	if call.Body != "" {
		body = strings.NewReader(call.Body)
	}
	request, err := http.NewRequestWithContext(n.t.Context(), call.Method, call.URL, body)
	if err != nil {
		n.t.Fatal(err)
	}
	if call.Body != "" {
		request.Header.Set("Content-Type", api.TypeJSON)
	}
	if call.Key != "" {
		request.Header.Set("Authorization", "Bearer "+call.Key)
	}
	for name, values := range call.Header {
		request.Header[name] = values
	}
	return request
}
