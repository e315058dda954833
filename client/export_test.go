package client

import "net/http"

// Strict has answers with members that their types do not have refused.
func (c *Client) Strict() { c.strict = true }

// Through has requests sent through what wrap makes of the transport.
func (c *Client) Through(wrap func(http.RoundTripper) http.RoundTripper) {
	c.http.Transport = wrap(c.http.Transport)
}
