# METADATA
# title: Entitlement
# description: |
#   Decides which users receive e-mail, and which e-mail. Judged for the declared
#   actions that the bundle's data lists as entitled, such as email.send.
#
#   The recipient, their tenant and the tenant's plan may each grant or withhold a
#   feature, from not_before until expires_at. The narrowest holder with a word in
#   force decides:
#
#     user      tenant    plan      outcome
#     grant     any       any       granted
#     withhold  any       any       withheld
#     -         grant     any       granted
#     -         withhold  any       withheld
#     -         -         grant     granted
#     -         -         withhold  withheld
#     -         -         -         not granted: expired when there was a grant once
#
#   A recipient's own opt-out comes before all of it, except for features the
#   bundle's data protects from opting out.
#
#   An external caller writes to users of the tenant it acts for only, and learns
#   nothing more of others.
package guards.entitlement

import data.verdict.config
import data.verdict.lib.facts
import data.verdict.lib.reasons
import data.verdict.lib.times

# METADATA
# description: The request does not say who is to receive which class of message.
# custom:
#   code: INPUT_INCOMPLETE
#   fix: Send the members that are missing.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"missing": sort(_missing)}) if {
	not _feature
	facts.declared
	config.entitled_actions[input.action.name]
	count(_missing) > 0
}

# METADATA
# description: The policies' settings do not say which actions need an entitlement.
# custom:
#   code: INPUT_INCOMPLETE
#   fix: Restore entitled_actions in the data of the policy bundle.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"missing": ["data.verdict.config.entitled_actions"]}) if {
	not _configured
}

# METADATA
# description: The request does not say for which tenant an external caller acts.
# custom:
#   code: INPUT_INCOMPLETE
#   fix: Use a token that names the tenant, or give the machine user a tenant of its own.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"missing": ["token.tenant"]}) if {
	facts.origin == "external"
	facts.caller_tenant == ""
	_feature
}

# METADATA
# description: The recipient belongs to another tenant than the external caller acts for.
# custom:
#   code: TENANT_MISMATCH
#   fix: Write only to users of the tenant the caller acts for.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"caller": facts.caller_tenant, "recipient": input.resource.properties.recipient}) if {
	facts.origin == "external"
	not _user
	facts.caller_tenant != ""
	_recipient
}

# METADATA
# description: The recipient is not a known user.
# custom:
#   code: RECIPIENT_UNKNOWN
#   fix: Correct the recipient, or import the user.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"recipient": input.resource.properties.recipient}) if {
	not _user
	not _recipient
	_feature
}

# METADATA
# description: The recipient is not active.
# custom:
#   code: RECIPIENT_INACTIVE
#   fix: Do not send to this user. The user must be made active first.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"state": state}) if {
	state := object.get(_user, "state", "missing")
	state != "active"
}

# METADATA
# description: The recipient's tenant is not active.
# custom:
#   code: TENANT_SUSPENDED
#   fix: Do not send to users of this tenant until it is active again.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"tenant": _user.tenant, "state": state}) if {
	state := object.get(_tenant, "state", "missing")
	state != "active"
}

# METADATA
# description: The recipient does not want this class of message.
# custom:
#   code: RECIPIENT_OPTED_OUT
#   fix: Do not send it. Only the recipient can opt in again.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"feature": _feature}) if {
	_opted_out
}

# METADATA
# description: The recipient's entitlement to this class of message has expired.
# custom:
#   code: ENTITLEMENT_EXPIRED
#   fix: Renew the grant, or move the recipient's tenant to a plan that includes the class.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"feature": _feature, "expired": _expired}) if {
	_unanswered
	count(_expired) > 0
}

# METADATA
# description: The recipient belongs to no tenant with a plan, so nothing entitles them.
# custom:
#   code: ENTITLEMENT_MISSING
#   fix: Give the recipient a tenant and the tenant a plan, or grant the class to the recipient.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"feature": _feature}) if {
	_unanswered
	count(_expired) == 0
	not _plan
}

# METADATA
# description: The recipient's tenant is not registered.
# custom:
#   code: ENTITLEMENT_MISSING
#   fix: Register the tenant, or correct the tenant of the recipient.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"feature": _feature, "tenant": _user.tenant}) if {
	not _tenant
	_user.tenant
	not _unanswered
}

# METADATA
# description: Nothing entitles the recipient to this class of message.
# custom:
#   code: MESSAGE_CLASS_NOT_ENTITLED
#   fix: Grant the class to the recipient, their tenant or its plan.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"feature": _feature, "asked": _holders}) if {
	_unanswered
	count(_expired) == 0
	_plan
}

# METADATA
# description: This class of message is withheld from the recipient.
# custom:
#   code: MESSAGE_CLASS_NOT_ENTITLED
#   fix: Remove what withholds it, or grant the class closer to the recipient.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"feature": _feature, "withheld_by": holder}) if {
	[holder, entitlement] := _word
	entitlement.effect != "grant"
	not _opted_out
}

# METADATA
# description: The recipient has no address to send this to.
# custom:
#   code: ADDRESS_MISSING
#   fix: Add a primary address to the recipient.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"purpose": _purpose}) if {
	_addresses == []
}

