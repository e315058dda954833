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
# description: Denials that deny.
enforced := {denial | some ["enforce", denial] in standing}

# METADATA
# description: >-
#   Denials no exception on the edge excuses, each with the mode of its guard:
#   [mode, denial].
standing := {[modes.of(denial.guard), denial] |
	some denial in _raised
	not denial.code in _excused
}

# METADATA
# description: Nothing permits this call.
# custom:
#   code: DEFAULT_DENY
#   fix: Declare an edge from the machine user to the service that names the action.
#   status: 403
default_deny := object.union(reasons.denial(rego.metadata.rule(), {}), {"guard": "decision"})

# METADATA
# description: What each guard wants done when the call is allowed, by guard.
obligations := {guard: duties | duties := data.guards[guard].obligations}

# METADATA
# description: >-
#   The exceptions on the edge that excuse a denial, each with the guard that raised
#   it: [guard, exception].
exceptions_in_use := {[denial.guard, exception] |
	some denial in _raised
	some exception in _exceptions
	exception.code == denial.code
}

# METADATA
# description: >-
#   The first time, in nanoseconds, at which a guard or an exception in use may
#   answer otherwise. Fails when one of them is not a number.
holds_until := until if {
	ends := [times.ns(exception.until) | some [_, exception] in exceptions_in_use]
	changes := [change | said := data.guards[_].valid_until; some change in said]
	all_times := array.flatten([times.end, ends, changes])
	until := min(all_times)
	max(all_times) - until >= 0 # not for its result: anything but numbers is an error
}

# The denials of each guard that denies.
_denials := {guard: denials |
	denials := data.guards[guard].deny
	denials != set()
}

# Every denial, named after the guard that raised it.
_raised := ({_named(guard, denial) |
	some guard, denials in _denials
	is_set(denials)
	some denial in denials
} | {_malformed(guard, "deny is not a set") |
	some guard, denials in _denials
	not is_set(denials)
}) | {_malformed(guard, "obligations is not a set") |
	some guard, duties in obligations
	not is_set(duties)
}

# The denial with the name of its guard, whatever guard it names itself.
_named(guard, denial) := object.union_n([_unsaid, denial, {"guard": guard}]) if {
	is_object(denial)
	is_string(denial.code)
	denial.code != ""
} else := _malformed(guard, "deny holds something that is not a denial with a code")

# The defaults of a denial's members.
_unsaid := {"message": "The guard denies this call.", "fix": "Ask the author of the guard.", "status": 403}

# METADATA
# description: A guard does not speak in the form a guard must.
# custom:
#   code: GUARD_MALFORMED
#   fix: Correct the guard's policy. Its deny and obligations are sets of objects.
#   status: 403
_malformed(guard, problem) := object.union(
	reasons.denial(rego.metadata.rule(), {"problem": problem}),
	{"guard": guard},
)

_excused := {exception.code | some exception in _exceptions}

_exceptions := {exception |
	some exception in facts.edge_in_force.exceptions
	exception.code in config.exceptable_codes
	times.ahead(exception.until, facts.now_ns)
}
