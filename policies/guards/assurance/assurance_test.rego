package guards.assurance_test

import data.verdict.lib.fixtures_test as f

test_required_level_against_reached_level if {
	every case in [
		{"reached": 3, "edge": 0, "service": 3, "codes": set()},
		{"reached": 4, "edge": 0, "service": 3, "codes": set()},
		{"reached": 2, "edge": 0, "service": 3, "codes": {"AUTH_TOO_WEAK"}},
		{"reached": 3, "edge": 4, "service": 3, "codes": {"AUTH_TOO_WEAK"}},
		{"reached": 3, "edge": 2, "service": 3, "codes": set()},
		{"reached": 0, "edge": 0, "service": 0, "codes": set()},
	] {
		facts := f.changed(
			f.changed(f.world, array.concat(f.edge_path, ["required_level"]), case.edge),
			array.concat(f.service_path, ["required_level", "internal"]), case.service,
		)
		f.codes("assurance", f.changed(f.question, ["trust", "level"], case.reached), facts) == case.codes
	}
}

test_service_that_says_nothing_leaves_it_to_tier_and_origin if {
	silent := f.without(f.world, array.concat(f.service_path, ["required_level"]))
	every case in [
		{"tier": 0, "origin": "internal", "required": 4},
		{"tier": 1, "origin": "internal", "required": 3},
		{"tier": 3, "origin": "internal", "required": 2},
		{"tier": 3, "origin": "external", "required": 3},
		{"tier": 0, "origin": "external", "required": 5},
		{"tier": 9, "origin": "internal", "required": 4},
		{"tier": "1.5", "origin": "internal", "required": 4},
	] {
		facts := f.changed(
			f.changed(silent, array.concat(f.service_path, ["tier"]), case.tier),
			array.concat(f.caller_path, ["origin"]), case.origin,
		)
		asked := f.changed(f.question, ["trust", "level"], 0)
		f.details("assurance", "AUTH_TOO_WEAK", asked, facts) == {{"level": 0, "required": case.required}}
	}
}

test_without_settings_the_highest_level_is_required if {
	silent := f.without(f.world, array.concat(f.service_path, ["required_level"]))
	denials := f.denials("assurance", f.question, silent) with data.verdict.config as {}
	{denial.details | some denial in denials} == {{"level": 3, "required": 5}}
}

test_a_level_that_is_not_a_number_proves_nothing if {
	every level in ["3", null, true, [3]] {
		f.codes("assurance", f.changed(f.question, ["trust", "level"], level), f.world) == {"AUTH_TOO_WEAK", "INPUT_INCOMPLETE"}
	}
	f.codes("assurance", f.without(f.question, ["trust"]), f.world) == {"AUTH_TOO_WEAK", "INPUT_INCOMPLETE"}
}

test_a_requirement_that_is_not_a_number_is_not_met if {
	facts := f.changed(f.world, array.concat(f.edge_path, ["required_level"]), "0")
	f.codes("assurance", f.question, facts) == {"AUTH_TOO_WEAK"}
}

test_an_undeclared_call_is_the_edge_guard_s if {
	f.codes("assurance", f.changed(f.question, ["trust", "level"], 0), f.without(f.world, f.edge_path)) == set()
}