# METADATA
# description: The address to use is not verified.
# custom:
#   code: ADDRESS_UNVERIFIED
#   fix: Have the recipient verify the address.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"purpose": _purpose, "addresses": {address.id | some address in _addresses}}) if {
	not _address
	_addresses != []
}

# METADATA
# description: Which of the recipient's addresses to use.
obligations contains {"id": "use_address", "address_id": _address.id}

# METADATA
# description: The recipient has no address for this purpose; the primary one is used.
advice contains {"id": "no_address_for_purpose", "purpose": _purpose} if {
	_address.purpose != _purpose
}

# METADATA
# description: When a word that is or will be in force begins or ends.
valid_until contains until if {
	some [_, entitlement] in _asked
	some name in ["not_before", "expires_at"]
	until := times.ns(entitlement[name])
	until > facts.now_ns
}

# Without the settings it is unknown whether an entitlement is needed.
_configured if {
	is_object(config.entitled_actions)
	every rule in config.entitled_actions {
		is_string(rule.feature_prefix)
	}
}

# The feature asked for; undefined if no entitlement is needed.
_feature := sprintf("%s%s", [config.entitled_actions[input.action.name].feature_prefix, class]) if {
	facts.declared
	is_string(input.resource.properties.recipient)
	input.resource.properties.recipient != ""
	class := input.resource.properties.message_class
	is_string(class)
	class != ""
}

_missing contains sprintf("resource.properties.%s", [name]) if {
	some name in ["recipient", "message_class"]
	value := object.get(input, ["resource", "properties", name], "")
	not _is_filled(value)
}

_is_filled(value) if {
	is_string(value)
	value != ""
}

_recipient := data.users[input.resource.properties.recipient] if _feature

# The recipient, if the call may be about them. Internal callers serve every tenant;
# external ones only the tenant they act for.
_user := data.users[input.resource.properties.recipient] if {
	facts.origin == "internal"
	_feature
} else := _recipient if _recipient.tenant == facts.caller_tenant

_tenant := data.tenants[_user.tenant]

_plan := plan if {
	plan := _tenant.plan
	data.plans[plan]
}

_opted_out if {
	some wish in _user.opt_outs
	_covers(wish, _feature)
	not _protected
}

_protected if {
	some prefix in config.no_opt_out
	_covers(prefix, _feature)
}

# The feature is the prefix or is below it.
_covers(prefix, feature) if startswith(sprintf("%s.", [feature]), sprintf("%s.", [prefix]))

# The holders that may grant or withhold, narrowest first.
_holders := array.flatten([
	sprintf("user:%s", [input.resource.properties.recipient]),
	[sprintf("tenant:%s", [tenant]) | is_object(_tenant); tenant := _user.tenant],
	[sprintf("plan:%s", [plan]) | plan := _plan],
])

# Their entitlements for the feature, in force or not: [holder, entitlement].
_asked := [[holder, entitlement] |
	is_object(_user)
	feature := _feature
	some holder in _holders
	entitlement := data.entitlements[holder][feature]
]

# The entitlement of the narrowest holder that has one in force: [holder, entitlement].
_word := [word |
	some word in _asked
	_in_force(word[1])
][0]

_expired := {holder |
	some [holder, entitlement] in _asked
	entitlement.effect == "grant"
	times.over(entitlement, "expires_at", facts.now_ns)
}

# An entitlement without times is always in force. With times, a grant must be known to be
# in force; any other is in force unless it is known not to be.
_in_force(entitlement) if {
	entitlement.effect
	object.filter(entitlement, ["not_before", "expires_at"]) == {}
} else if {
	entitlement.effect == "grant"
	not times.over(entitlement, "expires_at", facts.now_ns)
	not _may_be_to_come(entitlement)
} else if {
	entitlement.effect != "grant"
	not times.reached(object.get(entitlement, "expires_at", null), facts.now_ns)
	not times.ahead(object.get(entitlement, "not_before", null), facts.now_ns)
}

_may_be_to_come(entitlement) if {
	not_before := entitlement.not_before
	not times.reached(not_before, facts.now_ns)
}

# The recipient may be written to, and no holder has an entitlement in force.
_unanswered if {
	not _word
	is_object(_user)
	not _opted_out
}

# The purpose of a granted message, from the grant or else the bundle's data.
_purpose := object.get(grant, "address_purpose", _usual_purpose) if {
	[_, grant] := _word
	grant.effect == "grant"
	not _opted_out
}

# The bundle's settings for the feature, of the longest prefix first.
default _usual_purpose := "primary"

_usual_purpose := config.address_purposes[max(prefixes)] if {
	prefixes := [prefix | some prefix, _ in config.address_purposes; _covers(prefix, _feature)]
}

_addresses := matching if {
	purpose := _purpose
	matching := [address | some address in _user.addresses; address.purpose == purpose]
	matching != []
} else := [address | some address in _user.addresses; address.purpose == "primary"] if _purpose

_address := [address | some address in _addresses; address.verified == true][0]
