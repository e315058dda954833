package guards.entitlement_test

import data.verdict.lib.fixtures_test as f

_feature := "email.invoice.issued"

_reader := ["users", "u-reader"]

_of_class(class) := f.changed(f.question, ["resource", "properties", "message_class"], class)

_held(entitlements) := f.changed(f.world, ["entitlements"], entitlements)

test_an_entitled_recipient_is_written_to_at_the_address_for_the_purpose if {
	f.codes("entitlement", f.question, f.world) == set()
	f.member("entitlement", "obligations", f.question, f.world) == {{"id": "use_address", "address_id": "addr-billing"}}
	f.member("entitlement", "advice", f.question, f.world) == set()
}

test_other_actions_need_no_entitlement if {
	asked := f.changed(f.without(f.question, ["resource", "properties", "recipient"]), ["action", "name"], "email.status")
	facts := f.changed(f.world, array.concat(f.edge_path, ["actions"]), ["*"])
	f.codes("entitlement", asked, facts) == set()
	f.member("entitlement", "obligations", asked, facts) == set()
}

test_an_undeclared_call_learns_nothing_of_the_recipient if {
	f.codes("entitlement", f.question, f.without(f.without(f.world, f.edge_path), _reader)) == set()
}

test_missing_members_are_named if {
	f.details("entitlement", "INPUT_INCOMPLETE", f.without(f.question, ["resource", "properties", "recipient"]), f.world) == {{"missing": ["resource.properties.recipient"]}}
	f.details("entitlement", "INPUT_INCOMPLETE", f.changed(f.question, ["resource", "properties"], {}), f.world) == {{"missing": [
		"resource.properties.message_class",
		"resource.properties.recipient",
	]}}
	f.codes("entitlement", f.without(f.question, ["resource", "properties"]), f.world) == {"INPUT_INCOMPLETE"}
}

test_members_of_the_wrong_type_are_missing if {
	every value in ["", null, 7, ["u-reader"], {"id": "u-reader"}] {
		f.codes("entitlement", f.changed(f.question, ["resource", "properties", "recipient"], value), f.world) == {"INPUT_INCOMPLETE"}
		f.codes("entitlement", _of_class(value), f.world) == {"INPUT_INCOMPLETE"}
	}
}

test_without_settings_nothing_is_sent if {
	every settings in [{}, {"entitled_actions": null}, {"entitled_actions": {"email.send": {}}}] {
		denials := f.denials("entitlement", f.question, f.world) with data.verdict.config as settings
		{denial.code | some denial in denials} == {"INPUT_INCOMPLETE"}
	}
}

test_unknown_recipient if {
	f.details("entitlement", "RECIPIENT_UNKNOWN", f.question, f.without(f.world, _reader)) == {{"recipient": "u-reader"}}
	f.codes("entitlement", f.question, f.without(f.world, _reader)) == {"RECIPIENT_UNKNOWN"}
}

_external := f.changed(f.world, array.concat(f.caller_path, ["origin"]), "external")

_partner_of(tenant) := f.changed(_external, array.concat(f.caller_path, ["tenant"]), tenant)

test_external_caller_writes_to_users_of_its_tenant_only if {
	f.codes("entitlement", f.question, _partner_of("acme")) == set()
	f.member("entitlement", "obligations", f.question, _partner_of("acme")) == {{"id": "use_address", "address_id": "addr-billing"}}
	f.details("entitlement", "TENANT_MISMATCH", f.question, _partner_of("helios")) == {{"caller": "helios", "recipient": "u-reader"}}
	unknown_origin := f.without(_partner_of("helios"), array.concat(f.caller_path, ["origin"]))
	f.codes("entitlement", f.question, unknown_origin) == {"TENANT_MISMATCH"}
}

