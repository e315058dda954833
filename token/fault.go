package token

import "github.com/verdict-pdp/verdict/authz"

// What a caller can do about the common faults.
const (
	fixSendAsIssued = "Send the token exactly as the issuer returned it: three base64url parts joined by dots, without \"Bearer\"."
	fixJSON         = "Send a token exactly as its issuer returned it; send claims as one JSON object with each member once."
	fixNewToken     = "Get a new token from the issuer and send that."
	fixIssuerClaims = "Ask the issuer to put the claim in its tokens, or map another claim in the issuer's claims."
	fixWait         = "Retry shortly. If it stays, an operator should see how the issuer stands (GET /v1/issuers) and what this node logs of it."
)

// invalid is the fault of a token, or of asserted claims, that prove nobody.
func invalid(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.TokenInvalid, Cause: cause, Message: message, Fix: fix}
}

// unavailable is the fault of an issuer that cannot be had, or of what it
// publishes: never the token's fault, so never TOKEN_INVALID.
func unavailable(cause, message string) *authz.Fault {
	return &authz.Fault{Code: authz.IssuerUnavailable, Cause: cause, Message: message, Fix: fixWait}
}

// refusedIssuer is the fault of evidence by somebody who may not speak for anybody.
func refusedIssuer(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.IssuerUntrusted, Cause: cause, Message: message, Fix: fix}
}

// unknown is the fault of evidence that is of no registered credential.
func unknown(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.CredentialUnknown, Cause: cause, Message: message, Fix: fix}
}

// missing is the fault of evidence that is not there.
func missing(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.CredentialMissing, Cause: cause, Message: message, Fix: fix}
}

// refused is the principal that evidence of a kind with a fault proves: nobody.
func refused(evidence string, fault *authz.Fault) authz.Principal {
	return authz.Principal{Evidence: evidence, Fault: fault}
}
