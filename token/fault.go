package token

import "github.com/verdict-pdp/verdict/authz"

// What a caller can do about the common faults.
const (
	fixSendAsIssued = "Send the token exactly as the issuer returned it: three base64url parts joined by dots, without \"Bearer\"."
	fixJSON         = "Send a token exactly as its issuer returned it; send claims as one JSON object with each member once."
	fixNewToken     = "Get a new token from the issuer and send that."
	fixIssuerClaims = "Ask the issuer to put the claim in its tokens, or map another claim in the issuer's claims."
	fixWait         = "Retry shortly. If it stays, an operator should see what this node logs of the issuer's jwks_url."
)

// invalid is the fault of a token, or of asserted claims, that prove nobody.
func invalid(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.TokenInvalid, Cause: cause, Message: message, Fix: fix}
}

// unavailable is the fault of an issuer whose keys cannot be had: never the
// token's fault, so never TOKEN_INVALID.
func unavailable(cause, message string) *authz.Fault {
	return &authz.Fault{Code: authz.IssuerUnavailable, Cause: cause, Message: message, Fix: fixWait}
}

// refused is the principal that evidence of a kind with a fault proves: nobody.
func refused(evidence string, fault *authz.Fault) authz.Principal {
	return authz.Principal{Evidence: evidence, Fault: fault}
}
