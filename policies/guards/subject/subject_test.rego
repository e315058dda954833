package guards.subject_test

import data.verdict.lib.fixtures_test as f

test_a_known_active_owned_caller_passes if {
	f.codes("subject", f.question, f.world) == set()
}

test_unknown_caller if {
	f.codes("subject", f.question, f.without(f.world, f.caller_path)) == {"SUBJECT_UNKNOWN"}
}

test_suspended_caller if {
	facts := f.changed(f.world, array.concat(f.caller_path, ["state"]), "suspended")
	f.details("subject", "SUBJECT_SUSPENDED", f.question, facts) == {{"state": "suspended"}}
}

test_a_state_that_is_missing_or_unheard_of_counts_as_suspended if {
	path := array.concat(f.caller_path, ["state"])
	f.codes("subject", f.question, f.without(f.world, path)) == {"SUBJECT_SUSPENDED"}
	f.codes("subject", f.question, f.changed(f.world, path, "retired")) == {"SUBJECT_SUSPENDED"}
	f.codes("subject", f.question, f.changed(f.world, path, null)) == {"SUBJECT_SUSPENDED"}
}

test_caller_in_state_expired if {
	facts := f.changed(f.world, array.concat(f.caller_path, ["state"]), "expired")
	f.codes("subject", f.question, facts) == {"SUBJECT_EXPIRED"}
}

test_expiry_of_the_caller if {
	every expires_at, codes in {
		"2026-11-22T10:00:01Z": set(),
		"2026-11-22T12:00:01+02:00": set(),
		"9999-12-31T23:59:59Z": set(),
		"2026-11-22T10:00:00Z": {"SUBJECT_EXPIRED"},
		"2026-11-22T11:59:59+02:00": {"SUBJECT_EXPIRED"},
		"1600-01-01T00:00:00Z": {"SUBJECT_EXPIRED"},
		"next year": {"SUBJECT_EXPIRED"},
		"": {"SUBJECT_EXPIRED"},
	} {
		facts := f.changed(f.world, array.concat(f.caller_path, ["expires_at"]), expires_at)
		f.codes("subject", f.question, facts) == codes
	}
}

test_without_a_time_every_expiry_has_passed if {
	facts := f.changed(f.world, array.concat(f.caller_path, ["expires_at"]), "9999-12-31T23:59:59Z")
	f.codes("subject", f.without(f.question, ["time"]), facts) == {"SUBJECT_EXPIRED"}
}

test_unowned_caller if {
	path := array.concat(f.caller_path, ["owner"])
	f.codes("subject", f.question, f.without(f.world, path)) == {"SUBJECT_UNOWNED"}
	f.codes("subject", f.question, f.changed(f.world, path, " \t")) == {"SUBJECT_UNOWNED"}
}

test_environment_of_the_service if {
	path := array.concat(f.service_path, ["env"])
	f.details("subject", "ENVIRONMENT_MISMATCH", f.question, f.changed(f.world, path, "staging")) == {{
		"machine_user": "prod",
		"differs": {"service": "staging"},
	}}
	f.codes("subject", f.question, f.without(f.world, path)) == {"ENVIRONMENT_MISMATCH"}
}

test_environment_of_neither_is_the_same if {
	facts := f.without(f.without(f.world, array.concat(f.service_path, ["env"])), array.concat(f.caller_path, ["env"]))
	f.codes("subject", f.without(f.question, ["context", "env"]), facts) == set()
}

test_environment_of_the_caller_must_be_known_when_the_service_has_one if {
	facts := f.without(f.world, array.concat(f.caller_path, ["env"]))
	f.codes("subject", f.without(f.question, ["context", "env"]), facts) == {"ENVIRONMENT_MISMATCH"}
}

test_environment_of_token_and_context_may_be_left_out_but_not_differ if {
	silent := f.without(f.question, ["context", "env"])
	f.codes("subject", silent, f.world) == set()
	f.codes("subject", f.changed(silent, ["context", "env"], "staging"), f.world) == {"ENVIRONMENT_MISMATCH"}
	f.codes("subject", f.changed(silent, ["token", "env"], "prod"), f.world) == set()
	f.codes("subject", f.changed(silent, ["token", "env"], "staging"), f.world) == {"ENVIRONMENT_MISMATCH"}
	f.codes("subject", f.changed(silent, ["token", "env"], 7), f.world) == {"ENVIRONMENT_MISMATCH"}
}

_partner := f.changed(
	f.changed(f.world, array.concat(f.caller_path, ["origin"]), "external"),
	array.concat(f.caller_path, ["tenant"]), "acme",
)

_for_tenant(tenant) := f.changed(f.question, ["resource", "properties", "tenant"], tenant)

test_external_caller_touches_its_own_tenant_only if {
	f.codes("subject", _for_tenant("acme"), _partner) == set()
	f.details("subject", "TENANT_MISMATCH", _for_tenant("helios"), _partner) == {{
		"caller": "acme",
		"differs": {"resource": "helios"},
	}}
	f.codes("subject", _for_tenant(["acme"]), _partner) == {"TENANT_MISMATCH"}
}