test_external_caller_learns_nothing_of_another_tenant_s_user if {
	every path in [array.concat(_reader, ["state"]), array.concat(_reader, ["addresses"]), ["tenants", "acme"], ["plans", "business"]] {
		facts := f.without(_partner_of("helios"), path)
		f.codes("entitlement", f.question, facts) == {"TENANT_MISMATCH"}
	}
	f.codes("entitlement", f.question, f.changed(_partner_of("helios"), array.concat(_reader, ["opt_outs"]), ["email"])) == {"TENANT_MISMATCH"}
	f.member("entitlement", "obligations", f.question, _partner_of("helios")) == set()
	f.member("entitlement", "advice", f.question, _partner_of("helios")) == set()
}

test_external_caller_writes_to_no_user_without_a_tenant if {
	path := array.concat(_reader, ["tenant"])
	f.codes("entitlement", f.question, f.without(_partner_of("acme"), path)) == {"TENANT_MISMATCH"}
	every tenant in [null, "", ["acme"], "Acme"] {
		f.codes("entitlement", f.question, f.changed(_partner_of("acme"), path, tenant)) == {"TENANT_MISMATCH"}
	}
}

test_external_caller_without_a_tenant_writes_for_that_of_its_token if {
	f.codes("entitlement", f.changed(f.question, ["token", "tenant"], "acme"), _external) == set()
	f.codes("entitlement", f.changed(f.question, ["token", "tenant"], "helios"), _external) == {"TENANT_MISMATCH"}
	f.codes("entitlement", f.changed(f.question, ["token", "tenant"], "acme"), _partner_of("helios")) == {"TENANT_MISMATCH"}
}

test_external_caller_that_acts_for_no_tenant_writes_to_nobody if {
	nobody_s := f.without(_external, array.concat(_reader, ["tenant"]))
	every facts in [_external, nobody_s] {
		f.details("entitlement", "INPUT_INCOMPLETE", f.question, facts) == {{"missing": ["token.tenant"]}}
		f.codes("entitlement", f.question, facts) == {"INPUT_INCOMPLETE"}
		f.codes("entitlement", f.changed(f.question, ["token", "tenant"], ""), facts) == {"INPUT_INCOMPLETE"}
	}
}

test_internal_caller_writes_to_users_of_every_tenant if {
	f.codes("entitlement", f.changed(f.question, ["token", "tenant"], "helios"), f.world) == set()
	f.codes("entitlement", f.question, f.changed(f.world, array.concat(f.caller_path, ["tenant"]), "helios")) == set()
}

test_external_caller_needs_no_tenant_for_other_actions if {
	asked := f.changed(f.question, ["action", "name"], "email.status")
	f.codes("entitlement", asked, f.changed(_external, array.concat(f.edge_path, ["actions"]), ["*"])) == set()
}

test_unknown_recipient_of_an_external_caller if {
	f.codes("entitlement", f.question, f.without(_partner_of("acme"), _reader)) == {"RECIPIENT_UNKNOWN"}
}

test_inactive_recipient if {
	path := array.concat(_reader, ["state"])
	f.codes("entitlement", f.question, f.changed(f.world, path, "suspended")) == {"RECIPIENT_INACTIVE"}
	f.codes("entitlement", f.question, f.changed(f.world, path, "left")) == {"RECIPIENT_INACTIVE"}
	f.details("entitlement", "RECIPIENT_INACTIVE", f.question, f.without(f.world, path)) == {{"state": "missing"}}
}

test_suspended_tenant if {
	facts := f.changed(f.world, ["tenants", "acme", "state"], "suspended")
	f.details("entitlement", "TENANT_SUSPENDED", f.question, facts) == {{"tenant": "acme", "state": "suspended"}}
	f.codes("entitlement", f.question, f.without(f.world, ["tenants", "acme", "state"])) == {"TENANT_SUSPENDED"}
}

