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
	_verified
	ip := input.context.source_ip
	outside := {holder | some holder, cidrs in _limits; not _within(cidrs, ip)}
	count(outside) > 0
}

# METADATA
# description: The source address is not one the enforcement point vouches for.
# custom:
#   code: SOURCE_UNVERIFIED
#   fix: Send the peer's own IPv4 or IPv6 address, taken from the connection, in context.source_ip.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {}) if {
	count(_limits) > 0
	input.context.source_ip
	not _verified
}

# METADATA
# description: The request does not say where the call comes from.
# custom:
#   code: INPUT_INCOMPLETE
#   fix: Send the address of the caller's connection in context.source_ip.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"missing": ["context.source_ip"]}) if {
	count(_limits) > 0
	not input.context.source_ip
}

# Networks by who limits the caller to them.
_limits["machine_user"] := facts.machine_user.allowed_cidrs

_limits["edge"] := facts.edge_in_force.cidrs

_verified if {
	object.get(input.context, "source_verified", true) == true
	_address(input.context.source_ip)
}

# An address is text that makes a network of one. Checking it that way never fails.
_address(ip) if {
	is_string(ip)
	net.cidr_is_valid(concat("/", [ip, _host_bits(ip)]))
}

_host_bits(ip) := "128" if {
	contains(ip, ":")
} else := "32"

_within(cidrs, ip) if {
	some cidr in cidrs
	is_string(cidr)
	net.cidr_is_valid(cidr)
	net.cidr_contains(cidr, ip)
}
