# METADATA
# title: Trust
# description: How strong a proof of the caller this call needs.
package verdict.lib.trust

import data.verdict.lib.facts

# METADATA
# description: >-
#   The highest of what the edge asks for, what the service asks of the caller's
#   origin, and what its tier asks of everybody of that origin; the service leaves it
#   to the trust matrix of its tier when it says nothing. 5, more than anything reaches
#   by default, when no one says.
default required_level := 5

required_level := max((({_of_service} | {level | level := facts.edge_in_force.required_level}) | {level |
	level := facts.tier.least_level[facts.origin]
}))

_of_service := level if {
	level := facts.service.required_level[facts.origin]
	is_number(level)
} else := facts.tier.required_level[facts.origin]