# The table of the package's description: what each holder says, and what follows.
test_the_narrowest_holder_decides if {
	every row in [
		["grant", "grant", "grant", set()],
		["grant", "grant", "withhold", set()],
		["grant", "withhold", "grant", set()],
		["grant", "withhold", "withhold", set()],
		["grant", "withhold", "-", set()],
		["grant", "-", "-", set()],
		["withhold", "grant", "grant", {"MESSAGE_CLASS_NOT_ENTITLED"}],
		["withhold", "grant", "-", {"MESSAGE_CLASS_NOT_ENTITLED"}],
		["withhold", "-", "grant", {"MESSAGE_CLASS_NOT_ENTITLED"}],
		["withhold", "-", "-", {"MESSAGE_CLASS_NOT_ENTITLED"}],
		["-", "grant", "grant", set()],
		["-", "grant", "withhold", set()],
		["-", "grant", "-", set()],
		["-", "withhold", "grant", {"MESSAGE_CLASS_NOT_ENTITLED"}],
		["-", "withhold", "-", {"MESSAGE_CLASS_NOT_ENTITLED"}],
		["-", "-", "grant", set()],
		["-", "-", "withhold", {"MESSAGE_CLASS_NOT_ENTITLED"}],
		["-", "-", "-", {"MESSAGE_CLASS_NOT_ENTITLED"}],
	] {
		holders := ["user:u-reader", "tenant:acme", "plan:business"]
		entitlements := {holder: {_feature: {"effect": row[i]}} | some i, holder in holders; row[i] != "-"}
		f.codes("entitlement", f.question, _held(entitlements)) == row[3]
	}
}

test_who_withholds_is_named if {
	facts := _held({"tenant:acme": {_feature: {"effect": "withhold"}}})
	f.details("entitlement", "MESSAGE_CLASS_NOT_ENTITLED", f.question, facts) == {{
		"feature": _feature,
		"withheld_by": "tenant:acme",
	}}
}

test_who_was_asked_is_named if {
	f.details("entitlement", "MESSAGE_CLASS_NOT_ENTITLED", f.question, _held({})) == {{
		"feature": _feature,
		"asked": ["user:u-reader", "tenant:acme", "plan:business"],
	}}
}

test_a_feature_is_matched_whole if {
	every feature in ["email", "email.invoice", "email.invoice.issued.again", "Email.invoice.issued"] {
		f.codes("entitlement", f.question, _held({"user:u-reader": {feature: {"effect": "grant"}}})) == {"MESSAGE_CLASS_NOT_ENTITLED"}
	}
}

test_an_effect_unheard_of_grants_nothing if {
	f.codes("entitlement", f.question, _held({"user:u-reader": {_feature: {"effect": "maybe"}}})) == {"MESSAGE_CLASS_NOT_ENTITLED"}
	f.codes("entitlement", f.question, _held({"user:u-reader": {_feature: {}}})) == {"MESSAGE_CLASS_NOT_ENTITLED"}
}

test_times_of_a_grant if {
	every case in [
		{"expires_at": "2026-11-22T10:00:01Z", "codes": set()},
		{"expires_at": "2026-11-22T10:00:00Z", "codes": {"ENTITLEMENT_EXPIRED"}},
		{"expires_at": "some day", "codes": {"ENTITLEMENT_EXPIRED"}},
		{"not_before": "2026-11-22T10:00:00Z", "codes": set()},
		{"not_before": "2026-11-22T10:00:01Z", "codes": {"MESSAGE_CLASS_NOT_ENTITLED"}},
		{"not_before": "some day", "codes": {"MESSAGE_CLASS_NOT_ENTITLED"}},
		{"not_before": "2026-11-01T00:00:00Z", "expires_at": "2026-12-01T00:00:00Z", "codes": set()},
	] {
		entitlement := object.union({"effect": "grant"}, object.remove(case, ["codes"]))
		f.codes("entitlement", f.question, _held({"user:u-reader": {_feature: entitlement}})) == case.codes
	}
}

