# METADATA
# title: Outcome
# description: >-
#   Adds up what the guards say. Every package directly under data.guards takes
#   part by existing: deny is its set of denials, obligations and advice are its
#   duties for an allowed call, valid_until the times (nanoseconds) at which what
#   it said may change. A package deeper than that takes part only through one that
#   does not lie deeper. A guard that is off is evaluated all the same: its denials
#   do not count, but an error in it still denies.
package verdict.lib.outcome

import data.verdict.config
import data.verdict.lib.facts
import data.verdict.lib.modes
import data.verdict.lib.reasons
import data.verdict.lib.times

# METADATA
# description: The call is declared and no enforced guard denies it.
allowed if {
	facts.declared
	count(enforced) == 0
}

# METADATA
# description: Why the call is not allowed; empty exactly when it is.
reasons := enforced if {
	count(enforced) > 0
} else := set() if {
	facts.declared
} else := {default_deny}

# METADATA
# description: Nothing permits this call.
# custom:
#   code: DEFAULT_DENY
#   fix: Declare an edge from the machine user to the service that names the action.
#   status: 403
default_deny := object.union(reasons.denial(rego.metadata.rule(), {}), {"guard": "decision"})

# METADATA
# description: Denials that deny.
enforced contains denial if {
	some denial in _standing
	not modes.of(denial.guard) in _lenient
}

# METADATA
# description: Denials that their guard's mode keeps from denying, with that mode.
would_deny contains object.union(denial, {"mode": mode}) if {
	some denial in _standing
	mode := modes.of(denial.guard)
	mode in {"observe", "flag"}
}

# METADATA
# description: What the enforcement point must do when the call is allowed.
obligations contains duty if {
	allowed
	some name, duties in _obligations
	modes.of(name) != "off"
	some duty in duties
}

# METADATA
# description: What the enforcement point may do when the call is allowed.
advice contains duty if {
	allowed
	some name
	some duty in data.guards[name].advice
	modes.of(name) != "off"
}

advice contains {"id": "flagged", "code": denial.code, "guard": denial.guard} if {
	allowed
	some denial in would_deny
	denial.mode == "flag"
}

advice contains {"id": "exception_in_use", "code": denial.code, "until": exception.until, "owner": exception.owner} if {
	allowed
	some denial in _raised
	modes.of(denial.guard) != "off"
	some exception in _exceptions
	exception.code == denial.code
}

# METADATA
# description: >-
#   How many seconds the answer holds: what the service's tier allows, but no longer
#   than the first time at which a guard may answer otherwise. 0 when denied.
default cacheable_for_s := 0

cacheable_for_s := max({0, min({facts.tier.cacheable_for_s} | _seconds_left)}) if allowed

# METADATA
# description: >-
#   What an enforcement point that cannot reach the PDP does with a call like this
#   one: deny, unless it is allowed now and the service's tier says allow.
default if_pdp_unreachable := "deny"

if_pdp_unreachable := "allow" if {
	allowed
	facts.tier.if_pdp_unreachable == "allow"
}

# Modes that keep a denial from denying.
_lenient := {"off", "observe", "flag"}

# What each guard says, each asked once.
_denials[name] := data.guards[name].deny

_obligations[name] := data.guards[name].obligations

# Denials no exception on the edge excuses.
_standing contains denial if {
	some denial in _raised
	not denial.code in _excused
}

# Every denial, named after the guard that raised it whatever the denial itself says.
_raised contains object.union_n([_unsaid, denial, {"guard": name}]) if {
	some name, denials in _denials
	is_set(denials)
	some denial in denials
	_is_well_formed(denial)
}

_raised contains _malformed(name, "deny holds something that is not a denial with a code") if {
	some name, denials in _denials
	is_set(denials)
	some denial in denials
	not _is_well_formed(denial)
}

_raised contains _malformed(name, "deny is not a set") if {
	some name, denials in _denials
	not is_set(denials)
}

_raised contains _malformed(name, "obligations is not a set") if {
	some name, duties in _obligations
	not is_set(duties)
}

_is_well_formed(denial) if {
	is_object(denial)
	is_string(denial.code)
	denial.code != ""
}

# What a denial says when its author left it out.
_unsaid := {"message": "The guard denies this call.", "fix": "Ask the author of the guard.", "status": 403}

# METADATA
# description: A guard does not speak in the form a guard must.
# custom:
#   code: GUARD_MALFORMED
#   fix: Correct the guard's policy. Its deny and obligations are sets of objects.
#   status: 403
_malformed(name, problem) := object.union(
	reasons.denial(rego.metadata.rule(), {"problem": problem}),
	{"guard": name},
)

_excused := {exception.code | some exception in _exceptions}

_exceptions contains exception if {
	some exception in facts.edge_in_force.exceptions
	exception.code in config.exceptable_codes
	times.ahead(exception.until, facts.now_ns)
}

_seconds_left contains floor((until - facts.now_ns) / 1000000000) if {
	some name
	some until in data.guards[name].valid_until
}

_seconds_left contains floor((times.ns(exception.until) - facts.now_ns) / 1000000000) if {
	some denial in _raised
	some exception in _exceptions
	exception.code == denial.code
}
