# METADATA
# title: Credential
# description: >-
#   Denies evidence behind which stands a registered credential that is retired,
#   revoked, expired, not valid yet or too old for the tier of its machine user, and
#   client certificates outside their dates. It holds the revocation list against
#   certificates and against evidence that is no token; guards.token does so for
#   tokens. That the evidence is genuine was judged before. Times are whole seconds
#   since 1970, and both ends of a validity belong to it (RFC 5280 section 4.1.2.5).
package guards.credential

import data.verdict.lib.facts
import data.verdict.lib.lists
import data.verdict.lib.reasons

# METADATA
# description: The credential was retired by its rotation.
# custom:
#   code: CREDENTIAL_RETIRED
#   fix: Use the newest generation of the machine user's credential.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), _credential) if {
	input.credential.state == "retired"
}

# METADATA
# description: The credential was revoked.
# custom:
#   code: CREDENTIAL_REVOKED
#   fix: Find out why it was revoked, then give the machine user a new credential.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), _credential) if {
	input.credential.state == "revoked"
}

# METADATA
# description: What the caller presents is on the revocation list.
# custom:
#   code: CREDENTIAL_REVOKED
#   fix: Find out why it is on the list, then authenticate with a credential that is not.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"by": by, "of": of}) if {
	some [by, of] in _names
	revocation := data.revocations[by][of]
	lists.hits(revocation, facts.now_ns, facts.now_ns) # it proves the caller now
}

# METADATA
# description: The credential has expired.
# custom:
#   code: CREDENTIAL_EXPIRED
#   fix: Give the machine user a new credential, and rotate it before its not_after.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), object.union(_credential, {"cause": "expired"})) if {
	_expired
}

# METADATA
# description: The credential is older than the tier of its machine user allows.
# custom:
#   code: CREDENTIAL_EXPIRED
#   fix: Rotate the credential. Credentials of this machine user may be no older than max_age_s.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), object.union(_credential, {
	"cause": "too_old",
	"age_s": facts.now_s - _made_at,
	"max_age_s": _max_age_s,
})) if {
	not _lasts_until(_made_at + _max_age_s)
}

# METADATA
# description: The credential is not valid yet.
# custom:
#   code: CREDENTIAL_EXPIRED
#   fix: Wait until the credential's not_before, or use one that is valid now.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), object.union(_credential, {
	"cause": "not_yet_valid",
	"not_before": not_before,
})) if {
	not_before := input.credential.not_before
	not _began_at(not_before)
}

# METADATA
# description: The client certificate has expired.
# custom:
#   code: CREDENTIAL_EXPIRED
#   fix: Have the authority issue a new certificate, and renew it before it expires.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"cause": "certificate_expired", "not_after": not_after}) if {
	not_after := input.certificate.not_after
	not _lasts_until(not_after)
}

# METADATA
# description: The client certificate is not valid yet.
# custom:
#   code: CREDENTIAL_EXPIRED
#   fix: Wait until the certificate is valid, or correct the clock of its authority.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"cause": "certificate_not_yet_valid", "not_before": not_before}) if {
	not_before := input.certificate.not_before
	not _began_at(not_before)
}

# METADATA
# description: The request says too little of the credential to judge it.
# custom:
#   code: INPUT_INCOMPLETE
#   fix: Register the credential anew with what is missing, or present another one.
#   status: 401
deny contains reasons.denial(rego.metadata.rule(), {"missing": sort(_missing)}) if {
	count(_missing) > 0
}

# METADATA
# description: The credential is on its way out; its holder should use the newest generation.
advice contains {
	"id": "retiring_credential",
	"credential": input.credential.id,
	"generation": input.credential.generation,
} if {
	input.credential.state == "retiring"
}

# METADATA
# description: The credential must be rotated within so many seconds.
advice contains {"id": "rotate_credential", "within_s": floor(((_end * 1000000000) - facts.now_ns) / 1000000000)} if {
	_began_at(_rotate_from)
	_lasts_until(_end) # an expired one that a mode lets pass needs no advice
}

# METADATA
# description: When the credential or the certificate ends, and when to rotate is first advised.
valid_until contains input.credential.not_after * 1000000000

valid_until contains input.certificate.not_after * 1000000000

valid_until contains _end * 1000000000

valid_until contains _rotate_from * 1000000000 if not _began_at(_rotate_from)

# The details of a denial.
_credential := {
	"credential": object.get(input.credential, "id", ""),
	"generation": object.get(input.credential, "generation", 0),
}

_expired if input.credential.state == "expired"

_expired if {
	not_after := input.credential.not_after
	not _lasts_until(not_after)
}

# The keys of revocation list entries that apply to this evidence: [by, of]. A certificate
# counts for nothing if it or its issuer is revoked, with a token or without.
_names contains ["certificate", input.certificate.id]

_names contains ["issuer", input.certificate.issuer]

_names contains ["credential", input.certificate.credential]

_names contains ["credential", input.credential.id] if not input.token

_names contains ["subject", input.subject.id] if not input.token

_names contains ["tenant", facts.machine_user.tenant] if not input.token

_missing contains "credential.id" if {
	object.get(input, ["credential", "id"], "") == ""
	_kind in {"secret", "assertion", "certificate"} # these prove no subject without one
}

_missing contains "credential.state" if {
	input.credential.id
	state := object.get(input.credential, "state", "")
	not state in {"pending", "active", "retiring", "retired", "revoked", "expired"}
}

_missing contains "credential.made_at" if {
	_ages
	not is_number(object.get(input.credential, "made_at", null))
}

_missing contains sprintf("certificate.%s", [name]) if {
	certificate := input.certificate
	some name in ["id", "not_before", "not_after"]
	object.get(certificate, name, "") == ""
}

_missing contains "certificate" if {
	_kind == "certificate"
	not input.certificate
}

_kind := object.get(input, ["credential", "kind"], "")

# Certificates and federated credentials have no key or secret of ours that could get old.
_ages if {
	input.credential.id
	type := object.get(input.credential, "type", "")
	not type in {"certificate", "federated"}
}

# When a credential with a greatest age was made.
_made_at := made_at if {
	made_at := input.credential.made_at
	is_number(made_at)
	_ages
}

# The greatest age; without a setting every age is too old.
default _max_age_s := -1

_max_age_s := age if {
	age := facts.caller_tier.max_credential_age_s
	is_number(age)
}

# When a credential will be too old, or expires, whichever is first.
_end := min({too_old, object.get(input.credential, "not_after", too_old)}) if {
	too_old := _made_at + _max_age_s
}

# The last fifth of its lifetime.
_rotate_from := ceil(_end - ((_end - _made_at) / 5))

_lasts_until(s) if {
	is_number(s)
	facts.now_ns <= s * 1000000000
}

_began_at(s) if {
	is_number(s)
	facts.now_ns >= s * 1000000000
}
