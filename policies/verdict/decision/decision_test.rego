package verdict.decision_test

import data.verdict.decision
import data.verdict.lib.fixtures_test as f

# What one spoilt thing changes: [codes, question, world].
_codes(asked, world) := {reason.code | some reason in f.decision(asked, world).reasons}

test_may_this_service_send_this_e_mail_to_this_user if {
	f.decision(f.question, f.world) == {
		"allow": true,
		"reasons": set(),
		"would_deny": set(),
		"obligations": {{"id": "use_address", "address_id": "addr-billing"}},
		"advice": set(),
		"required_level": 3,
		"cacheable_for_s": 5,
		"if_pdp_unreachable": "deny",
	}
}

test_each_guard_denies_on_its_own if {
	every case in [
		{"codes": {"SUBJECT_UNKNOWN"}, "asked": f.changed(f.question, ["subject", "id"], "mu:nobody"), "world": f.world},
		{"codes": {"SUBJECT_SUSPENDED"}, "asked": f.question, "world": f.changed(f.world, array.concat(f.caller_path, ["state"]), "suspended")},
		{"codes": {"TOKEN_EXPIRED"}, "asked": f.changed(f.question, ["token", "expires_at"], 1795341599), "world": f.world},
		{"codes": {"SERVICE_UNKNOWN"}, "asked": f.changed(f.question, ["resource", "id"], "svc:nowhere"), "world": f.world},
		{"codes": {"EDGE_NOT_DECLARED"}, "asked": f.question, "world": f.without(f.world, f.edge_path)},
		{"codes": {"ACTION_NOT_ALLOWED"}, "asked": f.changed(f.question, ["action", "name"], "email.purge"), "world": f.world},
		{"codes": {"AUTH_TOO_WEAK"}, "asked": f.changed(f.question, ["trust", "level"], 1), "world": f.world},
		{"codes": {"SOURCE_IP_NOT_ALLOWED"}, "asked": f.changed(f.question, ["context", "source_ip"], "10.9.9.9"), "world": f.world},
		{"codes": {"INPUT_INCOMPLETE"}, "asked": f.without(f.question, ["context", "source_ip"]), "world": f.world},
		{"codes": {"OUTSIDE_TIME_WINDOW"}, "asked": f.question, "world": f.changed(f.world, array.concat(f.caller_path, ["allowed_hours"]), [{"from": "01:00", "to": "03:00"}])},
		{"codes": {"RECIPIENT_UNKNOWN"}, "asked": f.changed(f.question, ["resource", "properties", "recipient"], "u-nobody"), "world": f.world},
		{"codes": {"MESSAGE_CLASS_NOT_ENTITLED"}, "asked": f.question, "world": f.changed(f.world, ["entitlements"], {})},
	] {
		decided := f.decision(case.asked, case.world)
		decided.allow == false
		decided.obligations == set()
		decided.cacheable_for_s == 0
		_codes(case.asked, case.world) == case.codes
	}
}

test_denials_of_several_guards_are_told_together if {
	asked := f.changed(f.changed(f.question, ["context", "source_ip"], "10.9.9.9"), ["trust", "level"], 1)
	_codes(asked, f.without(f.world, ["users", "u-reader"])) == {"SOURCE_IP_NOT_ALLOWED", "AUTH_TOO_WEAK", "RECIPIENT_UNKNOWN"}
}

test_a_call_with_everything_off_is_still_bound_to_its_edge if {
	world := f.changed(f.world, array.concat(f.edge_path, ["mode"]), "off")
	f.decision(f.changed(f.question, ["context"], {}), world).allow == true
	f.decision(f.changed(f.question, ["action", "name"], "email.purge"), world).allow == false
	_codes(f.changed(f.question, ["action", "name"], "email.purge"), world) == {"DEFAULT_DENY"}
}

test_every_member_has_a_value_when_nothing_is_known if {
	decided := decision with input as {}
	object.keys(decided) == {
		"allow",
		"reasons",
		"would_deny",
		"obligations",
		"advice",
		"required_level",
		"cacheable_for_s",
		"if_pdp_unreachable",
	}
	decided.allow == false
	count(decided.reasons) > 0
}
