package guards.edge_test

import data.verdict.lib.fixtures_test as f

test_a_declared_edge_passes if {
	f.codes("edge", f.question, f.world) == set()
}

test_any_action if {
	facts := f.changed(f.world, array.concat(f.edge_path, ["actions"]), ["*"])
	f.codes("edge", f.changed(f.question, ["action", "name"], "email.purge"), facts) == set()
}

test_unknown_service if {
	f.details("edge", "SERVICE_UNKNOWN", f.question, f.without(f.world, f.service_path)) == {{"service": "svc:email"}}
}

test_edge_not_declared if {
	f.details("edge", "EDGE_NOT_DECLARED", f.question, f.without(f.world, f.edge_path)) == {{
		"from": "mu:caller",
		"to": "svc:email",
	}}
	f.codes("edge", f.question, f.without(f.world, ["edges", "mu:caller"])) == {"EDGE_NOT_DECLARED"}
}

test_unknown_caller_is_the_subject_guard_s if {
	f.codes("edge", f.question, f.without(f.world, f.caller_path)) == set()
}

test_expiry_of_the_edge if {
	every expires_at, codes in {
		"2026-11-22T10:00:00.000000001Z": set(),
		"9999-12-31T23:59:59Z": set(),
		"2026-11-22T10:00:00Z": {"EDGE_DENIED"},
		"2026-11-22T11:30:00+02:00": {"EDGE_DENIED"},
		"never": {"EDGE_DENIED"},
	} {
		facts := f.changed(f.world, array.concat(f.edge_path, ["expires_at"]), expires_at)
		f.codes("edge", f.question, facts) == codes
	}
}

test_action_not_named if {
	asked := f.changed(f.question, ["action", "name"], "email.purge")
	f.details("edge", "ACTION_NOT_ALLOWED", asked, f.world) == {{"action": "email.purge", "allowed": ["email.send"]}}
}

test_edge_without_actions_names_none if {
	facts := f.without(f.world, array.concat(f.edge_path, ["actions"]))
	f.codes("edge", f.question, facts) == {"ACTION_NOT_ALLOWED"}
}

test_external_caller_needs_a_service_that_takes_them if {
	outside := f.changed(f.world, array.concat(f.caller_path, ["origin"]), "external")
	f.codes("edge", f.question, outside) == {"EXTERNAL_NOT_ALLOWED"}
	f.codes("edge", f.question, f.without(outside, array.concat(f.service_path, ["required_level"]))) == {"EXTERNAL_NOT_ALLOWED"}
	f.codes("edge", f.question, f.changed(outside, array.concat(f.service_path, ["required_level", "external"]), 0)) == set()
}

test_answer_holds_until_the_edge_expires if {
	facts := f.changed(f.world, array.concat(f.edge_path, ["expires_at"]), "2026-11-22T10:00:10Z")
	f.member("edge", "valid_until", f.question, facts) == {1795341610000000000}
}
