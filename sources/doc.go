// Package sources pulls bundles: from HTTP servers that serve them as OPA expects,
// and from folders that are watched.
//
// # Contract
//
// Each source is pulled from by itself, one attempt at a time, and hands what is new
// to Config.Push, which checks and activates it. A source that is down, or gives what
// does not get through, changes nothing: what is active stays active, Status says
// what failed, and the source is asked again.
//
// What a source gave counts as known only once it is active. Until then its ETag is
// not used, and it is asked for again. The same bytes that failed are pushed again
// with a back-off of their own, from a second to a quarter of an hour, while the
// source itself is asked at its usual pace: a new version is tried at once. The
// bytes that were activated last are not pushed again, whatever their ETag: who rolls
// back to an older bundle keeps it until the source has a newer one. Every source is
// asked at the start.
//
// # HTTP
//
// One GET, with If-None-Match of the version that is active and "Prefer:
// modes=snapshot;wait=N" (N seconds, when LongPoll is set). Any server of files will
// do: without an ETag the digest of the body shows whether it is new. A server that
// answers with the type application/vnd.openpolicyagent.bundles can hold back its
// answer until there is something new, and is asked again at once, though at most
// once a second; any other is asked after MinDelay to MaxDelay, at random. Failures
// are followed by a back-off from one second to MaxDelay, half of it random, and not
// before the Retry-After of a 429 or 503 (of MaxDelay at most). Redirects are
// followed within the same scheme, host and port. The body is read whole, up to
// MaxBytes, before it is pushed.
//
// # Folders
//
// A change is noticed when it is made, or, where the file system does not tell, after
// MinDelay to MaxDelay. What is pushed has been read twice, Debounce apart, with the
// same bytes. Links may not lead out of the folder. A folder that is removed is an
// error until it is back.
//
// Neither tokens nor what a server answered, its body, reaches an error, a log line
// or Status; of a URL, its query does not.
package sources
