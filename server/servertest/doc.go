// Package servertest starts a server.Server on loopback for tests, with fakes
// behind it that a test may replace, and a client that holds every exchange
// against the OpenAPI document the server serves: an answer that is not as
// documented fails the test, and so does a body that was accepted although the
// document forbids it.
package servertest
