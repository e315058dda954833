package events

// Types of events that change a list. Every other type is ignored.
const (
	caep = "https://schemas.openid.net/secevent/caep/event-type/"

	TypeSessionRevoked    = caep + "session-revoked"
	TypeCredentialChange  = caep + "credential-change"
	TypeTokenClaimsChange = caep + "token-claims-change"
)
