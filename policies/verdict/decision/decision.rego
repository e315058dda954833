# METADATA
# title: Decision
# description: >-
#   The one entrypoint, data.verdict.decision. This package is the decision object:
#   every rule here is one of its members, and each but record always has a value.
# entrypoint: true
package verdict.decision

import data.verdict.lib.facts
import data.verdict.lib.modes
import data.verdict.lib.outcome
import data.verdict.lib.trust

# METADATA
# description: The call is declared and nothing denies it.
default allow := false

allow if {
	facts.declared
	outcome.enforced == set()
}

# METADATA
# description: Every reason for which the call is denied; empty exactly when it is allowed.
reasons := set() if {
	allow
} else := outcome.enforced if {
	outcome.enforced != set()
} else := {outcome.default_deny}

# METADATA
# description: Denials that a mode of observe or flag keeps from denying.
would_deny := {object.union(denial, {"mode": mode}) |
	some [mode, denial] in outcome.standing
	mode in {"observe", "flag"}
}

# METADATA
# description: What the enforcement point must do, or treat the answer as a deny.
obligations contains duty if {
	allow
	some guard, duties in outcome.obligations
	modes.of(guard) != "off"
	some duty in duties
}

# METADATA
# description: What the enforcement point may do.
advice contains duty if {
	allow
	duties := data.guards[guard].advice
	some duty in duties
	modes.of(guard) != "off"
}

advice contains {"id": "flagged", "code": denial.code, "guard": denial.guard} if {
	some denial in would_deny
	denial.mode == "flag"
	allow
}

advice contains {"id": "exception_in_use", "code": exception.code, "until": exception.until, "owner": exception.owner} if {
	some [guard, exception] in outcome.exceptions_in_use
	modes.of(guard) != "off"
	allow
}

# METADATA
# description: The trust level this call needs, 0 to 5.
required_level := trust.required_level

# METADATA
# description: >-
#   How many seconds the answer may be kept: what the service's tier allows, but no
#   longer than until the first guard may answer otherwise. 0, when denied, forbids it.
default cacheable_for_s := 0

cacheable_for_s := limit if {
	allow
	limit := facts.tier.cacheable_for_s
	limit >= 0
	outcome.holds_until >= facts.now_ns + (limit * 1000000000)
} else := left if {
	allow
	left := floor((outcome.holds_until - facts.now_ns) / 1000000000)
	left >= 0
	left < facts.tier.cacheable_for_s
}

# METADATA
# description: >-
#   How an enforcement point that cannot reach the PDP fails with a call like this
#   one: deny, unless it is allowed now and the service's tier says allow.
default if_pdp_unreachable := "deny"

if_pdp_unreachable := "allow" if {
	facts.tier.if_pdp_unreachable == "allow"
	allow
}

# METADATA
# description: >-
#   How durable the record of this decision must be at least: async, spool or
#   required, as the service's tier says. Without a word of it the server's
#   configuration decides alone.
record := facts.tier.record
