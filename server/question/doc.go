// Package question is the way from the wire to an authz.Request and back, the same for
// every surface that takes questions: the bodies of package api in, decisions as much
// explained as was asked for out. It knows no protocol: a Sender is a caller and the
// client certificates of its connection, whatever that is.
//
// What it refuses has two readings, or no place in such a question; the error names the
// member. Roles are not looked at: the pipeline holds them against every question. A
// surface that wants to refuse a caller before it reads a body asks
// authz.Caller.MayAsk, which is the pipeline's own rule.
package question
