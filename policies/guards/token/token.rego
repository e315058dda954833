# METADATA
# title: Token
# description: >-
#   Denies tokens outside their time, meant for somebody else, of an issuer that may
#   not speak for the machine user, too old for the tier of the called service,
#   revoked, or past the deadline to renew them; and any evidence that stands on what
#   an issuer said too long ago for that tier. Evidence that is no token is otherwise
#   left to guards.credential. Signature and shape were judged before. Times are whole
#   seconds since 1970.
package guards.token

import data.verdict.config
import data.verdict.lib.facts
import data.verdict.lib.lists
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
	not _for_nobody_named
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
	not _vouched_for
	issuers := object.get(facts.machine_user, "issuers", [])
	issuer := object.get(input.token, "issuer", "")
}

# METADATA
# description: The token is too old for this service.
# custom:
#   code: TOKEN_RENEWAL_REQUIRED
#   fix: Get a new token from the issuer. Tokens for this service may be no older than max_age_s.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"max_age_s": _max_age_s, "age_s": facts.now_s - issued_at}) if {
	issued_at := input.token.issued_at
	facts.now_ns >= ((issued_at + _max_age_s) + 1) * 1000000000 # ages are whole seconds
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
	lists.hits(revocation, _issued_ns, facts.now_ns)
}

# METADATA
# description: The status list of the token's issuer does not call it valid.
# custom:
#   code: TOKEN_REVOKED
#   fix: Ask the issuer why, then authenticate again for a new token.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"by": "status_list", "status": status}) if {
	status := input.token.status
	status != "valid"
}

# METADATA
# description: The token was issued before the machine user's tokens became valid.
# custom:
#   code: TOKEN_REVOKED
#   fix: Get a new token from the issuer.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"by": "tokens_valid_from", "tokens_valid_from": from}) if {
	from := facts.machine_user.tokens_valid_from
	not times.reached(from, _issued_ns)
	input.token
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
# description: What the issuer last said is too old for a service of this tier, and the issuer is out of reach.
# custom:
#   code: ISSUER_UNAVAILABLE
#   fix: Try again once the issuer answers; its owner can see how long it has not.
#   status: 503
deny contains reasons.denial(rego.metadata.rule(), {"age_s": age, "usable_for_s": _usable_for_s}) if {
	not _usable
	age := object.get(input, ["trust", "age_s"], null)
}

