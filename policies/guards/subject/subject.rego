# METADATA
# title: Subject
# description: >-
#   Denies callers that are not registered, not active or nobody's, or that act for
#   a user or tenant which is not active, and calls that cross environments or tenants
#   or leave whom their token was issued for.
package guards.subject

import data.verdict.lib.facts
import data.verdict.lib.reasons
import data.verdict.lib.times

# METADATA
# description: The caller is not a registered machine user.
# custom:
#   code: SUBJECT_UNKNOWN
#   fix: Register the machine user, or have its issuer name a registered one as subject.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"subject": input.subject.id}) if {
	not facts.machine_user
}

# METADATA
# description: The machine user is not active.
# custom:
#   code: SUBJECT_SUSPENDED
#   fix: Have the owner of the machine user set its state to active once the cause is settled.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"state": state}) if {
	state := object.get(facts.machine_user, "state", "missing")
	state != "active"
	state != "expired"
}

# METADATA
# description: The machine user has expired.
# custom:
#   code: SUBJECT_EXPIRED
#   fix: Have the owner of the machine user confirm that it is still needed and extend expires_at.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), object.filter(facts.machine_user, ["state", "expires_at"])) if {
	_expired
}

# METADATA
# description: Nobody owns the machine user.
# custom:
#   code: SUBJECT_UNOWNED
#   fix: Give the machine user an owner who answers for it.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {}) if {
	owner := object.get(facts.machine_user, "owner", "")
	trim_space(owner) == ""
}

# METADATA
# description: The call crosses environments.
# custom:
#   code: ENVIRONMENT_MISMATCH
#   fix: Call the service of the caller's own environment, with a token of that environment.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"machine_user": own, "differs": differs}) if {
	# A service of no environment takes callers of no environment only. Token and
	# context may leave the environment out, but not name another one.
	own := object.get(facts.machine_user, "env", "")
	differs := object.union_n([
		{"service": env | env := object.get(facts.service, "env", ""); env != own},
		{"token": env | env := input.token.env; env != own},
		{"context": env | env := input.context.env; env != own},
	])
	differs != {}
}

# METADATA
# description: The call crosses tenants.
# custom:
#   code: TENANT_MISMATCH
#   fix: Use a token of the machine user's own tenant, and touch only what belongs to that tenant.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"caller": caller, "differs": differs}) if {
	caller := facts.caller_tenant
	caller != ""
	differs := object.union(
		{"token": tenant | tenant := input.token.tenant; tenant != caller},
		{"resource": tenant | tenant := input.resource.properties.tenant; tenant != _bound_tenant},
	)
	differs != {}
}

# METADATA
# description: The call is not about the user or tenant that its token was issued for.
# custom:
#   code: TENANT_MISMATCH
#   fix: Use a token issued for the user or tenant that this call is about, of the caller's tenant.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"on_behalf_of": represented}) if {
	represented := input.token.on_behalf_of
	not _within_mandate
}

# METADATA
# description: The user that the token was issued for is not active.
# custom:
#   code: SUBJECT_SUSPENDED
#   fix: Do not act for this user until it is active again.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"on_behalf_of": represented, "state": state}) if {
	represented := input.token.on_behalf_of
	state := object.get(facts.represented_user, "state", "missing")
	state != "active"
}

# METADATA
# description: The request does not say whose tenant's data an external caller touches.
# custom:
#   code: INPUT_INCOMPLETE
#   fix: Send the owning tenant in resource.properties.tenant.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"missing": ["resource.properties.tenant"]}) if {
	_bound_tenant
	not input.resource.properties.tenant
}

# METADATA
# description: The tenant the caller acts for is not active.
# custom:
#   code: TENANT_SUSPENDED
#   fix: Do not act for this tenant until it is registered and active again.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"tenant": tenant, "state": state}) if {
	some tenant in _represented_tenants
	state := _state_of_tenant(tenant)
	state != "active"
}

# METADATA
# description: When the machine user expires.
valid_until contains times.ns(facts.machine_user.expires_at)

_expired if facts.machine_user.state == "expired"

_expired if {
	expires_at := facts.machine_user.expires_at
	not times.ahead(expires_at, facts.now_ns)
}

# The tenants the caller acts for: its own or its token's, and the tenant its token was
# issued for, or that of the user it was issued for.
_represented_tenants contains facts.caller_tenant if facts.caller_tenant != ""

_represented_tenants contains input.token.on_behalf_of.id if input.token.on_behalf_of.type == "tenant"

_represented_tenants contains facts.represented_user.tenant

_state_of_tenant(id) := state if {
	state := data.tenants[id].state
} else := "missing"

# A token issued for a user is good for calls about that user and their tenant's data.
_within_mandate if {
	tenant := object.get(facts.represented_user, "tenant", "")
	facts.caller_tenant in {"", tenant}
	about := input.resource.properties
	object.get(about, "tenant", tenant) == tenant
	object.get(about, "recipient", input.token.on_behalf_of.id) == input.token.on_behalf_of.id
}

# One issued for a tenant is good for calls about that tenant's data and users, and the
# call must be about one of them.
_within_mandate if {
	input.token.on_behalf_of.type == "tenant"
	facts.caller_tenant in {"", input.token.on_behalf_of.id}
	_tenants_touched == {input.token.on_behalf_of.id}
}

_tenants_touched contains input.resource.properties.tenant

_tenants_touched contains object.get(_recipient, "tenant", "") if {
	object.filter(input.resource.properties, ["recipient"]) != {}
}

default _recipient := {}

_recipient := data.users[input.resource.properties.recipient]

# The only tenant whose data the call may be about. Internal callers serve every
# tenant; external ones only the tenant they act for.
_bound_tenant := facts.caller_tenant if {
	facts.origin == "external"
	is_object(facts.machine_user)
	facts.caller_tenant != ""
}