test_external_caller_of_a_tenant_must_say_whose_data_it_touches if {
	f.details("subject", "INPUT_INCOMPLETE", f.question, _partner) == {{"missing": ["resource.properties.tenant"]}}
}

test_unknown_origin_counts_as_external if {
	facts := f.without(_partner, array.concat(f.caller_path, ["origin"]))
	f.codes("subject", _for_tenant("helios"), facts) == {"TENANT_MISMATCH"}
}

test_external_caller_without_a_tenant_acts_for_the_token_s_tenant if {
	vendor := f.changed(f.world, array.concat(f.caller_path, ["origin"]), "external")
	f.codes("subject", f.question, vendor) == set()
	f.codes("subject", f.changed(_for_tenant("acme"), ["token", "tenant"], "acme"), vendor) == set()
	f.codes("subject", f.changed(_for_tenant("helios"), ["token", "tenant"], "acme"), vendor) == {"TENANT_MISMATCH"}
}

test_token_of_another_tenant if {
	f.codes("subject", f.changed(_for_tenant("acme"), ["token", "tenant"], "helios"), _partner) == {"TENANT_MISMATCH"}
}

test_tenant_the_caller_acts_for_must_be_active if {
	path := ["tenants", "acme", "state"]
	every state in ["suspended", "Active", "", null] {
		f.details("subject", "TENANT_SUSPENDED", _for_tenant("acme"), f.changed(_partner, path, state)) == {{
			"tenant": "acme",
			"state": state,
		}}
		f.codes("subject", _for_tenant("acme"), f.changed(_partner, path, state)) == {"TENANT_SUSPENDED"}
	}
	every facts in [f.without(_partner, path), f.without(_partner, ["tenants", "acme"])] {
		f.details("subject", "TENANT_SUSPENDED", _for_tenant("acme"), facts) == {{"tenant": "acme", "state": "missing"}}
	}
}

test_tenant_of_the_token_must_be_active_when_the_caller_has_none if {
	asked := f.changed(f.question, ["token", "tenant"], "acme")
	suspended := f.changed(f.world, ["tenants", "acme", "state"], "suspended")
	f.codes("subject", asked, f.world) == set()
	f.codes("subject", asked, suspended) == {"TENANT_SUSPENDED"}
	f.codes("subject", f.changed(f.question, ["token", "tenant"], "nobody"), f.world) == {"TENANT_SUSPENDED"}
}

test_internal_caller_of_a_tenant_needs_it_active_too if {
	facts := f.changed(f.world, array.concat(f.caller_path, ["tenant"]), "acme")
	f.codes("subject", f.question, facts) == set()
	f.codes("subject", f.question, f.without(facts, ["tenants", "acme"])) == {"TENANT_SUSPENDED"}
}

test_caller_that_acts_for_no_tenant_needs_none if {
	f.codes("subject", f.question, f.changed(f.world, ["tenants"], {})) == set()
}

test_tenant_of_an_unknown_caller_is_not_judged if {
	asked := f.changed(f.question, ["token", "tenant"], "nobody")
	f.codes("subject", asked, f.without(f.world, f.caller_path)) == {"SUBJECT_UNKNOWN"}
}

test_internal_caller_serves_every_tenant if {
	f.codes("subject", _for_tenant("helios"), f.world) == set()
}

_users := f.changed(f.world, ["users"], object.union(f.world.users, {
	"u-mate": {"id": "u-mate", "tenant": "acme", "state": "active"},
	"u-other": {"id": "u-other", "tenant": "helios", "state": "active"},
	"u-nobody-s": {"id": "u-nobody-s", "state": "active"},
}))

_people := f.changed(_users, ["tenants", "helios"], {"id": "helios", "state": "active"})

_of_acme := f.changed(_people, array.concat(f.caller_path, ["tenant"]), "acme")

# The question of a token issued for somebody, about these properties.
_for(type, id, properties) := f.changed(
	f.changed(f.question, ["resource", "properties"], properties),
	["token", "on_behalf_of"], {"type": type, "id": id},
)

test_token_issued_for_a_user if {
	every case in [
		{"id": "u-reader", "about": {}, "codes": set()},
		{"id": "u-reader", "about": {"recipient": "u-reader"}, "codes": set()},
		{"id": "u-reader", "about": {"recipient": "u-reader", "tenant": "acme"}, "codes": set()},
		{"id": "u-reader", "about": {"recipient": "u-mate"}, "codes": {"TENANT_MISMATCH"}},
		{"id": "u-reader", "about": {"recipient": ""}, "codes": {"TENANT_MISMATCH"}},
		{"id": "u-reader", "about": {"tenant": "helios"}, "codes": {"TENANT_MISMATCH"}},
		{"id": "u-other", "about": {"recipient": "u-other"}, "codes": set()},
		{"id": "u-nobody-s", "about": {"recipient": "u-nobody-s"}, "codes": set()},
		{"id": "u-nobody-s", "about": {"tenant": "acme"}, "codes": {"TENANT_MISMATCH"}},
		{"id": "u-unknown", "about": {}, "codes": {"TENANT_MISMATCH"}},
		{"id": "u-unknown", "about": {"recipient": "u-unknown"}, "codes": {"TENANT_MISMATCH"}},
	] {
		f.codes("subject", _for("user", case.id, case.about), _people) == case.codes
	}
}