test_times_of_a_withhold if {
	every case in [
		{"codes": {"MESSAGE_CLASS_NOT_ENTITLED"}},
		{"expires_at": "2026-11-22T10:00:01Z", "codes": {"MESSAGE_CLASS_NOT_ENTITLED"}},
		{"expires_at": "2026-11-22T10:00:00Z", "codes": set()},
		{"expires_at": "some day", "codes": {"MESSAGE_CLASS_NOT_ENTITLED"}},
		{"not_before": "2026-11-22T10:00:01Z", "codes": set()},
		{"not_before": "some day", "codes": {"MESSAGE_CLASS_NOT_ENTITLED"}},
	] {
		withhold := object.union({"effect": "withhold"}, object.remove(case, ["codes"]))
		facts := _held({"tenant:acme": {_feature: withhold}, "plan:business": {_feature: {"effect": "grant"}}})
		f.codes("entitlement", f.question, facts) == case.codes
	}
}

test_who_held_the_expired_grant_is_named if {
	facts := _held({"user:u-reader": {_feature: {"effect": "grant", "expires_at": "2026-11-01T00:00:00Z"}}})
	f.details("entitlement", "ENTITLEMENT_EXPIRED", f.question, facts) == {{
		"feature": _feature,
		"expired": {"user:u-reader"},
	}}
}

test_an_expired_grant_gives_way_to_a_wider_one if {
	facts := _held({
		"user:u-reader": {_feature: {"effect": "grant", "expires_at": "2026-11-01T00:00:00Z"}},
		"plan:business": {_feature: {"effect": "grant"}},
	})
	f.codes("entitlement", f.question, facts) == set()
}

test_recipient_of_no_tenant_or_plan if {
	every path in [
		array.concat(_reader, ["tenant"]),
		["tenants", "acme"],
		["tenants", "acme", "plan"],
		["plans", "business"],
	] {
		f.codes("entitlement", f.question, f.without(f.world, path)) == {"ENTITLEMENT_MISSING"}
	}
}

test_recipient_of_no_tenant_may_hold_a_grant if {
	facts := _held({"user:u-reader": {_feature: {"effect": "grant"}}})
	f.codes("entitlement", f.question, f.without(facts, array.concat(_reader, ["tenant"]))) == set()
}

test_a_tenant_that_is_not_registered_may_be_suspended_for_all_we_know if {
	facts := _held({"user:u-reader": {_feature: {"effect": "grant"}}})
	f.details("entitlement", "ENTITLEMENT_MISSING", f.question, f.without(facts, ["tenants", "acme"])) == {{
		"feature": _feature,
		"tenant": "acme",
	}}
}

test_opt_outs if {
	every case in [
		{"opt_outs": ["email.invoice.issued"], "codes": {"RECIPIENT_OPTED_OUT"}},
		{"opt_outs": ["email.invoice"], "codes": {"RECIPIENT_OPTED_OUT"}},
		{"opt_outs": ["email"], "codes": {"RECIPIENT_OPTED_OUT"}},
		{"opt_outs": ["email.inv"], "codes": set()},
		{"opt_outs": ["email.invoice.issued.again"], "codes": set()},
		{"opt_outs": ["email.marketing"], "codes": set()},
		{"opt_outs": [], "codes": set()},
	] {
		facts := f.changed(f.world, array.concat(_reader, ["opt_outs"]), case.opt_outs)
		f.codes("entitlement", f.question, facts) == case.codes
	}
}

test_an_opt_out_is_the_whole_answer if {
	opted_out := f.changed(f.world, array.concat(_reader, ["opt_outs"]), ["email"])
	every entitlements in [{}, {"user:u-reader": {_feature: {"effect": "withhold"}}}] {
		facts := f.changed(opted_out, ["entitlements"], entitlements)
		f.codes("entitlement", f.question, facts) == {"RECIPIENT_OPTED_OUT"}
		f.member("entitlement", "obligations", f.question, facts) == set()
	}
}

test_nobody_opts_out_of_security if {
	opted_out := f.changed(f.world, array.concat(_reader, ["opt_outs"]), ["email", "email.security.alert"])
	facts := f.changed(opted_out, ["entitlements"], {"plan:business": {"email.security.alert": {"effect": "grant"}}})
	f.codes("entitlement", _of_class("security.alert"), facts) == set()
}

