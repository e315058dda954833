# METADATA
# title: Token
# description: >-
#   Denies tokens outside their time, meant for somebody else, of an issuer that may
#   not speak for the machine user, too old for the tier of the called service,
#   revoked, or past the deadline to renew them. Signature and shape were judged
#   before. Times are whole seconds since 1970.
package guards.token

import data.verdict.lib.facts
import data.verdict.lib.reasons
import data.verdict.lib.times

# METADATA
# description: The token has expired.
# custom:
#   code: TOKEN_EXPIRED
#   fix: Get a new token from the issuer, and renew it before it expires.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"expires_at": expires_at}) if {
	expires_at := input.token.expires_at
	facts.now_ns >= (expires_at + object.get(input.token, "leeway_s", 0)) * 1000000000
}

# METADATA
# description: The token is not valid yet.
# custom:
#   code: TOKEN_INVALID
#   fix: Wait until the token's nbf, or correct the clock of its issuer.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"cause": "not_yet_valid", "not_before": not_before}) if {
	not_before := input.token.not_before
	facts.now_ns < (not_before - object.get(input.token, "leeway_s", 0)) * 1000000000
}

# METADATA
# description: The token was issued in the future.
# custom:
#   code: TOKEN_INVALID
#   fix: Correct the clock of the token's issuer.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"cause": "issued_in_future", "issued_at": issued_at}) if {
	issued_at := input.token.issued_at
	facts.now_ns < (issued_at - object.get(input.token, "leeway_s", 0)) * 1000000000
}

# METADATA
# description: The token is meant for somebody else.
# custom:
#   code: TOKEN_AUDIENCE_MISMATCH
#   fix: Ask the issuer for a token with one of the accepted audiences.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"audiences": audiences, "accepted": _accepted_audiences}) if {
	not _for_us
	audiences := {audience | some audience in input.token.audiences}
	input.token
}

# METADATA
# description: This issuer may not speak for the machine user.
# custom:
#   code: ISSUER_UNTRUSTED
#   fix: List the issuer in the machine user's issuers, or use a token of one listed.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"issuer": issuer, "issuers": issuers}) if {
	issuers := object.get(facts.machine_user, "issuers", [])
	own := object.get(input.token, "own", false)
	[issuers, own] != [[], true] # when none is listed, our own may
	issuer := object.get(input.token, "issuer", "")
	not issuer in issuers
}

# METADATA
# description: The token is too old for this service.
# custom:
#   code: TOKEN_RENEWAL_REQUIRED
#   fix: Get a new token from the issuer. Tokens for this service may be no older than max_age_s.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"max_age_s": _max_age_s, "age_s": facts.now_s - issued_at}) if {
	issued_at := input.token.issued_at
	facts.now_ns >= ((issued_at + _max_age_s) + 1) * 1000000000 # an age counts whole seconds
	facts.service
}

# METADATA
# description: The token was revoked.
# custom:
#   code: TOKEN_REVOKED
#   fix: Find out why it was revoked, then authenticate again for a new token.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"by": by, "of": of}) if {
	some [by, of] in _names
	revocation := data.revocations[by][of]
	not _ended(revocation)
	not _issued_since(object.get(revocation, "issued_before", _never))
}

# METADATA
# description: The token was issued before the machine user's tokens became valid.
# custom:
#   code: TOKEN_REVOKED
#   fix: Get a new token from the issuer.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"by": "tokens_valid_from", "tokens_valid_from": from}) if {
	from := facts.machine_user.tokens_valid_from
	not _issued_since(from)
}

# METADATA
# description: The deadline to renew this token has passed.
# custom:
#   code: TOKEN_RENEWAL_REQUIRED
#   fix: Get a new token from the issuer.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"by": by, "of": of, "deadline": renewal.deadline}) if {
	some [by, of, renewal] in _renewals
	times.over(renewal, "deadline", facts.now_ns)
}

# METADATA
# description: The request says too little of the token, or of the time, to judge it.
# custom:
#   code: INPUT_INCOMPLETE
#   fix: Present a token whose issuer states what is missing.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"missing": sort(_missing)}) if {
	count(_missing) > 0
}

# METADATA
# description: The token must be renewed within so many seconds.
advice contains {"id": "renew_token", "within_s": floor((_deadline - facts.now_ns) / 1000000000)}

# METADATA
# description: When the token expires, becomes too old, or must have been renewed.
valid_until contains input.token.expires_at * 1000000000

valid_until contains (input.token.issued_at + _max_age_s) * 1000000000

valid_until contains _deadline

# The first deadline of a renewal that is still ahead.
_deadline := min({deadline |
	some [_, _, renewal] in _renewals
	deadline := times.ns(renewal.deadline)
	deadline > facts.now_ns
})

# Renewals that name this token and that it has not followed yet: [by, of, renewal].
_renewals := {[by, of, renewal] |
	some [by, of] in _names
	renewal := data.renewals[by][of]
	not _ended(renewal)
	not _issued_since(object.get(renewal, "issued_before", _never))
}

# What a list may name this token by: [by, of].
_names contains ["token", input.token.id]

_names contains ["subject", input.subject.id]

_names contains ["tenant", input.token.tenant]

_names contains ["tenant", facts.machine_user.tenant]

_names contains ["issuer_key", input.token.key_id]

_names contains ["credential", input.token.credential]

_ended(entry) if times.reached(entry.until, facts.now_ns)

# The token is known to have been issued at this time or later. It counts as issued as
# early as the leeway allows, or one from a clock ahead of ours would escape a list.
_issued_since(text) if {
	leeway_s := object.get(input.token, "leeway_s", 0)
	times.reached(text, (input.token.issued_at - leeway_s) * 1000000000)
}

# No token is issued as late as this.
_never := "9999-12-31T23:59:59Z"

_missing contains "time" if not facts.timed

_missing contains "token" if not input.token

_missing contains "token.issued_at" if not is_number(object.get(input.token, "issued_at", null))

_missing contains "token.expires_at" if not is_number(object.get(input.token, "expires_at", null))

_for_us if {
	some audience in input.token.audiences
	audience in _accepted_audiences
}

_accepted_audiences := {audience | some audience in input.token.accepted_audiences} | {input.resource.id}

# The service's own limit, or else its tier's; without one no age will do.
default _max_age_s := -1

_max_age_s := age if {
	age := facts.service.max_token_age_s
	age > 0
} else := age if {
	age := facts.tier.max_token_age_s
	is_number(age)
}
