package authz

// ReasonCode is the stable code of a reason, UPPER_SNAKE. Codes of guards live
// in their policies' METADATA, with their statuses; these are the ones Go code itself
// gives.
type ReasonCode string

// Codes of evidence that proved no subject.
const (
	TokenInvalid         ReasonCode = "TOKEN_INVALID"
	TokenBindingMismatch ReasonCode = "TOKEN_BINDING_MISMATCH" // the sender did not prove the key its token is bound to
	IssuerUntrusted      ReasonCode = "ISSUER_UNTRUSTED"
	IssuerUnavailable    ReasonCode = "ISSUER_UNAVAILABLE"
	CredentialMissing    ReasonCode = "CREDENTIAL_MISSING"
	CredentialUnknown    ReasonCode = "CREDENTIAL_UNKNOWN" // no credential is proved by what was presented
	RateLimited          ReasonCode = "RATE_LIMITED"       // too many guesses at a secret from this source
	SubjectMismatch      ReasonCode = "SUBJECT_MISMATCH"   // the request names another subject than the evidence proves
)

// Codes of an evaluation that did not end in a well-formed decision. Each
// denies, and none can be put in a mode.
const (
	PolicyUndefined  ReasonCode = "POLICY_UNDEFINED"   // the entrypoint has no value
	PolicyConflict   ReasonCode = "POLICY_CONFLICT"    // rules gave different values for one thing
	PolicyError      ReasonCode = "POLICY_ERROR"       // a built-in failed, or evaluation did
	PolicyTimeout    ReasonCode = "POLICY_TIMEOUT"     // evaluation took longer than its limit
	PolicyOverBudget ReasonCode = "POLICY_OVER_BUDGET" // evaluation read more store keys than its limit
	PolicyMalformed  ReasonCode = "POLICY_MALFORMED"   // the result is not a decision object
	PolicyMissing    ReasonCode = "POLICY_MISSING"     // no policy is active
)

// NotRecorded denies a decision whose record is required and could not be kept.
const NotRecorded ReasonCode = "NOT_RECORDED"

// DefaultDeny is the reason when nothing granted and nothing denied.
const DefaultDeny ReasonCode = "DEFAULT_DENY"

// Status is the HTTP status that an enforcement point should answer its own caller with,
// for a code that Go code gives. What is wrong with the policies is 403: the caller can
// do nothing about it, and must not be told to try again at once.
func (c ReasonCode) Status() int {
	switch c {
	case TokenInvalid, TokenBindingMismatch, IssuerUntrusted, CredentialMissing, CredentialUnknown:
		return 401
	case RateLimited:
		return 429
	case IssuerUnavailable, PolicyMissing, NotRecorded:
		return 503
	}
	return 403
}