test_address if {
	every case in [
		{"addresses": [["primary", true]], "codes": set(), "use": {"a0"}, "advice": {"no_address_for_purpose"}},
		{"addresses": [["primary", true], ["billing", true]], "codes": set(), "use": {"a1"}, "advice": set()},
		{"addresses": [["billing", false], ["billing", true], ["billing", true]], "codes": set(), "use": {"a1"}, "advice": set()},
		{"addresses": [["primary", true], ["billing", false]], "codes": {"ADDRESS_UNVERIFIED"}, "use": set(), "advice": set()},
		{"addresses": [["primary", false]], "codes": {"ADDRESS_UNVERIFIED"}, "use": set(), "advice": set()},
		{"addresses": [["primary", "true"]], "codes": {"ADDRESS_UNVERIFIED"}, "use": set(), "advice": set()},
		{"addresses": [["security", true]], "codes": {"ADDRESS_MISSING"}, "use": set(), "advice": set()},
		{"addresses": [], "codes": {"ADDRESS_MISSING"}, "use": set(), "advice": set()},
	] {
		addresses := [address |
			some i, [purpose, verified] in case.addresses
			address := {"id": sprintf("a%d", [i]), "purpose": purpose, "verified": verified}
		]
		facts := f.changed(f.world, array.concat(_reader, ["addresses"]), addresses)
		f.codes("entitlement", f.question, facts) == case.codes
		{duty.address_id | some duty in f.member("entitlement", "obligations", f.question, facts)} == case.use
		{duty.id | some duty in f.member("entitlement", "advice", f.question, facts)} == case.advice
	}
}

test_recipient_without_addresses if {
	facts := f.without(f.world, array.concat(_reader, ["addresses"]))
	f.details("entitlement", "ADDRESS_MISSING", f.question, facts) == {{"purpose": "billing"}}
}

test_unverified_addresses_are_named if {
	facts := f.changed(f.world, array.concat(_reader, ["addresses"]), [{"id": "a0", "purpose": "billing", "verified": false}])
	f.details("entitlement", "ADDRESS_UNVERIFIED", f.question, facts) == {{"purpose": "billing", "addresses": {"a0"}}}
}

test_the_grant_names_the_purpose if {
	facts := _held({"plan:business": {_feature: {"effect": "grant", "address_purpose": "security"}}})
	f.member("entitlement", "obligations", f.question, facts) == {{"id": "use_address", "address_id": "addr-primary"}}
	f.member("entitlement", "advice", f.question, facts) == {{"id": "no_address_for_purpose", "purpose": "security"}}
}

test_the_longest_prefix_names_the_purpose if {
	settings := json.patch(data.verdict.config, [{
		"op": "add",
		"path": ["address_purposes"],
		"value": {"email": "primary", "email.invoice": "billing", "email.invoice.draft": "primary"},
	}])
	duties := f.member("entitlement", "obligations", f.question, f.world) with data.verdict.config as settings
	duties == {{"id": "use_address", "address_id": "addr-billing"}}
}

test_classes_without_a_purpose_go_to_the_primary_address if {
	facts := _held({"plan:business": {"email.report.monthly": {"effect": "grant"}}})
	f.member("entitlement", "obligations", _of_class("report.monthly"), facts) == {{"id": "use_address", "address_id": "addr-primary"}}
	f.member("entitlement", "advice", _of_class("report.monthly"), facts) == set()
}

test_answer_holds_until_a_word_begins_or_ends if {
	facts := _held({
		"user:u-reader": {_feature: {"effect": "withhold", "not_before": "2026-11-22T10:00:20Z"}},
		"plan:business": {_feature: {"effect": "grant", "not_before": "2026-01-01T00:00:00Z", "expires_at": "2026-11-22T10:00:30Z"}},
	})
	f.member("entitlement", "valid_until", f.question, facts) == {1795341620000000000, 1795341630000000000}
}
