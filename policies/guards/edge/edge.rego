# METADATA
# title: Edge
# description: >-
#   Denies calls that no edge in force declares. This guard only says why: a call
#   that is not declared is never allowed, whatever this guard's mode.
package guards.edge

import data.verdict.lib.facts
import data.verdict.lib.reasons
import data.verdict.lib.times

# METADATA
# description: The called service is not registered.
# custom:
#   code: SERVICE_UNKNOWN
#   fix: Register the service, or correct resource.id.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"service": input.resource.id}) if {
	not facts.service
}

# METADATA
# description: The machine user has no declared edge to this service.
# custom:
#   code: EDGE_NOT_DECLARED
#   fix: Have the owner of the service declare an edge from this machine user, with its actions.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"from": input.subject.id, "to": input.resource.id}) if {
	not facts.edge
	facts.known
}

# METADATA
# description: The edge to this service has expired.
# custom:
#   code: EDGE_DENIED
#   fix: Have the owner of the edge confirm that it is still needed and extend expires_at.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"cause": "expired", "expires_at": expires_at}) if {
	expires_at := facts.edge.expires_at
	not times.ahead(expires_at, facts.now_ns)
}

# METADATA
# description: The edge to this service does not name this action.
# custom:
#   code: ACTION_NOT_ALLOWED
#   fix: Have the owner of the edge add the action, or use one that it names.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"action": input.action.name, "allowed": _actions}) if {
	not facts.declared
	facts.known
	facts.edge_in_force
}

# METADATA
# description: The service takes no external callers.
# custom:
#   code: EXTERNAL_NOT_ALLOWED
#   fix: Call through the partner gateway, or have the service's owner set required_level.external.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"service": input.resource.id}) if {
	facts.origin == "external"
	not _takes_external
	facts.known
}

# METADATA
# description: When the edge expires.
valid_until contains times.ns(facts.edge.expires_at)

_takes_external if is_number(facts.service.required_level.external)

_actions := object.get(facts.edge, "actions", [])
