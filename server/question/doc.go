// Package question converts between the wire and authz, the same for every surface that
// takes questions: bodies of package api to an authz.Request, and decisions to responses
// with the detail that was asked for. It knows no protocol: a Sender is a caller and the
// client certificates of its connection, whatever that is.
//
// It returns an error, which names the member, for questions that are ambiguous or have
// members that do not belong there. It does not check roles: the pipeline does, for every
// question. A surface that wants to refuse a caller before it reads the body calls
// authz.Caller.MayAsk, which is the rule of the pipeline.
package question
