# METADATA
# title: Network
# description: >-
#   Denies calls from outside the networks of the machine user and of the edge.
#   Where both name networks the address must lie in both.
package guards.network

import data.verdict.lib.facts
import data.verdict.lib.reasons

# METADATA
# description: The call comes from outside the networks its caller may use.
# custom:
#   code: SOURCE_IP_NOT_ALLOWED
#   fix: Call from an allowed network, or have the owner add this one to the machine user and the edge.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"source_ip": ip, "outside": outside}) if {
	ip := _source_ip
	outside := {holder | some holder, cidrs in _limits; not _within(cidrs, ip)}
	outside != set()
}

# METADATA
# description: The source address is not one the enforcement point vouches for.
# custom:
#   code: SOURCE_UNVERIFIED
#   fix: Send the peer's own IPv4 or IPv6 address, taken from the connection, in context.source_ip.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {}) if {
	not _source_ip
	input.context.source_ip
	_limits != {}
}

# METADATA
# description: The request does not say where the call comes from.
# custom:
#   code: INPUT_INCOMPLETE
#   fix: Send the address of the caller's connection in context.source_ip.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"missing": ["context.source_ip"]}) if {
	not input.context.source_ip
	_limits != {}
}

# The allowed networks, by the entity that has them.
_limits := object.union(
	{"machine_user": cidrs | cidrs := facts.machine_user.allowed_cidrs},
	{"edge": cidrs | cidrs := facts.edge_in_force.cidrs},
)

# The address, unless it is said not to be verified. It is valid if it makes a network of
# any size; this check never fails.
_source_ip := ip if {
	ip := input.context.source_ip
	is_string(ip)
	net.cidr_is_valid(sprintf("%s/0", [ip]))
	object.get(input.context, "source_verified", true) == true
}

_within(cidrs, ip) if {
	some cidr in cidrs
	is_string(cidr)
	net.cidr_is_valid(cidr)
	net.cidr_contains(cidr, ip)
}