test_the_tenant_of_a_represented_user_is_active if {
	asked := _for("user", "u-other", {})
	every state in ["suspended", "gone"] {
		f.codes("subject", asked, f.changed(_people, ["tenants", "helios", "state"], state)) == {"TENANT_SUSPENDED"}
	}
	f.codes("subject", asked, f.without(_people, ["tenants", "helios"])) == {"TENANT_SUSPENDED"}
}

test_a_user_of_another_tenant_than_the_caller_s if {
	every id, codes in {"u-reader": set(), "u-other": {"TENANT_MISMATCH"}, "u-nobody-s": {"TENANT_MISMATCH"}} {
		f.codes("subject", _for("user", id, {}), _of_acme) == codes
		f.codes("subject", f.changed(_for("user", id, {}), ["token", "tenant"], "acme"), _people) == codes
	}
}

test_token_issued_for_a_tenant if {
	every case in [
		{"about": {"tenant": "acme"}, "codes": set()},
		{"about": {"recipient": "u-reader"}, "codes": set()},
		{"about": {"recipient": "u-reader", "tenant": "acme"}, "codes": set()},
		{"about": {}, "codes": {"TENANT_MISMATCH"}},
		{"about": {"tenant": "helios"}, "codes": {"TENANT_MISMATCH"}},
		{"about": {"recipient": "u-reader", "tenant": "helios"}, "codes": {"TENANT_MISMATCH"}},
		{"about": {"recipient": "u-other", "tenant": "acme"}, "codes": {"TENANT_MISMATCH"}},
		{"about": {"recipient": "u-nobody-s", "tenant": "acme"}, "codes": {"TENANT_MISMATCH"}},
		{"about": {"recipient": "u-unknown", "tenant": "acme"}, "codes": {"TENANT_MISMATCH"}},
		{"about": {"recipient": "u-unknown"}, "codes": {"TENANT_MISMATCH"}},
	] {
		f.codes("subject", _for("tenant", "acme", case.about), _people) == case.codes
		f.codes("subject", _for("tenant", "acme", case.about), _of_acme) == case.codes
	}
	f.codes("subject", _for("tenant", "helios", {"tenant": "helios"}), _people) == set()
	f.codes("subject", _for("tenant", "helios", {"tenant": "helios"}), f.changed(_people, array.concat(f.caller_path, ["tenant"]), "acme")) == {"TENANT_MISMATCH"}
}

test_a_token_issued_for_something_else_reaches_nothing if {
	every represented in [{}, {"type": "group", "id": "g-1"}, {"type": "user"}, {"id": "u-reader"}, {"type": "tenant"}, "user:u-reader", null, false] {
		asked := f.changed(f.question, ["token", "on_behalf_of"], represented)
		f.details("subject", "TENANT_MISMATCH", asked, _people) == {{"on_behalf_of": represented}}
	}
}

test_an_id_means_something_of_its_type_only if {
	every type in ["user", "group", ""] {
		f.codes("subject", _for(type, "acme", {"tenant": "acme"}), _people) == {"TENANT_MISMATCH"}
	}
	f.codes("subject", _for("tenant", "u-reader", {"recipient": "u-reader"}), _people) == {"TENANT_MISMATCH", "TENANT_SUSPENDED"}
}

test_whom_a_token_was_issued_for_must_be_active if {
	user := _for("user", "u-reader", {})
	every state in ["suspended", "Active", "", null] {
		f.details("subject", "SUBJECT_SUSPENDED", user, f.changed(_people, ["users", "u-reader", "state"], state)) == {{
			"on_behalf_of": {"type": "user", "id": "u-reader"},
			"state": state,
		}}
		tenant := _for("tenant", "acme", {"tenant": "acme"})
		f.details("subject", "TENANT_SUSPENDED", tenant, f.changed(_people, ["tenants", "acme", "state"], state)) == {{
			"tenant": "acme",
			"state": state,
		}}
	}
	f.codes("subject", user, f.without(_people, ["users", "u-reader", "state"])) == {"SUBJECT_SUSPENDED"}
	f.codes("subject", _for("tenant", "acme", {"tenant": "acme"}), f.without(_people, ["tenants", "acme"])) == {"TENANT_SUSPENDED"}
}

test_answer_holds_until_the_caller_expires if {
	facts := f.changed(f.world, array.concat(f.caller_path, ["expires_at"]), "2026-11-22T10:00:10Z")
	f.member("subject", "valid_until", f.question, facts) == {1795341610000000000}
}

test_reason_says_what_the_rule_s_metadata_says if {
	f.denials("subject", f.question, f.without(f.world, f.caller_path)) == {{
		"code": "SUBJECT_UNKNOWN",
		"message": "The caller is not a registered machine user.",
		"fix": "Register the machine user, or have its issuer name a registered one as subject.",
		"status": 403,
		"details": {"subject": "mu:caller"},
	}}
}
