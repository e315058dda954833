# METADATA
# title: Assurance
# description: >-
#   Denies declared calls whose proof of the caller is weaker than the edge, the
#   service or the tier and origin require.
package guards.assurance

import data.verdict.lib.facts
import data.verdict.lib.reasons
import data.verdict.lib.trust

# METADATA
# description: The caller proved itself more weakly than this call requires.
# custom:
#   code: AUTH_TOO_WEAK
#   fix: >-
#     Authenticate at the required level: 1 a secret, 2 a token, 3 a short-lived token meant
#     for this audience and not got with a secret, or a signed assertion, 4 a client
#     certificate or a token bound to the sender's key, 5 the same of an attested workload.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"level": level, "required": trust.required_level}) if {
	not _reached
	facts.declared
	level := object.get(input, ["trust", "level"], null)
}

# METADATA
# description: The request does not say how strongly the caller proved itself.
# custom:
#   code: INPUT_INCOMPLETE
#   fix: Present a credential.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"missing": ["trust.level"]}) if {
	not is_number(object.get(input, ["trust", "level"], null))
}

_reached if {
	is_number(input.trust.level)
	input.trust.level >= trust.required_level
}
