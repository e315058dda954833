package verdict.lib.modes_test

import data.verdict.lib.fixtures_test as f
import data.verdict.lib.modes

_of(guard, edge, config) := mode if {
	mode := modes.of(guard) with input as f.question
		with data.machine_users as f.world.machine_users
		with data.services as f.world.services
		with data.edges as {"mu:caller": {"svc:email": edge}}
		with data.verdict.config.modes as config
}

test_the_bundle_s_mode if {
	every mode in ["off", "observe", "flag", "enforce"] {
		_of("network", {}, {"network": mode}) == mode
		_of("subject", {}, {"subject": mode}) == mode
	}
}

test_a_guard_without_a_mode_enforces if {
	_of("acme", {}, {}) == "enforce"
}

test_an_unknown_mode_enforces if {
	every mode in ["", "Off", "shadow", null, 0] {
		_of("network", {}, {"network": mode}) == "enforce"
		_of("network", {"mode": mode}, {"network": "off"}) == "enforce"
		_of("network", {"modes": {"network": mode}}, {"network": "off"}) == "enforce"
	}
}

test_the_edge_speaks_before_the_bundle if {
	_of("network", {"mode": "observe"}, {"network": "enforce"}) == "observe"
	_of("acme", {"mode": "flag"}, {}) == "flag"
}

test_the_edge_s_mode_of_the_guard_speaks_first if {
	_of("network", {"mode": "off", "modes": {"network": "flag"}}, {}) == "flag"
	_of("schedule", {"mode": "off", "modes": {"network": "flag"}}, {}) == "off"
}

test_the_mode_of_the_whole_edge_leaves_who_the_caller_is_alone if {
	every guard in ["subject", "credential", "token"] {
		_of(guard, {"mode": "off"}, {}) == "enforce"
		_of(guard, {"modes": {guard: "observe"}}, {}) == "observe"
	}
}

test_operators_speak_before_the_bundle if {
	mode := _of("network", {}, {"network": "off"}) with data.modes as {"network": "observe"}
	mode == "observe"
}

test_operators_speak_of_the_guards_they_name_alone if {
	mode := _of("network", {}, {"network": "flag"}) with data.modes as {"schedule": "off"}
	mode == "flag"
}

test_operators_may_name_a_guard_the_bundle_does_not if {
	mode := _of("acme", {}, {}) with data.modes as {"acme": "observe"}
	mode == "observe"
}

test_the_edge_speaks_before_the_operators if {
	every edge in [{"mode": "observe"}, {"modes": {"network": "observe"}}] {
		mode := _of("network", edge, {"network": "flag"}) with data.modes as {"network": "off"}
		mode == "observe"
	}
}

test_an_unknown_mode_of_the_operators_enforces if {
	every word in ["", "Off", "shadow", null, 0] {
		mode := _of("network", {}, {"network": "off"}) with data.modes as {"network": word}
		mode == "enforce"
	}
}

test_an_expired_edge_says_nothing if {
	_of("network", {"mode": "off", "expires_at": "2026-11-22T10:00:00Z"}, {}) == "enforce"
}

test_without_settings_every_guard_enforces if {
	mode := modes.of("network") with data.verdict.config as {}
	mode == "enforce"
}
