package events

import (
	"encoding/json"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Event is one security event whose token was verified: signature, typ, iss, aud,
// that it is one event, and that it has neither sub nor exp.
type Event struct {
	// Issuer sent it, and is a registered one.
	Issuer   *authz.Issuer
	JTI      string
	IssuedAt time.Time
	// Type is the URI its payload stands under in the claim events.
	Type      string
	SubjectID json.RawMessage // the claim sub_id
	Payload   json.RawMessage
}

// Types of events that change a list. Every other type is ignored.
const (
	caep = "https://schemas.openid.net/secevent/caep/event-type/"

	TypeSessionRevoked    = caep + "session-revoked"
	TypeCredentialChange  = caep + "credential-change"
	TypeTokenClaimsChange = caep + "token-claims-change"
)