# METADATA
# description: The issuer is out of reach, and nothing else speaks for the caller of so critical a service.
# custom:
#   code: ISSUER_UNAVAILABLE
#   fix: >-
#     Try again once the issuer answers; or present a client certificate of the machine
#     user, or call from where this token was used before.
#   status: 503
deny contains reasons.denial(rego.metadata.rule(), {"cause": "stale_unsupported"}) if {
	_stale
	_usable
	not _needs_no_support
	not _supported
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
# description: The issuer is out of reach; what it said stays usable for so many seconds.
advice contains {"id": "issuer_stale", "issuer": _issuer, "usable_for_s": _usable_for_s - input.trust.age_s} if _stale

# METADATA
# description: >-
#   When the token expires, becomes too old, or must have been renewed, and when what
#   its issuer said is no longer usable.
valid_until contains input.token.expires_at * 1000000000

valid_until contains (input.token.issued_at + _max_age_s) * 1000000000

valid_until contains _deadline

valid_until contains facts.now_ns + ((_usable_for_s - age) * 1000000000) if age := input.trust.age_s

# The first deadline of a renewal that has not passed.
_deadline := min({deadline |
	some [_, _, renewal] in _renewals
	deadline := times.ns(renewal.deadline)
	deadline > facts.now_ns
})

# Renewals that apply to this token, which is from before them: [by, of, renewal].
_renewals := {[by, of, renewal] |
	some [by, of] in _names
	renewal := data.renewals[by][of]
	lists.hits(renewal, _issued_ns, facts.now_ns)
}

# The keys of list entries that apply to this token: [by, of].
_names contains ["token", input.token.id]

_names contains ["issuer_key", input.token.key_id]

_names contains ["issuer", input.token.issuer]

_names contains ["tenant", input.token.tenant]

_names contains ["credential", input.token.credential]

_names contains ["credential", input.credential.id] if input.token

_names contains ["subject", input.subject.id] if input.token

_names contains ["tenant", facts.machine_user.tenant] if input.token

_names contains ["tenant", facts.represented_user.tenant]

_names contains ["everything", "all"] if input.token

# The token counts as issued as early as the leeway allows; otherwise one from a clock ahead
# of ours would not be on a list. One without iat counts as older than everything.
default _issued_ns := -9223372036854775807

_issued_ns := (input.token.issued_at - object.get(input.token, "leeway_s", 0)) * 1000000000

_missing contains "time" if not facts.timed

_missing contains "token" if {
	not input.token
	not object.get(input, ["credential", "kind"], "") in {"secret", "assertion", "certificate"}
}

_missing contains "token.issued_at" if {
	not is_number(object.get(input.token, "issued_at", null))
	not _says_only_when_it_expires
}

_missing contains "token.expires_at" if not is_number(object.get(input.token, "expires_at", null))

# The answer of an issuer that is asked about an opaque token may lack the times and the
# audience (RFC 7662 section 2.2).
_says_only_when_it_expires if {
	input.credential.kind == "opaque"
	object.filter(input.token, ["issued_at"]) == {}
	is_number(input.token.expires_at)
}

_for_nobody_named if {
	input.credential.kind == "opaque"
	object.filter(input.token, ["audiences"]) == {}
}

# The issuer may issue the machine user's tokens: it is listed, or is our own and none is.
_vouched_for if {
	object.get(facts.machine_user, "issuers", []) == []
	input.token.own == true
}

_vouched_for if {
	some issuer in facts.machine_user.issuers
	issuer == input.token.issuer
}

# A federated credential names its issuer itself, and the token is by that issuer. That is
# true of the credential found by the token's subject, not of one that the token says it
# was issued for: any issuer may say that. Certificates are registered by thumbprint or
# with their issuer, so this is not checked for them.
_vouched_for if {
	input.credential.type == "federated"
	object.get(input.token, "credential", "") != input.credential.id
}

_issuer := object.get(input, ["token", "issuer"], object.get(input, ["certificate", "issuer"], ""))

# The issuer could not be reached when its data had to be refreshed.
_stale if object.get(input, ["trust", "freshness"], "fresh") != "fresh"

# The proof relies on no fetched data, or on data that is not too old for the service.
_usable if {
	not _stale
	object.filter(object.get(input, "trust", {}), ["age_s", "usable_for_s"]) == {}
}

_usable if {
	is_number(input.trust.age_s)
	input.trust.age_s <= _usable_for_s
}

# How long the issuer's data is usable for the called service: what its tier allows, or the
# least of any tier if the tier is unknown.
default _usable_for_s := -1

_usable_for_s := limit if {
	limit := input.trust.usable_for_s[facts.service.tier]
	is_number(limit)
} else := limit if {
	limit := min(input.trust.usable_for_s)
	is_number(limit)
}

# What else supports the caller's identity while its issuer cannot be reached.
_supported if {
	some support in input.trust.supports
	support in {"certificate", "known_source"}
}

_needs_no_support if {
	facts.service.tier in {0, 1, 2, 3}
	is_array(config.stale.support_required_tiers)
	not facts.service.tier in config.stale.support_required_tiers
}

_for_us if {
	some audience in input.token.audiences
	audience in _accepted_audiences
}

_accepted_audiences := {audience | some audience in input.token.accepted_audiences} | {input.resource.id}

# The service's own limit, or else its tier's; without a limit every age is too old.
default _max_age_s := -1

_max_age_s := age if {
	age := facts.service.max_token_age_s
	age > 0
} else := age if {
	age := facts.tier.max_token_age_s
	is_number(age)
}
