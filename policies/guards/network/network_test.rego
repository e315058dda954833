package guards.network_test

import data.verdict.lib.fixtures_test as f

_from(source_ip) := f.changed(f.question, ["context", "source_ip"], source_ip)

_limited_to(caller, edge) := f.changed(
	f.changed(f.world, array.concat(f.caller_path, ["allowed_cidrs"]), caller),
	array.concat(f.edge_path, ["cidrs"]), edge,
)

_unlimited := f.without(f.world, array.concat(f.caller_path, ["allowed_cidrs"]))

test_source_against_both_limits if {
	every case in [
		{"ip": "10.4.2.19", "caller": ["10.4.0.0/16"], "edge": ["10.4.2.0/24"], "outside": set()},
		{"ip": "10.4.3.19", "caller": ["10.4.0.0/16"], "edge": ["10.4.2.0/24"], "outside": {"edge"}},
		{"ip": "10.4.2.19", "caller": ["10.5.0.0/16"], "edge": ["10.4.2.0/24"], "outside": {"machine_user"}},
		{"ip": "10.6.0.1", "caller": ["10.5.0.0/16"], "edge": ["10.4.2.0/24"], "outside": {"machine_user", "edge"}},
		{"ip": "10.4.2.19", "caller": ["10.5.0.0/16", "10.4.2.19/32"], "edge": ["0.0.0.0/0"], "outside": set()},
		{"ip": "2001:db8::1", "caller": ["2001:db8::/32"], "edge": ["2001:db8::/64"], "outside": set()},
		{"ip": "2001:db8::1", "caller": ["10.4.2.0/24"], "edge": ["2001:db8::/64"], "outside": {"machine_user"}},
		{"ip": "2001:db8::1", "caller": ["0.0.0.0/0"], "edge": ["::/0"], "outside": {"machine_user"}},
		{"ip": "10.4.2.19", "caller": ["::/0"], "edge": ["0.0.0.0/0"], "outside": {"machine_user"}},
		{"ip": "::ffff:10.4.2.19", "caller": ["10.4.2.0/24"], "edge": ["10.4.2.0/24"], "outside": set()},
		{"ip": "::ffff:10.9.9.9", "caller": ["10.4.2.0/24"], "edge": ["::/0"], "outside": {"machine_user", "edge"}},
		{"ip": "10.4.2.19", "caller": [], "edge": ["10.4.2.0/24"], "outside": {"machine_user"}},
		{"ip": "10.4.2.19", "caller": ["not a network", 7], "edge": ["10.4.2.0/24"], "outside": {"machine_user"}},
		{"ip": "10.4.2.19", "caller": "10.4.2.0/24", "edge": ["10.4.2.0/24"], "outside": {"machine_user"}},
	] {
		denials := f.denials("network", _from(case.ip), _limited_to(case.caller, case.edge))
		{holder | some denial in denials; some holder in denial.details.outside} == case.outside
		{denial.code | some denial in denials} == {"SOURCE_IP_NOT_ALLOWED" | count(case.outside) > 0}
	}
}

test_source_that_is_no_address if {
	every ip in [
		"not-an-ip", "", "10.4.2.19/32", "10.4.2.0/24", "010.4.2.19", "10.4.2", "10.4.2.19:443", " 10.4.2.19",
		"fe80::1%eth0", "[::1]", "::1/64", 10, null, ["10.4.2.19"],
	] {
		f.codes("network", _from(ip), f.world) == {"SOURCE_UNVERIFIED"}
	}
}

test_source_the_enforcement_point_does_not_vouch_for if {
	every verified in [false, "true", 1, null] {
		f.codes("network", f.changed(f.question, ["context", "source_verified"], verified), f.world) == {"SOURCE_UNVERIFIED"}
	}
	f.codes("network", f.changed(f.question, ["context", "source_verified"], true), f.world) == set()
}

test_missing_source if {
	f.details("network", "INPUT_INCOMPLETE", f.without(f.question, ["context", "source_ip"]), f.world) == {{"missing": ["context.source_ip"]}}
	f.codes("network", f.without(f.question, ["context"]), f.world) == {"INPUT_INCOMPLETE"}
}

test_limit_of_the_edge_alone_asks_for_a_source if {
	facts := f.changed(_unlimited, array.concat(f.edge_path, ["cidrs"]), ["10.4.2.0/24"])
	f.codes("network", f.question, facts) == set()
	f.codes("network", f.without(f.question, ["context", "source_ip"]), facts) == {"INPUT_INCOMPLETE"}
}

test_without_limits_the_source_does_not_matter if {
	f.codes("network", _from("not-an-ip"), _unlimited) == set()
	f.codes("network", f.without(f.question, ["context", "source_ip"]), _unlimited) == set()
}

test_an_expired_edge_limits_nothing_it_no_longer_declares if {
	facts := f.changed(_limited_to(["10.4.2.0/24"], ["10.9.0.0/16"]), array.concat(f.edge_path, ["expires_at"]), "2026-01-01T00:00:00Z")
	f.codes("network", f.question, facts) == set()
}
